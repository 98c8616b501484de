"""What the detectors that read records share: who gets which file, and rows into Arrow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from itertools import islice
from typing import TypeVar, cast

import pyarrow as pa

from grid.model import Limits, Note, Wants

Fact = TypeVar("Fact")

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that no text of a table holds."""


def union(wants: Iterable[Wants]) -> Wants:
    """All that any of them wants; as large as the largest of them allows."""
    everything = Wants(max_bytes=0)
    for want in wants:
        everything |= want
    return everything


def dispatcher(wants: Sequence[Wants]) -> Callable[[str, int], list[int]]:
    """``(path, mode) -> positions in wants that ask for it``: one look-up each, however many there are.

    Equals asking every ``Wants.matcher()`` in turn, and ignores sizes as that does.
    """
    return _dispatcher(tuple(wants))  # made once: a layer has many batches


@lru_cache(maxsize=16)
def _dispatcher(wants: tuple[Wants, ...]) -> Callable[[str, int], list[int]]:
    names: dict[str, list[int]] = {}
    paths: dict[str, list[int]] = {}
    always: list[int] = []
    nearly: list[tuple[int, re.Pattern[str]]] = []
    executables: list[int] = []
    endings: list[tuple[str, int]] = []
    globs: list[tuple[re.Pattern[str], int]] = []
    for i, want in enumerate(wants):
        if want.everything:
            always.append(i)
        elif want.every:
            nearly.append((i, re.compile(want.unless)))
        if want.executables:
            executables.append(i)
        for name in want.names:
            names.setdefault(name, []).append(i)
        for path in want.paths:
            paths.setdefault(path, []).append(i)
        endings += ((suffix, i) for suffix in want.suffixes)
        globs += ((re.compile(translate(glob)), i) for glob in want.globs)
    any_ending = tuple(suffix for suffix, _ in endings)
    any_glob = re.compile("|".join(g.pattern for g, _ in globs)).match if globs else None

    def dispatch(path: str, mode: int) -> list[int]:
        found = [*always, *names.get(path.rpartition("/")[2], ()), *paths.get(path, ())]
        if any_ending and path.endswith(any_ending):
            found += (i for suffix, i in endings if path.endswith(suffix))
        if mode & 0o111:
            found += executables
        found += (i for i, left_out in nearly if left_out.match(path) is None)
        if any_glob and any_glob(path):
            found += (i for glob, i in globs if glob.match(path))
        return sorted(set(found)) if len(found) > 1 else found

    return dispatch


def contents(files: pa.RecordBatch) -> Callable[[int], memoryview]:
    """The content of each file of a batch, as it lies there: Arrow's own scalars would copy it, twice."""
    column = files.column("content")
    _, ends, data = column.buffers()
    if not len(column) or data is None:
        return lambda i: memoryview(b"")
    places, view = memoryview(ends).cast("B").cast("i"), memoryview(data).cast("B")  # theirs are of signed bytes
    first = column.offset

    def content(i: int) -> memoryview:
        return view[places[first + i] : places[first + i + 1]]

    return content


def guarded(
    read: Callable[[str, bytes, Limits], Iterator[Fact | Note]],
    wants: Wants,
    path: str,
    content: memoryview,
    limits: Limits,
    at_most: int,
    views: bool = False,
) -> Iterator[Fact | Note]:
    """What ``read`` yields; a note instead of a record that is too large for its reader, or makes it raise.

    ``views``: the reader takes the view as it is, where others get bytes.
    """
    if len(content) > wants.max_bytes and not wants.partly(path):
        yield Note("FileTooLarge", f"{len(content)} bytes, at most {wants.max_bytes} are read", path)
        return
    try:
        facts = read(path, cast("bytes", content) if views else bytes(content), limits)
        yield from islice(facts, at_most)
        if next(facts, None) is not None:
            yield Note("TooManyFacts", f"only the first {at_most} are kept", path)
    except Exception as error:  # one bad record must not cost the layer its other facts
        yield Note("Unparsable", f"the reader raised {type(error).__name__}", path)


def batch(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows, with their values in the order of the schema, as one batch."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pa.record_batch([_array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _array(values: tuple[object, ...], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:  # half of a surrogate pair, which no reader should yield
        return pa.array([_clean(v) for v in values], kind)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [_clean(v) for v in value] if isinstance(value, list) else value
