"""A full rebuild of the vulnerability database from local feeds, and updates after which little or nothing has changed.

Real records, multiplied: each copy has ids and package names of its own, so that nothing merges with the original and
every copy costs what a real record costs. What must come out is what one copy gives, times their number.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from bench.models import Outcome, Work, clock, in_child
from vulndb.feeds import BY_NAME
from vulndb.fetch import HttpTransport
from vulndb.update import Updated, update

SHARED = Path(__file__).parents[3] / "shared" / "data" / "feeds" / "mirror"
"""Real feeds beside the project; without them the records of the built-in sample are multiplied."""
_HOST = "osv-vulnerabilities.storage.googleapis.com"
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


def measure(work: Work) -> Outcome:
    """Seconds, processor time and peak memory of the process tree."""
    mirror, whole = work.folder / "database-mirror", work.folder / "database-once"
    source = SHARED if work["real"] and SHARED.is_dir() else None
    originals = list(_originals(source))
    multiply(originals, 1, whole)
    once = in_child("bench.models.database:rebuild", {"mirror": str(whole), "root": str(work.folder / "database-1")})
    copies = max(work["copies"], -(-work["ranges"] // max(once["ranges"], 1)))
    multiply(originals, copies, mirror)
    root = work.folder / "database-n"
    told = in_child("bench.models.database:rebuild", {"mirror": str(mirror), "root": str(root)})
    multiply(originals[:1], copies, mirror, fresh=False, salt=" ")
    changed = in_child("bench.models.database:again", {"mirror": str(mirror), "root": str(root)})
    same = in_child("bench.models.database:again", {"mirror": str(mirror), "root": str(root)})
    for made in (whole, mirror, root, work.folder / "database-1"):
        shutil.rmtree(made, ignore_errors=True)
    names = ("ranges", "exact", "advisories")
    return Outcome(
        counts={**{name: told[name] for name in names}, "rebuilt_when_changed": changed["rebuilt"],
                "rebuilt_when_unchanged": same["rebuilt"], "enough_ranges": int(told["ranges"] >= work["ranges"])},
        wanted={**{name: once[name] * copies for name in names}, "rebuilt_when_changed": 1,
                "rebuilt_when_unchanged": 0, "enough_ranges": 1},
        figures={
            "seconds": told["wall"], "cpu": told["cpu"], "peak": told["peak"] / 1e9, "ranges": told["ranges"],
            "advisories": told["advisories"], "copies": copies, "mb": told["bytes"] / 1e6, "once": once["ranges"],
            "changed": changed["wall"], "unchanged": same["wall"],
        },
        notes=[f"{'the shared mirror' if source else 'the built-in sample'} gives {once['ranges']:,} ranges"],
    )  # fmt: skip


# --- what runs in a process of its own -----------------------------------------------------------


def rebuild(mirror: str, root: str) -> dict[str, Any]:
    """Build from nothing."""
    shutil.rmtree(root, ignore_errors=True)
    return again(mirror, root)


def again(mirror: str, root: str) -> dict[str, Any]:
    """One update; processor time and peak memory are of this process and all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with HttpTransport(mirror) as transport, _watching_memory() as peak, clock() as told:
        done: Updated = update(Path(root), transport, feeds=(BY_NAME["osv"],))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tables = done.database.manifest.tables
    assert not done.warnings, done.warnings
    return {
        "wall": told.wall, "cpu": told.cpu + children, "peak": peak[0], "rebuilt": int(done.rebuilt),
        "bytes": sum(table.bytes for table in tables.values()),
        **{name: tables[name].rows for name in ("ranges", "exact", "advisories")},
    }  # fmt: skip


@contextmanager
def _watching_memory() -> Iterator[list[int]]:
    """The most resident bytes that this process and its descendants had together, looked at every 50 ms."""
    peak, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            peak[0] = max(peak[0], _tree_memory(os.getpid()))
            stop.wait(0.05)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _tree_memory(root: int) -> int:
    children: dict[int, list[int]] = {}
    resident: dict[int, int] = {}
    page = resource.getpagesize()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        resident[pid] = int(fields[21]) * page
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        total += resident.get(pid, 0)
        waiting += children.get(pid, [])
    return total


# --- the records ---------------------------------------------------------------------------------


def _originals(source: Path | None) -> Iterator[tuple[str, Path | list[dict[str, Any]]]]:
    """Ecosystems with their zip, or their records."""
    if source is not None:
        for path in sorted((source / _HOST).glob("*/all.zip")):
            yield path.parent.name, path
        return
    for name, file in (
        ("PyPI", "pypi.json"),
        ("npm", "npm.json"),
        ("Debian", "debian.json"),
        ("Alpine", "alpine.json"),
    ):
        yield name, json.loads(resources.files("vulndb").joinpath("sample", file).read_text("utf-8"))


def multiply(
    originals: list[tuple[str, Any]], copies: int, mirror: Path, *, fresh: bool = True, salt: str = ""
) -> None:
    """Write a mirror in which each record stands so many times; ``salt`` makes other files of the same content."""
    if fresh:
        shutil.rmtree(mirror, ignore_errors=True)
    for ecosystem, records in originals:
        target = mirror / _HOST / ecosystem / "all.zip"
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
            for record in _records(records):
                for copy in range(copies):
                    one = _copy(record, copy)
                    zipped.writestr(f"{one['id']}.json", json.dumps(one) + salt)
    time.sleep(0.01)  # for file systems that tell times coarsely


def _records(source: Path | list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if isinstance(source, list):
        yield from source
        return
    with zipfile.ZipFile(source) as zipped:
        for info in zipped.infolist():
            if info.filename.endswith(".json"):
                yield json.loads(zipped.read(info))


def _copy(record: dict[str, Any], number: int) -> dict[str, Any]:
    if number == 0:
        return record
    copy = {**record, "id": _renamed(record["id"], number)}
    for key in ("aliases", "upstream", "related"):
        if isinstance(record.get(key), list):
            copy[key] = [_renamed(name, number) for name in record[key]]
    copy["affected"] = [
        {**one, "package": {**one["package"], "name": f"{one['package']['name']}-copy{number}"}}
        if isinstance(one.get("package"), dict) and "name" in one["package"]
        else one
        for one in record.get("affected") or ()
    ]
    return copy


def _renamed(name: str, number: int) -> str:
    """Another id of the same kind: CVEs stay CVEs."""
    if _CVE.search(name):
        return _CVE.sub(lambda found: f"{found[0]}9{number:04d}", name)
    return f"{name}-copy{number}"
