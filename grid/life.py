"""The life of findings: what each match run changed, written as events, so that history grows with change only.

Three kinds of change are told apart, for each is rare in its own way:

* the database begins or ceases to report a problem of a *package* (``package_events``): true of every image that
  shows the package, so a new advisory on a package of a million images is one row;
* an *image* appears, gets other layers or vanishes (``image_events``);
* what other layers under the same name changed for that image's *findings* (``finding_events``): new, fixed, or kept
  though the package came in another version. What stayed the same has no row.

When a finding was first seen follows from these by joins (``sql/_lives.sql`` and the view ``vulnerabilities``): the
later of when the image appeared and when the database began to report it, unless a change of layers said otherwise
since. An image that could not be read keeps what was known of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid import ecosystems
from grid.schema import FINDING_EVENTS, HISTORY, IMAGE_EVENTS, MATCHED_PACKAGES, PACKAGE_EVENTS, Table
from grid.store import Lake
from grid.warehouse import IMAGE_ID, KEY, connect

_SYSTEMS = sorted({osv for e in ecosystems.ALL if e.system for osv in e.osv})
_FINDING_COLUMNS = [name for name in FINDING_EVENTS.arrow.names if name != "match_id"]
_TABLES = (MATCHED_PACKAGES, PACKAGE_EVENTS, IMAGE_EVENTS, FINDING_EVENTS)


def remember(lake: Lake, match_id: str, evaluated: pa.Table, found: pa.Table) -> Mapping[str, int]:
    """Write what this match run changed, once the sweep's images are in the lake; returns the rows of each table.

    ``evaluated``: ``package_id, namespace`` of the packages it looked at. ``found``: ``package_id, namespace, vuln_id,
    aliases`` of its findings. A channel stands behind its namespace, after a bar.

    The runs of a lake are remembered in the order of their ids, each against the state that those before it left. A
    match that an interrupted sweep has left behind is not remembered; the next one tells its changes.
    """
    rows: dict[str, int] = {}
    with connect(lake) as con:
        con.execute("SET VARIABLE run_match = $1", [match_id])
        told = con.sql(_RUN).to_arrow_table().to_pylist()
        if not told:
            return rows
        run = {"match_id": match_id, **told[0]}
        con.register("evaluated_in", evaluated)
        con.register("found_in", found)
        changes = _changes(con, run)
    for table in _TABLES:
        rows[table.name] = lake.write(table.name, match_id, _named(table, changes[table.name], match_id))
    lake.write("history", match_id, pa.Table.from_pylist([run], schema=HISTORY.arrow))  # last: it commits the others
    return rows


def _named(table: Table, rows: pa.Table, match_id: str) -> pa.Table:
    return rows.append_column("match_id", pa.repeat(pa.scalar(match_id), rows.num_rows)).select(table.arrow.names)


def _changes(con: Any, run: Mapping[str, Any]) -> dict[str, pa.Table]:
    con.execute("SET VARIABLE run_at = $1", [run["matched_at"]])
    con.execute("SET VARIABLE run_sweep = $1", [run["sweep_id"]])
    con.execute("SET VARIABLE run_kind = $1", [run["kind"]])
    con.execute("SET VARIABLE systems = $1::VARCHAR[]", [_SYSTEMS])
    con.execute(_SYSTEM_OF)
    changes: dict[str, pa.Table] = {}
    for name, query in _QUERIES:
        if name == "moved" and not pc.any(pc.equal(changes["image_events"]["event"], "moved")).as_py():
            changes["finding_events"] = FINDING_EVENTS.only(*_FINDING_COLUMNS).empty_table()
            break  # nearly always, after a scan
        if name == "shown":
            query = _shown(con)
        if run["again"] and name in _OF_IMAGES:
            query = f"SELECT * FROM ({query}) WHERE false"  # nothing is read for it
        if name in {table.name for table in _TABLES}:
            changes[name] = con.sql(query).to_arrow_table()
            con.register(f"{name}_now", changes[name])
        else:
            con.execute(f"CREATE TEMP TABLE {name} AS {query}")
    return changes


_RUN = """
SELECT m.sweep_id, s.kind, m.matched_at, EXISTS (SELECT 1 FROM history h WHERE h.sweep_id = m.sweep_id) AS again
FROM matches m JOIN sweeps s USING (sweep_id)
WHERE m.match_id = getvariable('run_match')
    AND NOT EXISTS (SELECT 1 FROM history h WHERE h.match_id >= getvariable('run_match'))
