"""Lock files and the like: what a project asks for, read from the file alone.

One module a language; this one holds what they share. Lock files are written by programs, in a small part of the format
that they are said to be in, so that part is read line by line: no general parser's memory, aliases or recursion. What a
lock file marks as needed for development only is left out, and so is the project itself where the file tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.parsers import expat

import orjson
from packageurl import PackageURL

from grid.model import Note, Package

MAX_BYTES = 8 << 20
"""Of any lock file; the largest of large projects have about 5 MiB, and parsed JSON takes 20 times its size."""

MAX_LINES = 250_000
"""Lock files of large projects have 100,000; each line costs microseconds, of which this makes half a second."""

_NAME = re.compile(r"[A-Za-z0-9_@.~-](?:[^\s\x00-\x1f\"'<>|]{0,250})")
_VERSION = re.compile(r"[A-Za-z0-9][!-~]{0,250}")

Pairs = Iterable[tuple[object, object]]


class Unreadable(ValueError):
    """The file is not what its name says; the text says what is wrong."""


def declared(path: str, kind: str, pairs: Pairs, ecosystem: str = "") -> Iterator[Package | Note]:
    """Packages of (name, version), each once. A note says how many of the entries were of no use.

    An entry whose version is "" asks for no known version, and is passed over.
    """
    seen: set[tuple[str, str]] = set()
    total = bad = 0
    try:
        for name, version in pairs:
            total += 1
            if version == "":
                continue
            if not (isinstance(name, str) and isinstance(version, str) and _usable(name, version)):
                bad += 1
            elif (name, version) not in seen:
                seen.add((name, version))
                yield Package(name, version, purl=purl(kind, name, version), ecosystem=ecosystem)
    except Unreadable as error:
        yield Note("Unparsable", str(error), path)
        return
    if bad:
        yield Note("Unparsable", f"{bad} of {total} entries have no usable name and version", path)


def _usable(name: str, version: str) -> bool:
    return bool(_NAME.fullmatch(name) and _VERSION.fullmatch(version)) and not name.endswith(("/", ":"))


def purl(kind: str, name: str, version: str) -> str:
    """The package URL of a name as the ecosystem writes it."""
    namespace, base = "", name
    if kind in ("npm", "composer", "golang", "swift"):
        namespace, _, base = name.rpartition("/")
    elif kind == "maven":
        namespace, _, base = name.rpartition(":")
    elif kind == "pypi":
        base = re.sub(r"[-_.]+", "-", name).lower()
    return PackageURL(kind, namespace or None, base, version).to_string()


def text(content: bytes) -> str:
    """The file as text with line ends of one kind, whatever its bytes are. Raises Unreadable for too many lines."""
    code = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"  # PowerShell
    found = content.removeprefix(b"\xef\xbb\xbf").decode(code, "replace").replace("\r\n", "\n").replace("\r", "\n")
    if found.count("\n") > MAX_LINES:
        raise Unreadable(f"it has more than {MAX_LINES} lines")
    return found


def json_object(content: bytes) -> dict[str, object]:
    """The object that a JSON file holds. Raises Unreadable."""
    try:
        record = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        raise Unreadable("it is not JSON") from None
    if not isinstance(record, dict):
        raise Unreadable("it holds no JSON object")
    return record


def entries(value: object) -> dict[str, object]:
    """A JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> Iterator[dict[str, object]]:
    """The objects of a JSON list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


# --- TOML as lock files have it ------------------------------------------------------------------

_TABLE = re.compile(r"\[{1,2}([^\[\]]{1,300})\]{1,2}")
_PAIR = re.compile(r"([A-Za-z0-9_-]+)\s*=\s*(.*)")
_STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'")


def toml_tables(content: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """(header, values) of each table in turn, "" for what stands before the first. Strings without their quotes, other
    values as they are written on their first line. Raises Unreadable if nothing in the file looks like TOML."""
    header, values = "", dict[str, str]()
    known = other = False
    until = ""  # the end of a string of several lines
    for line in text(content).split("\n"):
        if until:
            until = "" if until in line else until
            continue
        if line[:1] == "[" and (table := _TABLE.match(line)):
            yield header, values
            header, values, known = table[1].strip(), {}, True
        elif pair := _PAIR.match(line):
            known = True
            value = pair[2]
            quotes = value[:3]
            if quotes in ('"""', "'''"):
                until = "" if value.count(quotes) > 1 else quotes
                continue
            string = _STRING.match(value)
            values.setdefault(pair[1], (string[1] or string[2] or "") if string else value)
        else:
            other = other or line.strip()[:1] not in ("", "#")
    if not known and other:
        raise Unreadable("it is not TOML")
    yield header, values


