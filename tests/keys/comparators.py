"""Comparators that go pair by pair, as the specifications of the schemes do: what keys are held against."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

Compare = Callable[[str, str], int]


def sign(a: Any, b: Any) -> int:
    return int(a > b) - int(a < b)


def run(text: str) -> str:
    found = re.match("[0-9]+" if text[:1].isdigit() else "[A-Za-z]+", text, re.ASCII)
    return found[0] if found else ""


def rpm_part(a: str, b: str) -> int:
    junk = re.compile("^[^A-Za-z0-9~^]*")
    while True:
        a, b = junk.sub("", a), junk.sub("", b)
        if "~" in (a[:1], b[:1]):
            if a[:1] != b[:1]:
                return -1 if a[:1] == "~" else 1
            a, b = a[1:], b[1:]
            continue
        if "^" in (a[:1], b[:1]):
            if a[:1] == b[:1]:
                a, b = a[1:], b[1:]
                continue
            if not a or not b:
                return sign(bool(a), bool(b))
            return -1 if a[0] == "^" else 1
        if not a or not b:
            return sign(bool(a), bool(b))
        x, y = run(a), run(b)
        if x.isdigit() != y.isdigit():
            return 1 if x.isdigit() else -1
        if difference := sign(int(x), int(y)) if x.isdigit() else sign(x, y):
            return difference
        a, b = a[len(x) :], b[len(y) :]


def alpm_part(a: str, b: str) -> int:
    while a and b:
        gap_a, gap_b = (len(t) - len(re.sub("^[^A-Za-z0-9]*", "", t)) for t in (a, b))
        a, b = a[gap_a:], b[gap_b:]
        if gap_a != gap_b:
            return sign(gap_a, gap_b)
        x, y = run(a), run(b)
        if x.isdigit() != y.isdigit():
            return 1 if x.isdigit() else -1
        if difference := sign(int(x), int(y)) if x.isdigit() else sign(x, y):
            return difference
        a, b = a[len(x) :], b[len(y) :]
    if not a and not b:
        return 0
    return -1 if (not a and not b[0].isalpha()) or a[:1].isalpha() else 1


def evr(part: Compare) -> Compare:
    def split(version: str) -> tuple[int, str, str | None]:
        found = re.fullmatch(r"(?:([0-9]*):)?(.*?)(?:-([^-]*))?", version)
        assert found is not None
        return int(found[1] or 0), found[2], found[3]

    def compare(a: str, b: str) -> int:
        (ea, va, ra), (eb, vb, rb) = split(a), split(b)
        if difference := sign(ea, eb) or part(va, vb):
            return difference
        return part(ra, rb) if ra is not None and rb is not None else sign(ra is not None, rb is not None)

    return compare


QUALIFIERS = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")


def maven_tokens(version: str) -> list[tuple[str, int | str]]:
    """(mark, value): the mark of a qualifier is ``i`` between two separators, else ``-``."""
    marked = re.sub(r"(?<=[0-9])(?=[^0-9.-])|(?<=[^0-9.-])(?=[0-9])", "|", version.lower())
    pieces = [".", *re.split(r"([.|-])", marked)]
    tokens: list[tuple[str, int | str]] = []
    for at in range(0, len(pieces), 2):
        mark, word = pieces[at], pieces[at + 1]
        after = pieces[at + 2] if at + 2 < len(pieces) else ""
        if not word or word.isdigit():
            tokens.append(("." if mark == "." else "-", int(word or 0)))
            continue
        if after == "|":
            word = {"a": "alpha", "b": "beta", "m": "milestone"}.get(word, word)
        word = {"ga": "", "final": "", "release": "", "cr": "rc"}.get(word, word)
        tokens.append(("i" if mark == "." and after in (".", "-") and after else "-", word))
    at = len(tokens) - 1
    while at >= 0:
        ends = at + 1 == len(tokens) or tokens[at + 1][0] != "."
        if tokens[at][1] in (0, "") and ends:
            del tokens[at]
            at = len(tokens)
        at -= 1
    return tokens


def maven(a: str, b: str) -> int:
    def weigh(word: str) -> tuple[int, str]:
        return (QUALIFIERS.index(word), "") if word in QUALIFIERS else (len(QUALIFIERS), word)

    def place(mark: str, word: str) -> tuple[int, bool, tuple[int, str]]:
        return sign(weigh(word), release), mark != "i" and word != "", weigh(word)

    release = weigh("")
    for x, y in zip_longest(maven_tokens(a), maven_tokens(b)):
        if x is None:
            difference = -maven_token(y, release, weigh)
        elif y is None:
            difference = maven_token(x, release, weigh)
        elif isinstance(x[1], int) and isinstance(y[1], int):
            difference = sign(x[0] == ".", y[0] == ".") or sign(x[1], y[1])
        elif isinstance(x[1], int) or isinstance(y[1], int):
            difference = 1 if isinstance(x[1], int) else -1
        else:
            difference = sign(place(*x), place(*y))
        if difference:
            return difference
    return 0


def maven_token(token: tuple[str, int | str], release: tuple[int, str], weigh: Callable[[str], tuple[int, str]]) -> int:
    """A token against nothing: against 0 after a dot, against "" after a hyphen, which is below any number."""
    mark, value = token
    if isinstance(value, int):
        return sign(value, 0) if mark == "." else 1
    return sign(weigh(value), release)


def gem(a: str, b: str) -> int:
    def segments(version: str) -> list[int | str]:
        found = re.findall("[0-9]+|[a-z]+", version.replace("-", ".pre."), re.IGNORECASE)
        split: list[int | str] = [int(s) if s.isdigit() else s for s in found]
        first = next((i for i, s in enumerate(split) if isinstance(s, str)), len(split))
        head, tail = split[:first], split[first:]
        for part in (head, tail):
            while part and part[-1] == 0:
                part.pop()
        return head + tail

    for x, y in zip_longest(segments(a), segments(b), fillvalue=0):
        if isinstance(x, str) != isinstance(y, str):
            return -1 if isinstance(x, str) else 1
        if x != y:
            return sign(x, y)
    return 0


def identifiers(a: Sequence[str], b: Sequence[str], is_number: Callable[[str], bool] = str.isdigit) -> int:
    for x, y in zip(a, b, strict=False):
        if is_number(x) != is_number(y):
            return -1 if is_number(x) else 1
        if difference := sign(int(x), int(y)) if is_number(x) else sign(x, y):
            return difference
    return sign(len(a), len(b))


def split_semver(version: str) -> tuple[list[int], list[str], list[str]]:
    plain, _, build = version.lstrip("v").partition("+")
    core, _, pre = plain.partition("-")
    release = [int(n) for n in core.split(".")]
    return release + [0] * (6 - len(release)), pre.split(".") if pre else [], build.split(".") if build else []


def semver(a: str, b: str, *, builds: bool = False) -> int:
    (na, pa, ba), (nb, pb, bb) = split_semver(a), split_semver(b)
    found = sign(na, nb) or (identifiers(pa, pb) if pa and pb else sign(not pa, not pb))
    return found or (identifiers(ba, bb) if builds else 0)


def pub(a: str, b: str) -> int:
    return semver(a, b, builds=True)


def go(a: str, b: str) -> int:
    def plain(version: str) -> str:
        return re.sub(r"(?<=[0-9])(rc|beta)", r"-\1.", version.removeprefix("go"))

    return semver(plain(a), plain(b))


def bitnami(a: str, b: str) -> int:
    return semver(re.sub("-[0-9]+$", "", a), re.sub("-[0-9]+$", "", b))


def nuget(a: str, b: str) -> int:
    def is_number(text: str) -> bool:
        return re.fullmatch("-?[0-9]+", text) is not None and -(2**31) <= int(text) < 2**31

    (na, pa, _), (nb, pb, _) = split_semver(a.lower()), split_semver(b.lower())
    return sign(na, nb) or (identifiers(pa, pb, is_number) if pa and pb else sign(not pa, not pb))


def numbers(a: str, b: str) -> int:
    return sign(*([int(n) for n in re.split("[.-]", v)] for v in (a, b)))


PHP_FORMS = (
    ("dev", 0),
    ("alpha", 1),
    ("a", 1),
    ("beta", 2),
    ("b", 2),
    ("RC", 3),
    ("rc", 3),
    ("#", 4),
    ("pl", 5),
    ("p", 5),
)


def php(a: str, b: str) -> int:
    def parts(version: str) -> list[str]:
        return re.findall("[0-9]+|[A-Za-z]+", re.sub("^[vV](?=[0-9])", "", version))

    def form(part: str) -> int:
        return next((rank for name, rank in PHP_FORMS if part.startswith(name)), -1)

    x, y = parts(a), parts(b)
    for p, q in zip(x, y, strict=False):
        if p.isdigit() and q.isdigit():
            difference = sign(int(p), int(q))
        else:
            difference = sign(form("#" if p.isdigit() else p), form("#" if q.isdigit() else q))
        if difference:
            return difference
    if len(x) == len(y):
        return 0
    longer, factor = (x, 1) if len(x) > len(y) else (y, -1)
    rest = longer[min(len(x), len(y))]
    return factor * (1 if rest.isdigit() else sign(form(rest), 4))


def conda(a: str, b: str) -> int:
    def split(version: str) -> list[list[list[Any]]]:
        epoch, _, rest = version.lower().rpartition("!")
        main, _, local = rest.partition("+")
        lists = [[epoch or "0", *main.split(".")], local.split(".") if local else []]
        return [[component(c) for c in part] for part in lists]

    def component(text: str) -> list[Any]:
        words = re.findall("[0-9]+|[^0-9]+", text)
        values: list[Any] = [int(w) if w.isdigit() else float("inf") if w == "post" else w for w in words]
        return values if text[0].isdigit() else [0, *values]

    for lists in zip(split(a), split(b), strict=True):
        nothing: list[Any] = []
        for left, right in zip_longest(*lists, fillvalue=nothing):
            for x, y in zip_longest(left, right, fillvalue=0):
                if isinstance(x, str) and isinstance(y, str) and x != y:
                    return sign(x != "dev", y != "dev") or sign(x, y)
                if isinstance(x, str) != isinstance(y, str):
                    return -1 if isinstance(x, str) else 1
                if x != y:
                    return sign(x, y)
    return 0


def jvm(a: str, b: str) -> int:
    def plain(version: str) -> str:
        old = re.fullmatch(r"(?:1\.(?=.*\.0))?([0-9]+)(?:\.0|(?=u))(?:[_u]([0-9]+))?(-ea)?(?:-b[0-9]+)?", version)
        return f"{old[1]}.0.{old[2] or 0}{old[3] or ''}" if old else version

    return semver(plain(a), plain(b))
