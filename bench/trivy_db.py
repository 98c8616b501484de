"""Our advisory database as a database that Trivy reads: the same facts for both, so that answers can be compared.

Layout (trivy-db, schema 2): a bucket for each release of a distribution (``debian 12``) or ecosystem (``pip::…``), in
it one for each package, in that an advisory for each vulnerability, as JSON. ``data-source`` says who publishes a
bucket and ``vulnerability`` rates each id. What that form cannot say is left out of both sides and counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
from packaging.version import InvalidVersion, Version

from bench import bolt, trivy_redhat
from grid.database import Database

LANGUAGES = {
    "PyPI": "pip",
    "npm": "npm",
    "RubyGems": "rubygems",
    "Packagist": "composer",
    "Maven": "maven",
    "Go": "go",
    "crates.io": "cargo",
    "NuGet": "nuget",
    "Bitnami": "bitnami",
    "Pub": "pub",
    "Hex": "erlang",
    "SwiftURL": "swift",
    "ConanCenter": "conan",
}
"""OSV's ecosystems and Trivy's names of them."""

_STATES = {
    "not_affected": 1,
    "affected": 2,
    "fixed": 3,
    "under_investigation": 4,
    "will_not_fix": 5,
    "fix_deferred": 6,
    "end_of_life": 7,
}
_LABELS = {"negligible": 1, "low": 1, "medium": 2, "high": 3, "critical": 4}
_PRECEDENCE = (
    "nvd", "red hat", "debian", "ubuntu", "alpine", "amazon linux", "oracle linux", "suse", "opensuse", "photon os",
    "arch linux", "almalinux", "rocky linux", "azure linux", "ghsa",
)  # fmt: skip
"""Where neither the publisher nor the NVD rated, Trivy's database has chosen beforehand, in this order, then any."""
PLAIN_NUMBERS = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}")
_ARCHES = ("x86_64", "noarch")
"""What trivy-db keeps of errata that are told by architecture, but for Oracle's and Rocky's."""


_OPEN = frozenset({"alpine", "debian", "ubuntu", "azure", "cbl-mariner"})
"""Publishers for whom Trivy reports what has no fix."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where Trivy keeps a namespace of ours."""

    name: str
    source: str
    """Id of the publisher."""
    language: bool = False


@dataclass(slots=True)
class Written:
    """What was written."""

    buckets: dict[str, Bucket] = field(default_factory=dict)
    advisories: int = 0
    left_out: set[tuple[str, str, str]] = field(default_factory=set)
    """(namespace, name, vuln_id) of what Trivy's form cannot say."""
    reasons: Counter[str] = field(default_factory=Counter)
    no_clear_fix: set[tuple[str, str, str]] = field(default_factory=set)
    """Of a language: every fix that the advisory names lies in another of its ranges."""
    rated_apart: set[tuple[str, str]] = field(default_factory=set)
    """(namespace, vuln_id) that a distribution rates differently for its packages, which Trivy knows of Debian only."""
    unshipped: set[tuple[str, str]] = field(default_factory=set)
    """(namespace, vuln_id) fixed in a version that the release does not have: for Trivy all versions are affected."""
    unusual: set[tuple[str, str]] = field(default_factory=set)
    """(namespace, vuln_id) that Red Hat says something of in a product that Trivy does not take for usual."""
    several_states: set[tuple[str, str]] = field(default_factory=set)
    """(namespace, vuln_id) that Red Hat's products say different things of."""
    open_at_red_hat: set[tuple[str, str]] = field(default_factory=set)
    """(namespace, vuln_id) that Red Hat has not fixed in one of its products."""
    fixed_at_red_hat: set[tuple[str, str, str]] = field(default_factory=set)
    """(namespace, vuln_id, version) of Red Hat's fixes: a rebuild whose errata are silent about one has it, too."""
    early_ends: set[tuple[str, str, str]] = field(default_factory=set)
    """(name, vuln_id, release) of npm with a range both of whose ends are prereleases of that release."""
    odd_ends: set[tuple[str, str]] = field(default_factory=set)
    """(name, vuln_id) of Bitnami's whose ranges end at versions that are not three plain numbers."""
    malicious: set[str] = field(default_factory=set)
    """Problems that are packages made to attack (``MAL-``)."""
    ranked: dict[str, set[str]] = field(default_factory=dict)
    """Who has rated a problem, of those whom Trivy ranks."""
    folded: set[tuple[str, str]] = field(default_factory=set)
    """(namespace, name) of packages that Trivy takes for one because their names differ in case only."""