# --- YAML as lock files have it ------------------------------------------------------------------


def yaml_lines(content: bytes) -> Iterator[tuple[int, bool, str, str]]:
    """(indent, whether it begins a list item, key, value) of each line; the key is "" for a bare item of a list.

    The indent of an item is that of what follows its hyphen. Only block style is understood, and scalars of one line.
    """
    for line in text(content).split("\n"):
        line = line.rstrip()
        bare = line.lstrip(" ")
        if not bare or bare[0] in "#%" or bare.startswith(("---", "...")):
            continue
        indent, item = len(line) - len(bare), False
        for _ in range(4):  # lists in lists; more would be there to take time
            if not bare.startswith("- "):
                break
            shorter = bare[2:].lstrip(" ")  # never empty: the line ends in no blank
            indent, bare, item = indent + len(bare) - len(shorter), shorter, True
        if bare.startswith("? "):
            yield indent, item, yaml_scalar(bare[2:]), ""
        elif (pair := _yaml_pair(bare)) is not None:
            yield indent, item, pair[0], yaml_scalar(pair[1])
        elif item:
            yield indent, item, "", yaml_scalar(bare)


def _yaml_pair(bare: str) -> tuple[str, str] | None:
    """Key and value of a line, or None if it is no pair."""
    if bare[0] in "'\"":
        end = bare.find(bare[0], 1)
        key, rest = bare[1:end], bare[end + 1 :].lstrip()
        return (key, rest[1:]) if end > 0 and rest[:1] == ":" else None
    if bare[0] in "[{":
        return None
    key, colon, value = bare.partition(": ")
    if not colon:
        return (bare[:-1], "") if bare.endswith(":") else None
    return key.rstrip(), value


def yaml_scalar(value: str) -> str:
    """A scalar without its quotes, or without the comment after it."""
    value = value.strip()
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        return value[1:end] if end > 0 else value[1:]
    return value.partition(" #")[0].rstrip()


# --- XML -----------------------------------------------------------------------------------------

_MAX_DEPTH = 60
_MAX_TEXT = 4096


def xml_elements(content: bytes) -> Iterator[tuple[tuple[str, ...], dict[str, str], str]]:
    """(names from the root, attributes, text) of every element at its end, without name prefixes. Raises Unreadable,
    also for declared entities: no project file has any, and they can be made to grow without end."""
    path: list[str] = []
    frames: list[tuple[dict[str, str], list[str]]] = []
    done: list[tuple[tuple[str, ...], dict[str, str], str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(path) >= _MAX_DEPTH:
            raise Unreadable(f"more than {_MAX_DEPTH} elements in each other")
        path.append(name.rpartition(":")[2])
        frames.append((attributes, []))

    def characters(data: str) -> None:
        if frames and len(frames[-1][1]) < 100:
            frames[-1][1].append(data[:_MAX_TEXT])

    def end(name: str) -> None:
        attributes, parts = frames.pop()
        done.append((tuple(path), attributes, "".join(parts)[:_MAX_TEXT].strip()))
        path.pop()

    def refuse(*_: object) -> None:
        raise Unreadable("it declares entities")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = characters, refuse
    try:
        for at in range(0, len(content), 1 << 16):
            parser.Parse(content[at : at + (1 << 16)], False)
            yield from done
            done.clear()
        parser.Parse(b"", True)
        yield from done
    except Unreadable:
        raise
    except (expat.ExpatError, LookupError, ValueError):  # the last two: an encoding that is none, or of several bytes
        yield from done
        raise Unreadable("it is not XML, or cut short") from None
