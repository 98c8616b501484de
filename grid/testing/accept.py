"""Exams that any plug-in must pass. They raise AssertionError with a sentence that says what is wrong.

A test of a new plug-in is its own cases and one call of these.
"""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

import pyarrow as pa
from packageurl import PackageURL

from grid.detectors import Detector, output_schema
from grid.ecosystems import BY_NAME, BY_OSV, Ecosystem
from grid.errors import VersionInvalid
from grid.keys import LOWEST, successor
from grid.model import Distro, Limits, Note, OwnedFile, Package
from grid.schema import FILES, LAKE_TABLES

SECONDS = 2.0
"""What one call on a sample, or on what became of it, may take."""


def files_batch(files: Iterable[tuple[str, bytes]], mode: int = 0o100644) -> pa.RecordBatch:
    """(path, content) pairs as a detector is given them: the schema of ``grid.schema.FILES``."""
    rows = list(files)
    columns = [
        [path for path, _ in rows],
        [len(content) for _, content in rows],
        [mode] * len(rows),
        [content for _, content in rows],
    ]
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(columns, FILES, strict=True)], schema=FILES
    )


def damaged(content: bytes, seed: int = 0, count: int = 24) -> Iterator[bytes]:
    """What becomes of files: cut short, bytes changed, parts doubled, dropped or swapped, and plain rubbish."""
    dice = random.Random(f"{seed}:{len(content)}")  # noqa: S311 - repeatable, not secret
    yield from (b"", b"\n", b"\0" * 100, b"\xff\xfe", b"\xef\xbb\xbf", content * 2, content[::-1])
    yield content.replace(b"\n", b"\r\n")
    yield content.replace(b":", b"")
    yield b"[" * 100_000
    yield b'{"a":' * 100_000
    yield b" " * 200_000 + b"x"
    yield b"a" * 200_000
    yield content.replace(b"1", b"9" * 5000)
    yield content[: len(content) // 2].rstrip() + b" " * 100_000 + content[len(content) // 2 :]
    for _ in range(count):
        some = bytearray(content)
        for _ in range(dice.randint(1, 8)):
            if not some:
                break
            at = dice.randrange(len(some))
            match dice.randrange(5):
                case 0:
                    some[at] = dice.randrange(256)
                case 1:
                    del some[at : at + dice.randint(1, 40)]
                case 2:
                    some[at:at] = some[: dice.randint(1, 40)]
                case 3:
                    some[at:at] = dice.randbytes(dice.randint(1, 20))
                case _:
                    del some[at:]
        yield bytes(some)


def accept_detector(detector: Detector, samples: Mapping[str, bytes]) -> None:
    """Examine a detector on ``samples``: path to content, each of which it must ask for and some of which hold facts.

    It must be picklable, fill its table's schema, be deterministic, take an empty batch, judge each file alone
    (whatever lies before and after it in the batch), and neither raise nor hang on damaged content.
    """
    assert detector.version, "a detector has a version"
    table = next((t for t in LAKE_TABLES if t.name == detector.name), None)
    assert table is not None, f"{detector.name!r} is the name of no lake table"
    assert detector.schema.equals(output_schema(table)), "the schema is not output_schema of its table"
    wanted = detector.wants.matcher()
    for path, content in samples.items():
        assert wanted(path, 0o100755), f"wants does not ask for the sample {path}"
        assert len(content) <= detector.wants.max_bytes, f"the sample {path} is larger than wants.max_bytes"

    required = [c.name for c in table.columns[2:] if not c.nullable]
    place = "source_path" if "source_path" in required else "path"

    def rows(files: Iterable[tuple[str, bytes]], which: Detector = detector) -> list[dict[str, object]]:
        batch = files_batch(files)
        began = time.perf_counter()
        result = which.detect(batch)
        assert time.perf_counter() - began < SECONDS * max(1, len(batch)), f"detect took over {SECONDS} s a file"
        assert result.schema.equals(detector.schema), "the result has another schema than the detector says"
        found: list[dict[str, object]] = result.to_pylist()
        for row in found:
            assert row[place] in batch.column("path").to_pylist(), f"a row names a file it was not given: {row[place]}"
            if row["note_code"] is None:
                missing = [name for name in required if row[name] is None]
                assert not missing, f"a fact of {row[place]} has no {', '.join(missing)}"
        return found

    def unordered(found: Iterable[dict[str, object]]) -> list[str]:
        return sorted(map(repr, found))

    assert rows([]) == [], "an empty batch gives rows"
    whole = rows(samples.items())
    assert any(row["note_code"] is None for row in whole), "no sample holds a fact"
    assert rows(samples.items()) == whole, "the same files gave other rows the second time"
    travelled = pickle.loads(pickle.dumps(detector))  # noqa: S301 - our own object
    assert (travelled.name, travelled.version) == (detector.name, detector.version), "pickling changed it"
    assert rows(samples.items(), travelled) == whole, "it finds other things after pickling"
    assert unordered(rows(reversed(list(samples.items())))) == unordered(whole), "the order of the files matters"
    for path, content in samples.items():
        alone = rows([(path, content)])
        assert alone == [row for row in whole if row[place] == path], f"{path} gives other rows alone than in a batch"
    for seed, (path, content) in enumerate(samples.items()):
        for bad in damaged(content, seed):
            rows([(path, bad)])
        broken = rows([(f"{path}", content[: len(content) // 2]), *((p, c) for p, c in samples.items() if p != path)])
        others = [row for row in whole if row[place] != path]
        assert [row for row in broken if row[place] != path] == others, f"damage of {path} changed other files' rows"


def accept_ecosystem(
    ecosystem: Ecosystem,
    records: Mapping[str, bytes],
    *,
    orders: Sequence[str] = (),
    refused: Sequence[str] = (),
    namespaces: Mapping[Distro, str | None] | None = None,
    owned: Mapping[str, bytes] | None = None,
    locks: Mapping[str, bytes] | None = None,
) -> None:
    """Examine an ecosystem.

    ``records``: path to content of record files, each asked for, at least one of which holds a package.
    ``orders``: lines ``a < b``, ``a = b`` or ``a > b`` (versions without blanks). ``refused``: versions without a key.
    ``namespaces``: what ``namespace`` answers. ``owned``: path to content of file lists for ``ecosystem.owned``.
    ``locks``: path to content of lock files for ``ecosystem.declared``, at least one of which asks for a package.
    """
    assert ecosystem.version >= 1, "a version counts from 1"
    assert ecosystem.key_version >= 1, "a version counts from 1"
    assert pickle.loads(pickle.dumps(ecosystem)).name == ecosystem.name, "it does not travel"  # noqa: S301
    for osv in ecosystem.osv:
        assert BY_OSV.get(osv, ecosystem).name == ecosystem.name, f"{osv} belongs to another ecosystem"
    packages = [p for p in _examine(ecosystem.read, ecosystem.wants.matcher(), records) if isinstance(p, Package)]
    if records:
        assert packages, "no record holds a package"
    declared = _examine(ecosystem.declared, ecosystem.declares.matcher(), locks or {})
    asked = [p for p in declared if isinstance(p, Package)]
    if locks:
        assert asked, "no lock file asks for a package"
    for package in packages + asked:
        _accept_package(ecosystem, package)
    if owned:
        assert ecosystem.owned is not None, "there is no reader for owned files"
        files = list(_examine(ecosystem.owned, ecosystem.owns.matcher(), owned))
        assert any(isinstance(f, OwnedFile) for f in files), "no list names a file"
        for file in files:
            if isinstance(file, OwnedFile):
                assert file.path and not file.path.startswith("/"), f"{file.path!r} is not a path within the image"
    _accept_key(ecosystem.key, orders, refused)
    for distro, expected in (namespaces or {}).items():
        found = ecosystem.namespace(distro)
        assert found == expected, f"{distro} has the namespace {found}, not {expected}"
        assert found is None or found.partition(":")[0] in ecosystem.osv, f"{found} is not among osv"


def _examine(
    read: Callable[[str, bytes, Limits], Iterator[Package | Note]]
    | Callable[[str, bytes, Limits], Iterator[OwnedFile | Note]],
    wanted: Callable[[str, int], bool],
    records: Mapping[str, bytes],
) -> Iterator[Package | OwnedFile | Note]:
    limits = Limits()
    for seed, (path, content) in enumerate(records.items()):
        assert wanted(path, 0o100755), f"nobody asks for the record {path}"
        first = list(read(path, content, limits))
        assert list(read(path, content, limits)) == first, f"{path} gave other facts the second time"
        assert len(set(first)) == len(first), f"{path} gives the same fact twice"
        yield from first
        for bad in damaged(content, seed):
            began = time.perf_counter()
            for fact in read(path, bad, limits):
                assert isinstance(fact, (Package, OwnedFile, Note)), f"{path} gave a {type(fact).__name__}"
                if isinstance(fact, Package):
                    assert fact.name and (fact.version or fact.sha1), (
                        f"damaged, {path} gave a package without name or version"
                    )
            took = time.perf_counter() - began
            assert took < SECONDS, f"damaged, {path} took {took:.1f} s"


def _accept_package(ecosystem: Ecosystem, package: Package) -> None:
    purl = PackageURL.from_string(package.purl)
    if package.ecosystem:
        ecosystem = BY_NAME.get(package.ecosystem, ecosystem)  # a record may tell of other kinds, too
    assert purl.type == (ecosystem.purl_type or ecosystem.name), f"{package.purl} has another type"
    apart = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}  # by the purl specification of the type
    version = f"{apart['epoch']}:{purl.version}" if apart.get("epoch") else purl.version
    version = f"{version}#{apart['port_version']}" if apart.get("port_version") else version
    assert (version or "") == package.version, f"{package.purl} has another version than {package.version}"
    assert ecosystem.canonical(package.name) == ecosystem.canonical(ecosystem.canonical(package.name)), (
        f"the canonical form of {package.name} has a canonical form of its own"
    )
    with suppress(VersionInvalid):
        ecosystem.key(package.version)


def _accept_key(key: Callable[[str], bytes], orders: Sequence[str], refused: Sequence[str]) -> None:
    keys: dict[str, bytes] = {}
    for line in orders:
        left, sign, right = line.split(" ")
        a, b = keys.setdefault(left, key(left)), keys.setdefault(right, key(right))
        found = "<" if a < b else ">" if a > b else "="
        assert found == sign, f"{line} does not hold: {left} {found} {right}"
    for lower, upper in pairwise(sorted({*keys.values()})):
        assert LOWEST < lower < successor(lower) < upper, "a key is another key and a zero byte"
    for version in refused:
        try:
            key(version)
        except VersionInvalid:
            continue
        raise AssertionError(f"{version!r} has a key and should have none")