def bucket(namespace: str) -> Bucket | None:
    """Where Trivy keeps this namespace; None if it does not know it."""
    base, _, release = namespace.partition(":")
    if base == "Bitnami":
        return Bucket("bitnami::Bitnami Vulnerability Database", "bitnami", language=True)
    if base in LANGUAGES:
        return Bucket(f"{LANGUAGES[base]}::GitHub Security Advisory", "ghsa", language=True)
    if base == "Alpine":
        return Bucket(f"alpine {release.removeprefix('v')}", "alpine")
    if base == "Ubuntu" and (found := re.fullmatch(r"(\d\d\.\d\d)(?::LTS)?", release)):
        return Bucket(f"ubuntu {found[1]}", "ubuntu")
    if base == "SUSE" and (found := re.fullmatch(r"Linux Enterprise Server (\d+)(?: SP(\d))?", release)):
        return Bucket(f"SUSE Linux Enterprise {found[1]}{f'.{found[2]}' if found[2] else ''}", "suse-cvrf")
    if base == "SUSE" and (found := re.fullmatch(r"Linux (?:Enterprise )?Micro (\d\.\d)", release)):
        return Bucket(f"SUSE Linux Enterprise Micro {found[1]}", "suse-cvrf")
    if base == "openSUSE":
        return Bucket(f"openSUSE {release}", "suse-cvrf")
    if base == "Azure Linux":
        name, source = ("CBL-Mariner", "cbl-mariner") if release in ("1", "2") else ("Azure Linux", "azure")
        return Bucket(f"{name} {release}.0", source)
    if base == "Red Hat":
        return Bucket(trivy_redhat.NAME, trivy_redhat.SOURCE)
    plain = {
        "Debian": ("debian", "debian"),
        "AlmaLinux": ("alma", "alma"),
        "Rocky Linux": ("rocky", "rocky"),
        "Oracle Linux": ("Oracle Linux", "oracle-oval"),
        "Amazon Linux": ("amazon linux", "amazon"),
        "Photon OS": ("Photon OS", "photon"),
        "Wolfi": ("wolfi", "wolfi"),
        "Chainguard": ("chainguard", "chainguard"),
    }.get(base)
    return Bucket(f"{plain[0]} {release}".strip(), plain[1]) if plain else None


