"""The main job, in the order of the flow: list, look up, plan, scan, squash, match, account for every image.

Nothing here is kept in memory that the lake does not also have: a sweep that dies is continued by running it
again, and what it had committed is not done twice.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from grid.database import Database
from grid.detectors.redact import redact
from grid.driver import Executor, versions
from grid.errors import GridError, UsageError
from grid.estate import Estate
from grid.events import Emit, LayerDone, Planned, Stage, silent
from grid.judge import Judged, judge, judge_again
from grid.life import remember
from grid.model import Layer
from grid.plan import Plan, Source, plan
from grid.schema import IMAGES, SWEEPS
from grid.store import Known, Lake
from grid.suppression import statements
from grid.survey import Listed, Registries, Target, list_targets, survey

SMALLEST_COVERAGE = 0.0
NOTE_COST = 0.01


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep did: the ``sweeps`` row, and what the summary shows beside it."""

    sweep_id: str
    status: str
    images: Mapping[str, int]
    """Images by status."""
    layers_total: int
    layers_scanned: int
    layers_reused: int
    bytes_pulled: int
    bytes_scanned: int
    seconds: float
    failures: tuple[tuple[str, str, str], ...]
    """(image, code, sentence) of what failed, is incomplete or deferred."""
    plan: Plan
    judged: Judged | None = None

    @property
    def green(self) -> bool:
        return self.status == "complete"


def new_id(now: datetime) -> str:
    """Sortable by time, unique without asking anybody."""
    return f"{now:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(2)}"


def sweep(
    estate: Estate,
    lake: Lake,
    executor: Executor,
    *,
    database: Database | None,
    emit: Emit = silent,
    kind: str = "sweep",
    targets: Sequence[Target] | None = None,
    plan_only: bool = False,
) -> SweepResult:
    """Bring the lake up to date with an estate (or with ``targets`` of it) and match it.

    Raises GridError only for what concerns the whole sweep; what breaks one image is that image's status.
    With ``plan_only`` images are looked up and new manifests read, but no layer.
    """
    clock = time.monotonic()
    said = statements(estate)  # first: what cannot be read should not cost a sweep
    previous = _last_images(lake)
    sweep_id, started = (new_id(datetime.now(UTC)), datetime.now(UTC))
    if not plan_only:
        sweep_id, started = _begin(lake, estate, kind)

    with Registries() as opened:
        emit(Stage("enumerate"))
        unlisted: list[Listed] = []
        if targets is None:
            known_names = defaultdict(list)
            for registry, repository, tag, _ in previous:
                known_names[registry].append((repository, tag))
            found, unlisted = list_targets(estate, known_names, opened, emit)
            deferred = {(r, p, t) for r, p, t, status in previous if status == "deferred"}
            targets = sorted(found, key=lambda t: t.key not in deferred)  # stable: what was left over comes first

        emit(Stage("resolve"))
        rates = {r.name or r.address: r.images_per_hour for r in estate.registries if r.images_per_hour is not None}
        listed = unlisted + survey(
            targets,
            platforms=estate.wanted_platforms,
            policy=estate.platform_policy,
            lake=lake,
            limiter=executor.limiter(rates),
            opened=opened,
            connections={r.name or r.address: r.connections for r in estate.registries},
            emit=emit,
            redact=redact,
        )

    layers_of = _image_layers(lake, listed)
    detectors = versions(estate.detector_names)
    work = plan(
        _wanted(listed, layers_of),
        lake.scanned(),
        detectors,
        lake.uri,
        estate.limits.limits(),
        workers=executor.workers,
    )
    emit(Planned(work.layers, work.bytes, len(work.tasks), work.layers_reused))
    if plan_only:
        counts = Counter(image.status for image in listed)
        return SweepResult(
            sweep_id, "planned", counts, work.layers_total, 0, work.layers_reused, 0, 0, time.monotonic() - clock,
            _failures(_image_rows(sweep_id, listed, layers_of, {}, {})), work,
        )  # fmt: skip

    emit(Stage("scan"))
    failures = dict(work.known_failures)
    scanned = pulled = inflated = 0
    for outcome in executor.run(work.tasks):
        emit(LayerDone(outcome.digest, outcome.size_bytes, outcome.uncompressed_bytes, outcome.error_code))
        if outcome.error_code:
            failures[outcome.digest] = Known(False, outcome.error_code, outcome.error_message)
        else:
            scanned += 1
            pulled += outcome.size_bytes
            inflated += outcome.uncompressed_bytes

    digests = sorted({image.digest for entry in listed for image in entry.images if image.status == "ok"})
    judged = judge(lake, digests, detectors, sweep_id, database, emit, said)

    rows = _image_rows(sweep_id, listed, layers_of, failures, judged.notes)
    lake.write("images", sweep_id, pa.Table.from_pylist(rows, schema=IMAGES.arrow))
    if judged.match_id is not None:
        remember(lake, judged.match_id, judged.evaluated, judged.found)
    statuses = Counter(str(row["status"]) for row in rows)
    bad = statuses["failed"] + statuses["incomplete"]
    result = SweepResult(
        sweep_id=sweep_id,
        status="incomplete" if bad or statuses["deferred"] else "complete",
        images=statuses,
        layers_total=work.layers_total,
        layers_scanned=scanned,
        layers_reused=work.layers_reused,
        bytes_pulled=pulled,
        bytes_scanned=inflated,
        seconds=time.monotonic() - clock,
        failures=_failures(rows),
        plan=work,
        judged=judged,
    )
    _end(lake, result, estate, kind, started)
    return result