"""

_SYSTEM_OF = """
CREATE TEMP MACRO system_of(namespace) AS
    CASE WHEN list_contains(getvariable('systems'), split_part(split_part(namespace, '|', 1), ':', 1)) THEN namespace
    ELSE '' END
"""

# --- packages: state before (open), then what the run changes -------------------------------------

_OPEN = """
SELECT package_id, namespace, vuln_id, since, system_of(namespace) AS system, match_id AS from_match
FROM (SELECT * FROM package_events QUALIFY row_number() OVER (
        PARTITION BY package_id, namespace, vuln_id ORDER BY match_id DESC) = 1)
WHERE event NOT IN ('gone', 'merged')
"""

_EVALUATED = "SELECT DISTINCT package_id, namespace, system_of(namespace) AS system FROM evaluated_in"

_KNOWN = "SELECT DISTINCT package_id, system_of(namespace) AS system FROM matched_packages"

_MATCHED_PACKAGES = "SELECT package_id, namespace FROM evaluated ANTI JOIN known USING (package_id, system)"

# An id that took the place of one of its aliases goes on with that one's life: the problem was reported all along.
_PACKAGE_EVENTS = """
WITH came AS (SELECT * FROM found_in ANTI JOIN open USING (package_id, namespace, vuln_id)),
went AS (
    SELECT o.* FROM open o SEMI JOIN evaluated e ON e.package_id = o.package_id AND e.system = o.system
    ANTI JOIN found_in f ON f.package_id = o.package_id AND f.namespace = o.namespace AND f.vuln_id = o.vuln_id
),
renamed AS (
    SELECT c.package_id, c.namespace, c.vuln_id, w.vuln_id AS was, w.since
    FROM (SELECT * EXCLUDE (aliases), unnest(aliases) AS alias FROM came) c
    JOIN went w ON w.package_id = c.package_id AND w.namespace = c.namespace AND w.vuln_id = c.alias
)
SELECT c.package_id, c.namespace, c.vuln_id,
    CASE WHEN r.since IS NOT NULL THEN 'renamed' WHEN k.package_id IS NULL THEN 'known' ELSE 'new' END AS event,
    coalesce(r.since, getvariable('run_at')) AS since
FROM came c LEFT JOIN known k ON k.package_id = c.package_id AND k.system = system_of(c.namespace)
LEFT JOIN (SELECT package_id, namespace, vuln_id, min(since) AS since FROM renamed GROUP BY ALL) r
    ON r.package_id = c.package_id AND r.namespace = c.namespace AND r.vuln_id = c.vuln_id
UNION ALL
SELECT w.package_id, w.namespace, w.vuln_id, CASE WHEN r.was IS NULL THEN 'gone' ELSE 'merged' END, w.since
FROM went w LEFT JOIN (SELECT DISTINCT package_id, namespace, was FROM renamed) r
    ON r.package_id = w.package_id AND r.namespace = w.namespace AND r.was = w.vuln_id
"""

_OPEN_NOW = """
SELECT package_id, vuln_id, system FROM open o
ANTI JOIN (SELECT * FROM package_events_now WHERE event IN ('gone', 'merged')) e USING (package_id, namespace, vuln_id)
UNION ALL
SELECT package_id, vuln_id, system_of(namespace) FROM package_events_now WHERE event NOT IN ('gone', 'merged')
"""

# --- images --------------------------------------------------------------------------------------

# A sweep's images are written once: a re-match of them (``again``) cannot have changed any.
_OF_IMAGES = frozenset({"images_before", "listed", "images_now"})

_IMAGES_BEFORE = "SELECT * FROM parts._image_spans WHERE to_match IS NULL"

_LISTED = f"""
SELECT {IMAGE_ID.format("i")} AS image_id, registry, repository, tag, os, arch, digest, status
FROM images i
WHERE sweep_id = getvariable('run_sweep')
"""

# Of several variants of one platform (Windows has them) the greatest digest stands for all.
_IMAGES_NOW = """
SELECT l.*, t.chain_id FROM listed l JOIN image_chains t USING (digest)
WHERE l.status = 'ok' AND t.chain_id IN (SELECT chain_id FROM chains)
QUALIFY row_number() OVER (PARTITION BY image_id ORDER BY digest DESC) = 1
"""

# A name that was listed but could not be read, for whatever reason, has not vanished.
_IMAGE_EVENTS = """
SELECT n.image_id, n.registry, n.repository, n.tag, n.os, n.arch, n.digest, n.chain_id,
    CASE WHEN b.image_id IS NULL THEN 'appeared' WHEN b.chain_id = n.chain_id THEN 'joined' ELSE 'moved' END AS event,
    coalesce(b.since, getvariable('run_at')) AS since, getvariable('run_kind') AS kind