def write(
    database: Database, namespaces: Iterable[str] | None = None, builds: Mapping[str, Sequence[str]] | None = None
) -> tuple[bytes, Written]:
    """The bytes of ``trivy.db`` with the namespaces that Trivy knows (or of these only), and what is in it.

    ``builds``: of images of Red Hat's, ``name-version-release-arch`` → their CPEs.
    """
    written = Written()
    tree: dict[str, Any] = {}
    rated: dict[str, dict[str, int]] = defaultdict(dict)
    with duckdb.connect() as con:
        files = {name: database.parquet(name) for name in ("ranges", "exact", "advisories", "severities")}
        asked = {n: files[n] for n in ("ranges", "exact", "advisories")}
        known = [row[0] for row in con.execute(_NAMESPACES, {n: files[n] for n in ("ranges", "exact")}).fetchall()]
        wanted = known if namespaces is None else [n for n in known if n in set(namespaces)]
        written.buckets = {namespace: place for namespace in wanted if (place := bucket(namespace)) is not None}
        sources = {
            place.name: _json({"ID": place.source, "Name": place.name, "URL": "https://example.org/"})
            for place in written.buckets.values()
        }
        for namespace, place in written.buckets.items():
            if place.name == trivy_redhat.NAME:
                continue
            packages: dict[str, dict[str, bytes]] = defaultdict(dict)
            lowered: dict[str, str] = {}
            labels: dict[str, int] = {}
            for (name, problem), spoken in _grouped(con.execute(_ROWS, asked | {"namespaces": [namespace]})):
                told = _language(namespace, spoken) if place.language else _system(place, spoken)
                if isinstance(told, str):
                    written.left_out.add((namespace, name, problem))
                    written.reasons[told] += 1
                    continue
                listed = name.lower() if place.language and namespace != "Go" else name  # as trivy-db does
                if lowered.setdefault(listed, name) != name:
                    written.folded |= {(namespace, name), (namespace, lowered[listed])}
                ends = {row[one] or "0.0.0" for row in spoken for one in ("introduced", "fixed", "last_affected")}
                if namespace == "Bitnami" and not all(map(PLAIN_NUMBERS.fullmatch, ends - {"0"})):
                    written.odd_ends.add((name, problem))
                if namespace == "npm":
                    written.early_ends |= {(name, problem, early) for row in spoken if (early := _early(row))}
                if place.language and not told[""]["PatchedVersions"]:
                    written.no_clear_fix.add((namespace, name, problem))
                for module, advisory in told.items():
                    packages[f"{module}::{listed}" if module else listed][problem] = _json(advisory)
                    written.advisories += 1
                label = max((_LABELS.get(row["severity"], 0) for row in spoken if row["severity"]), default=0)
                if not place.language:
                    if any(row["fixed"] is None and row["hi"] is not None for row in spoken):
                        written.unshipped.add((namespace, problem))
                    if labels.setdefault(problem, label) != label:
                        written.rated_apart.add((namespace, problem))
                    if label:
                        rated[problem][place.source] = max(rated[problem].get(place.source, 0), label)
            tree[place.name] = packages
        if releases := [n for n, place in written.buckets.items() if place.name == trivy_redhat.NAME]:
            pairs = con.execute(_REPOSITORIES, {"known": database.parquet("repository_cpes")}).fetchall()
            spoken_of = [row[0] for row in con.execute(_CPES, {"ranges": files["ranges"]}).fetchall()]
            products, tree[f"{trivy_redhat.NAME} CPE"] = trivy_redhat.mapping(pairs, builds or {}, spoken_of)
            packages = tree[trivy_redhat.NAME] = defaultdict(dict)
            for (name, problem), spoken in _grouped(con.execute(_ROWS, asked | {"namespaces": releases})):
                for module, advisory in trivy_redhat.entries(spoken, products, _LABELS, _STATES).items():
                    packages[f"{module}::{name}" if module else name][problem] = _json(advisory)
                    written.advisories += 1
                for namespace in {row["namespace"] for row in spoken}:
                    mine = [row for row in spoken if row["namespace"] == namespace]
                    if any(cpe.endswith("::crb") for row in mine for cpe in row["cpes"]):
                        written.unusual.add((namespace, problem))
                    states = {row["state"] for row in mine if row["fixed"] is None}
                    if states:
                        written.open_at_red_hat.add((namespace, problem))
                    written.fixed_at_red_hat |= {(namespace, problem, row["fixed"]) for row in mine if row["fixed"]}
                    if len(states) > 1:
                        written.several_states.add((namespace, problem))
        for problem, source, word in con.execute(_RATINGS, {"severities": files["severities"]}).fetchall():
            rated[problem].setdefault(source, _LABELS.get(word, 0))
            if source in (*_PRECEDENCE, "bitnami"):
                written.ranked.setdefault(problem, set()).add(source)
        written.malicious = {row[0] for row in con.execute(_MALICIOUS, {"advisories": files["advisories"]}).fetchall()}
    tree["data-source"] = sources
    tree["vulnerability"] = {problem: _json(_detail(told)) for problem, told in rated.items()} | {
        problem: _json({"Title": problem})
        for packages in list(tree.values())
        for problems in packages.values()
        if isinstance(problems, dict)
        for problem in problems
        if problem not in rated
    }
    return bolt.write(tree), written