# --- the sweep's own rows ------------------------------------------------------------------------


def _begin(lake: Lake, estate: Estate, kind: str) -> tuple[str, datetime]:
    """Continue an unfinished sweep of the same rules, or start a new one."""
    rules = estate.rules_hash()
    open_sweeps = [
        row for row in lake.read("sweeps").to_pylist()
        if row["status"] == "running" and row["estate"] == rules and row["kind"] == kind == "sweep"
    ]  # fmt: skip
    if open_sweeps:
        last = max(open_sweeps, key=lambda row: str(row["sweep_id"]))
        return str(last["sweep_id"]), last["started_at"]
    now = datetime.now(UTC)
    sweep_id = new_id(now)
    row = {"sweep_id": sweep_id, "status": "running", "lockfiles": "lockfiles" in estate.detector_names}
    _write_sweep(lake, f"{sweep_id}-0", row, rules, kind, now)
    return sweep_id, now


def _end(lake: Lake, result: SweepResult, estate: Estate, kind: str, started: datetime) -> None:
    images = result.images
    row = {
        "sweep_id": result.sweep_id,
        "finished_at": datetime.now(UTC),
        "status": result.status,
        "images_total": sum(images.values()),
        "images_ok": images.get("ok", 0) + images.get("unsupported", 0),
        "images_failed": images.get("failed", 0) + images.get("incomplete", 0),
        "images_deferred": images.get("deferred", 0),
        "layers_total": result.layers_total,
        "layers_scanned": result.layers_scanned,
        "layers_reused": result.layers_reused,
        "bytes_pulled": result.bytes_pulled,
        "bytes_scanned": result.bytes_scanned,
        "db_version": result.judged.db_version if result.judged else None,
        "lockfiles": "lockfiles" in estate.detector_names,
    }
    _write_sweep(lake, f"{result.sweep_id}-1", row, estate.rules_hash(), kind, started)


def _write_sweep(lake: Lake, name: str, row: Mapping[str, object], rules: str, kind: str, started: datetime) -> None:
    zeros = {c.name: 0 for c in SWEEPS.columns if c.name.startswith(("images_", "layers_", "bytes_"))}
    full = zeros | {"estate": rules, "kind": kind, "started_at": started, "written_at": datetime.now(UTC)} | dict(row)
    lake.write("sweeps", name, pa.Table.from_pylist([full], schema=SWEEPS.arrow))


def _last_images(lake: Lake) -> list[tuple[str, str, str, str]]:
    """(registry, repository, tag, status) of the newest finished sweep."""
    done = [
        row for row in lake.read("sweeps").to_pylist() if row["kind"] == "sweep" and row["status"] != "running"
    ]  # fmt: skip
    if not done:
        return []
    last = max(str(row["sweep_id"]) for row in done)
    columns = ["registry", "repository", "tag", "status", "sweep_id"]
    images = lake.read("images", columns=columns, filter={"sweep_id": [last]})
    return [(r["registry"], r["repository"], r["tag"], r["status"]) for r in images.to_pylist()]


# --- layers and statuses -------------------------------------------------------------------------