FROM images_now n LEFT JOIN images_before b USING (image_id)
WHERE b.chain_id IS DISTINCT FROM n.chain_id OR (b.kind = 'scan' AND getvariable('run_kind') = 'sweep')
UNION ALL
SELECT b.image_id, b.registry, b.repository, b.tag, b.os, b.arch, b.digest, b.chain_id, 'vanished', b.since, b.kind
FROM images_before b
ANTI JOIN images_now n ON n.image_id = b.image_id
ANTI JOIN (SELECT DISTINCT registry, repository, tag FROM listed WHERE status NOT IN ('ok', 'unsupported')) u
    ON u.registry = b.registry AND u.repository IN (b.repository, '') AND u.tag IN (b.tag, '')
WHERE b.kind = 'sweep' AND getvariable('run_kind') = 'sweep'
"""

# --- findings of images whose layers changed ------------------------------------------------------

_MOVED = f"""
SELECT n.image_id, b.hk, b.since, b.ck AS old_ck, {KEY.format("n.chain_id")} AS new_ck
FROM image_events_now n JOIN images_before b USING (image_id) WHERE n.event = 'moved'
"""

_SHOWN = """
SELECT DISTINCT ck, ecosystem, name AS package, package_id, version, system FROM parts._sweep_chain_packages
WHERE ck IN ({})
"""

_CHAINS_OF_MOVED = "SELECT old_ck FROM moved UNION SELECT new_ck FROM moved"

FEW_CHAINS = 1000


def _shown(con: Any) -> str:
    """The packages of the chains of images that moved; named one by one if they are few: then no other is looked at."""
    chains = con.execute(_CHAINS_OF_MOVED).fetchall()
    if len(chains) > FEW_CHAINS:
        return _SHOWN.format(_CHAINS_OF_MOVED)
    if not chains:
        return f"SELECT * FROM ({_SHOWN.format('NULL')}) WHERE false"
    return _SHOWN.format(", ".join(f"{chain}::UHUGEINT" for (chain,) in chains))


_BEFORE = """
SELECT m.image_id, p.ecosystem, p.package, o.vuln_id, min(p.package_id) AS package_id,
    min_by(p.version, p.package_id) AS version,
    min(CASE WHEN c.from_match >= o.from_match AND c.told_at >= m.since THEN c.first_seen
             ELSE greatest(m.since, o.since) END) AS first_seen
FROM moved m JOIN shown p ON p.ck = m.old_ck JOIN open o ON o.package_id = p.package_id AND o.system = p.system
LEFT JOIN parts._finding_spans c
    ON c.image_id = m.hk AND c.package_id = p.package_id AND c.vuln_id = o.vuln_id AND c.to_match IS NULL
GROUP BY ALL
"""

_AFTER = """
SELECT m.image_id, p.ecosystem, p.package, o.vuln_id, p.package_id, p.version, q.package_id IS NULL AS came
FROM moved m JOIN shown p ON p.ck = m.new_ck JOIN open_now o ON o.package_id = p.package_id AND o.system = p.system
LEFT JOIN shown q ON q.ck = m.old_ck AND q.package_id = p.package_id AND q.system = p.system
"""

_FINDING_EVENTS = """
SELECT a.image_id, a.ecosystem, a.package, a.package_id, a.version, a.vuln_id,
    CASE WHEN b.image_id IS NULL THEN 'new' ELSE 'kept' END AS event,
    coalesce(b.first_seen, getvariable('run_at')) AS first_seen
FROM (SELECT DISTINCT * FROM after WHERE came) a LEFT JOIN before b USING (image_id, ecosystem, package, vuln_id)
UNION ALL
SELECT image_id, ecosystem, package, package_id, version, vuln_id, 'fixed', first_seen
FROM before ANTI JOIN after USING (image_id, ecosystem, package, vuln_id)
"""

_QUERIES = (
    ("open", _OPEN),
    ("evaluated", _EVALUATED),
    ("known", _KNOWN),
    ("matched_packages", _MATCHED_PACKAGES),
    ("package_events", _PACKAGE_EVENTS),
    ("images_before", _IMAGES_BEFORE),
    ("listed", _LISTED),
    ("images_now", _IMAGES_NOW),
    ("image_events", _IMAGE_EVENTS),
    ("moved", _MOVED),
    ("open_now", _OPEN_NOW),
    ("shown", ""),
    ("before", _BEFORE),
    ("after", _AFTER),
    ("finding_events", _FINDING_EVENTS),
)
"""In the order in which they build on each other; those named as a table of the lake are its new rows."""