def _detail(told: Mapping[str, int]) -> dict[str, Any]:
    known = {source: label for source, label in told.items() if label}
    order = [*(s for s in _PRECEDENCE if s in known), *sorted(known)]
    names = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")
    return {"Severity": names[known[order[0]]] if order else "", "VendorSeverity": known}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _grouped(rows: duckdb.DuckDBPyConnection) -> Iterable[tuple[tuple[str, str], list[dict[str, Any]]]]:
    columns = [c[0] for c in rows.description or ()]
    key: tuple[str, str] | None = None
    group: list[dict[str, Any]] = []
    while batch := rows.fetchmany(50_000):
        for values in batch:
            row = dict(zip(columns, values, strict=True))
            at = (row["name"], row["vuln_id"])
            if at != key and key is not None:
                yield key, group
                group = []
            key = at
            group.append(row)
    if key is not None:
        yield key, group


# --- what a form can say -------------------------------------------------------------------------


def _system(place: Bucket, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]] | str:
    """By module ("" = none): everything below one version, or everything; else why it cannot be said."""
    if any(row["state"] == "not_affected" for row in rows):
        return "not affected"
    if any(row["lo"] or row["version"] is not None or row["last_affected"] for row in rows):
        return "a lower end, or a list of versions"
    found: dict[str, dict[str, Any]] = {}
    for module in sorted({row["module"] or "" for row in rows}):
        mine = [row for row in rows if (row["module"] or "") == module or (module and _modules_build(row))]
        entries = []
        for flavour, arches in sorted({(row["flavour"] or "", tuple(row["arches"] or ())) for row in mine}):
            same = [r for r in mine if (r["flavour"] or "") == flavour and tuple(r["arches"] or ()) == arches]
            if arches and place.source not in ("oracle-oval", "rocky") and not set(arches) & set(_ARCHES):
                continue
            told = _below(same)
            if not told["FixedVersion"] and place.source not in _OPEN:
                return "a problem without a fix, where Trivy takes fixed ones only"
            entries.append(told | {"Arches": list(arches) or [*_ARCHES, "aarch64", "i686"]})
        if not entries:
            return "other architectures"
        if place.source in ("oracle-oval", "rocky"):
            plain = next((e for e in entries if set(e["Arches"]) & set(_ARCHES)), {"FixedVersion": "0.0.0"})
            found[module] = {"FixedVersion": plain["FixedVersion"], "Entries": entries}
        elif len(entries) > 1:
            return "several builds"
        else:
            entries[0].pop("Arches")
            found[module] = entries[0]
    return found


def _modules_build(row: dict[str, Any]) -> bool:
    """Whether a row that names no module is about a module's build."""
    return row["module"] is None and ".module" in (row["fixed"] or "")


def _below(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """An advisory: below the highest fix; of a fix that is not shipped, or of none, everything."""
    open_ended = [row for row in rows if row["fixed"] is None]
    label = max((_LABELS.get(row["severity"], 0) for row in rows if row["severity"]), default=0)
    advisory: dict[str, Any] = {"Severity": label} if label else {}
    if open_ended:
        return advisory | {"FixedVersion": "", "Status": _STATES.get(open_ended[0]["state"], 2)}
    return advisory | {"FixedVersion": max(rows, key=lambda row: row["hi"])["fixed"]}


def _early(row: Mapping[str, Any]) -> str:
    """The release whose prereleases all ends of a range are; "" if there is none."""
    ends = [row[one] for one in ("introduced", "fixed", "last_affected") if row[one] not in (None, "0")]
    releases = {end.partition("-")[0] if "-" in end else "" for end in ends}
    return releases.pop() if len(releases) == 1 else ""


_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_~-]*")


def _pep440(text: str) -> bool:
    try:
        return bool(Version(text))
    except InvalidVersion:
        return False