def _image_layers(lake: Lake, listed: Sequence[Listed]) -> dict[str, list[Layer]]:
    """The ordered layers of every image of the sweep."""
    digests = {image.digest for entry in listed for image in entry.images if image.status == "ok"}
    if not digests:
        return {}
    table = lake.read(
        "image_layers",
        columns=["digest", "ordinal", "layer_digest", "diff_id", "media_type", "size_bytes"],
        filter={"digest": sorted(digests)},
    )
    interned: dict[str, Layer] = {}
    layers: dict[str, dict[int, Layer]] = defaultdict(dict)
    for batch in table.to_batches(max_chunksize=65_536):
        for row in batch.to_pylist():
            digest = row["layer_digest"]
            layer = interned.get(digest)
            if layer is None:
                layer = interned[digest] = Layer(
                    digest, row["size_bytes"], row["media_type"] or "", row["diff_id"] or ""
                )
            layers[row["digest"]][row["ordinal"]] = layer
    return {digest: [by[i] for i in sorted(by)] for digest, by in layers.items()}


def _wanted(listed: Sequence[Listed], layers_of: Mapping[str, list[Layer]]) -> Iterator[tuple[Layer, Source]]:
    for entry in listed:
        source = Source(entry.target.access, entry.target.repository)
        for image in entry.images:
            for layer in layers_of.get(image.digest, ()):
                yield layer, source


def _image_rows(
    sweep_id: str,
    listed: Sequence[Listed],
    layers_of: Mapping[str, list[Layer]],
    failures: Mapping[str, Known],
    notes: Mapping[str, int],
) -> list[dict[str, object]]:
    now = datetime.now(UTC)
    rows: list[dict[str, object]] = []
    for entry in listed:
        target = entry.target
        head: dict[str, object] = {
            "sweep_id": sweep_id,
            "registry": target.access.label,
            "repository": target.repository,
            "tag": target.tag,
            "ref_digest": entry.ref_digest or None,
            "scanned_at": now,
        }
        if not entry.images:
            rows.append(
                head
                | {
                    "digest": None,
                    "status": entry.status,
                    "error_code": entry.error_code or None,
                    "error_message": entry.error_message or None,
                }
            )
        for image in entry.images:
            row = head | {name: getattr(image, name) for name in
                          ("digest", "os", "arch", "created", "size_bytes", "layer_count",
                           "status", "error_code", "error_message")}  # fmt: skip
            if image.status == "ok":
                layers = layers_of.get(image.digest, [])
                bad = [failures[layer.digest] for layer in layers if layer.digest in failures]
                read = 1 - len(bad) / len(layers) if layers else 1.0
                noted = sum(notes.get(layer.digest, 0) for layer in layers)
                row["coverage"] = max(SMALLEST_COVERAGE, read - NOTE_COST * noted)
                if bad:
                    row["status"] = "failed" if len(bad) == len(layers) else "incomplete"
                    row["error_code"], row["error_message"] = bad[0].error_code, bad[0].error_message
            rows.append(row)
    return rows


def _failures(rows: Sequence[Mapping[str, object]]) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (_name(row), str(row["error_code"] or ""), str(row["error_message"] or ""))
        for row in rows
        if row["status"] in ("failed", "incomplete", "deferred")
    )


def _name(row: Mapping[str, object]) -> str:
    place = "/".join(str(p) for p in (row["registry"], row["repository"]) if p)
    return f"{place}:{row['tag']}" if row["tag"] else place


def rematch(
    lake: Lake,
    database: Database,
    emit: Emit = silent,
    estate: Estate | None = None,
    *,
    sweep_id: str = "",
    current: bool = True,
) -> Judged:
    """Match the newest sweep again, with another database: reads no layer and asks no registry.

    With an estate its VEX documents, waivers and ignore files count, else those of the sweep's last match.
    ``sweep_id`` names an older sweep. Only a ``current`` match of the newest sweep enters the history of findings; any
    other answers a question about then, and the views go on showing what they showed.
    """
    said = statements(estate) if estate is not None else None
    sweeps = [row for row in lake.read("sweeps").to_pylist() if row["status"] != "running"]
    if not sweeps:
        raise GridError("the lake has no finished sweep to match again", remedy="run: scangrid sweep")
    newest = str(max(sweeps, key=lambda row: (row["kind"] == "sweep", str(row["sweep_id"])))["sweep_id"])
    wanted = sweep_id or newest
    if wanted not in {row["sweep_id"] for row in sweeps}:
        raise UsageError(
            f"the lake has no finished sweep {wanted!r}", remedy='scangrid sql "select sweep_id from sweeps"'
        )
    current = current and wanted == newest
    judged = judge_again(lake, wanted, database, emit, said, current)
    if current and judged.match_id is not None:
        remember(lake, judged.match_id, judged.evaluated, judged.found)
    return judged