_ACCEPTED: dict[str, Callable[[str], Any]] = {"PyPI": _pep440, "Maven": re.compile(r"[^_]*").fullmatch}
"""Beyond the signs: ``packaging`` and Trivy's parser agree on Python's; underscores end Maven's."""


def _language(ecosystem: str, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]] | str:
    vulnerable: list[str] = []
    for row in rows:
        if row["version"] is not None:
            vulnerable.append(f"={row['version']}")
            continue
        parts = [] if row["introduced"] in (None, "0") else [f">={row['introduced']}"]
        if row["introduced"] not in (None, "0") and row["introduced"] == row["last_affected"]:
            parts = [f"={row['last_affected']}"]
        elif row["last_affected"] is not None:
            parts.append(f"<={row['last_affected']}")
        elif row["fixed"] is not None:
            parts.append(f"<{row['fixed']}")
        elif row["hi"] is not None:
            return "a limit"
        vulnerable.append(", ".join(parts))
    for text in vulnerable:
        parts = [part.lstrip("<>= ") for part in text.split(",") if text]
        if not all(map(_PLAIN.fullmatch, parts)) or not all(map(_ACCEPTED.get(ecosystem, bool), parts)):
            return "a version that Trivy does not parse, with which it gives up all ranges of the advisory"
    spans = [(row["lo"], row["hi"]) for row in rows if row["version"] is None]
    listed = {row["version"] for row in rows}
    patched = [
        row["fixed"]
        for row in rows
        if row["fixed"] is not None and row["fixed"] not in listed
        and not any(lo <= row["hi"] and (hi is None or row["hi"] < hi) for lo, hi in spans if row["hi"] is not None)
    ]  # fmt: skip
    return {"": {"VulnerableVersions": list(dict.fromkeys(vulnerable)),
                 "PatchedVersions": list(dict.fromkeys(patched))}}  # fmt: skip


_NAMESPACES = """
SELECT namespace FROM read_parquet($ranges) UNION SELECT namespace FROM read_parquet($exact) ORDER BY 1
"""

_ROWS = """
WITH spoken AS (
    SELECT name, advisory_id, source, lo, hi, NULL::VARCHAR AS version, introduced, fixed, last_affected, state,
        severity, vuln_id, arches, module, flavour, cpes, namespace
    FROM read_parquet($ranges) WHERE list_contains($namespaces, namespace)
    UNION ALL
    SELECT name, advisory_id, source, NULL, NULL, version, NULL, fixed, NULL, state, severity, vuln_id, NULL, NULL,
        NULL, NULL, namespace
    FROM read_parquet($exact) WHERE list_contains($namespaces, namespace)
),
groups AS (SELECT DISTINCT advisory_id, source, vuln_id FROM read_parquet($advisories))
SELECT s.* REPLACE (coalesce(s.vuln_id, g.vuln_id, s.advisory_id) AS vuln_id)
FROM spoken s LEFT JOIN groups g ON s.vuln_id IS NULL AND g.advisory_id = s.advisory_id AND g.source = s.source
ORDER BY name, 12, lo, hi, version, advisory_id
"""

_REPOSITORIES = "SELECT repository, cpe FROM read_parquet($known)"
_CPES = "SELECT DISTINCT unnest(cpes) FROM read_parquet($ranges) WHERE cpes IS NOT NULL ORDER BY 1"

_MALICIOUS = "SELECT DISTINCT vuln_id FROM read_parquet($advisories) WHERE advisory_id LIKE 'MAL-%'"

# Of one source: the label that it states, else that of the newest CVSS with the highest score.
_RATINGS = """
SELECT vuln_id, source, min_by(label, (vector IS NOT NULL,
    CASE WHEN vector LIKE 'CVSS:4%' THEN 0 WHEN vector LIKE 'CVSS:3.1%' THEN 1 WHEN vector LIKE 'CVSS:3%' THEN 2 ELSE 3
    END,
    -coalesce(score, 0), coalesce(list_position(['critical', 'high', 'medium', 'low'], label), 9)))
FROM read_parquet($severities) WHERE label IS NOT NULL GROUP BY ALL
"""
