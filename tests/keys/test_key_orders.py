"""Keys against independent comparators, and the properties that range joins rest on."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from grid.errors import VersionInvalid
from grid.keys import apk, dpkg, pep440, semver
from tests.keys import laws
from tests.keys.comparators import sign
from tests.keys.laws import Scheme

# --- independent comparators: pair by pair, character by character, as the tools' manuals describe it ---


def compare_deb_part(a: str, b: str) -> int:
    def weight(text: str, at: int) -> int:
        if at >= len(text) or text[at].isdigit():
            return 0
        if text[at] == "~":
            return -1
        return ord(text[at]) if text[at].isalpha() else ord(text[at]) + 256

    i = j = 0
    while i < len(a) or j < len(b):
        while (i < len(a) and not a[i].isdigit()) or (j < len(b) and not b[j].isdigit()):
            if difference := sign(weight(a, i), weight(b, j)):
                return difference
            i, j = i + 1, j + 1
        digits_a, digits_b = re.match("[0-9]*", a[i:])[0], re.match("[0-9]*", b[j:])[0]  # type: ignore[index]
        if difference := sign(int(digits_a or "0"), int(digits_b or "0")):
            return difference
        i, j = i + len(digits_a), j + len(digits_b)
    return 0


def compare_deb(a: str, b: str) -> int:
    def split(version: str) -> tuple[int, str, str]:
        epoch, rest = version.split(":", 1) if ":" in version else ("0", version)
        upstream, revision = rest.rsplit("-", 1) if "-" in rest else (rest, "")
        return int(epoch), upstream, revision

    (ea, ua, ra), (eb, ub, rb) = split(a), split(b)
    return sign(ea, eb) or compare_deb_part(ua, ub) or compare_deb_part(ra, rb)


SUFFIXES = ("_alpha", "_beta", "_pre", "_rc", "", "_cvs", "_svn", "_git", "_hg", "_p")
KINDS = ("first", "digit", "letter", "suffix", "suffix number", "hash", "revision", "end")


def apk_tokens(version: str) -> list[tuple[str, str]]:
    tokens = []
    last = ""
    for found in re.finditer(r"(\.?)([0-9]+)|(~[0-9a-f]+)|-r([0-9]+)|(_[a-z]+)|([a-z])", version):
        _, digits, commit, revision, suffix, letter = found.groups()
        if digits:
            kind = "first" if not last else "suffix number" if last == "suffix" else "digit"
            tokens.append((kind, digits))
        elif commit:
            tokens.append((kind := "hash", commit))
        elif revision:
            tokens.append((kind := "revision", revision))
        elif suffix:
            tokens.append((kind := "suffix", suffix))
        else:
            tokens.append((kind := "letter", letter))
        last = kind
    return [*tokens, ("end", "")]


def compare_apk(a: str, b: str) -> int:
    for (kind_a, text_a), (kind_b, text_b) in zip(apk_tokens(a), apk_tokens(b), strict=False):
        if kind_a != kind_b:
            if kind_a == "suffix" and SUFFIXES.index(text_a) < 4:
                return -1
            if kind_b == "suffix" and SUFFIXES.index(text_b) < 4:
                return 1
            return sign(KINDS.index(kind_b), KINDS.index(kind_a))
        if kind_a == "suffix":
            difference = sign(SUFFIXES.index(text_a), SUFFIXES.index(text_b))
        elif kind_a in ("letter", "hash", "end") or (kind_a == "digit" and "0" in (text_a[0], text_b[0])):
            difference = sign(text_a, text_b)
        else:
            difference = sign(int(text_a), int(text_b))
        if difference:
            return difference
    return 0


def compare_semver(a: str, b: str) -> int:
    def split(version: str) -> tuple[list[int], list[str]]:
        core, _, pre = version.partition("+")[0].partition("-")
        numbers = [int(n) for n in core.lstrip("v").split(".")]
        return numbers + [0] * (6 - len(numbers)), pre.split(".") if pre else []

    (na, pa), (nb, pb) = split(a), split(b)
    if na != nb:
        return sign(na, nb)
    if not pa or not pb:
        return sign(not pa, not pb)
    for x, y in zip(pa, pb, strict=False):
        if x.isdigit() != y.isdigit():
            return -1 if x.isdigit() else 1
        if difference := sign(int(x), int(y)) if x.isdigit() else sign(x, y):
            return difference
    return sign(len(pa), len(pb))


def compare_pep440(a: str, b: str) -> int:
    return sign(Version(a), Version(b))


# --- versions, near each other so that every rule gets to decide ---------------------------------

few = st.sampled_from
numbers = few(["0", "00", "1", "01", "2", "9", "10", "010", "255", "256", "65536", "20240101", "9" * 40])
deb_part = st.lists(few(["0", "1", "01", "10", "a", "b", "Z", "~", "~~", "+", ".", "rc", "deb11u1"]), min_size=1).map(
    "".join
)
debs = st.builds("{}{}{}".format, few(["", "0:", "1:", "2:"]), deb_part, st.just("") | deb_part.map("-{}".format))
apks = st.builds(
    "{}{}{}{}{}{}".format,
    numbers,
    st.lists(numbers.map(".{}".format), max_size=3).map("".join),
    few(["", "", "", "a", "b", "z", "p1", "p2", "p1a"]),
    st.lists(st.builds("{}{}".format, few([s for s in SUFFIXES if s]), few(["", "0", "1", "2", "10"])), max_size=2).map(
        "".join
    ),
    few(["", "", "", "~1234", "~12", "~ab"]),
    few(["", "-r0", "-r1", "-r10"]),
)
semvers = st.builds(
    "{}{}{}{}".format,
    few(["", "v"]),
    st.lists(numbers, min_size=1, max_size=5).map(".".join),
    st.just("")
    | st.lists(few(["0", "1", "10", "a", "alpha", "beta", "rc1", "-", "1a"]), min_size=1, max_size=3).map(
        lambda p: "-" + ".".join(p)
    ),
    few(["", "+build", "+1.2"]),
)
pep440s = st.builds(
    "{}{}{}{}{}{}".format,
    few(["", "", "0!", "1!"]),
    st.lists(few(["0", "1", "01", "2", "10", "300"]), min_size=1, max_size=4).map(".".join),
    few(["", "", "a1", "a2", "b1", "rc1", ".rc.10", "-alpha"]),
    few(["", "", ".post1", "-2", ".post"]),
    few(["", "", ".dev0", ".dev3"]),
    few(["", "", "+local", "+local.1", "+1", "+10.a", "+a.b"]),
)

SCHEMES: dict[str, Scheme] = {
    "dpkg": (dpkg.key, compare_deb, debs),
    "apk": (apk.key, compare_apk, apks),
    "semver": (semver.key, compare_semver, semvers),
    "pep440": (pep440.key, compare_pep440, pep440s),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_keys_order_as_the_independent_comparator_does(scheme: str) -> None:
    laws.ordered_as_compared(SCHEMES[scheme], 400)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_sorting_by_key_is_sorting_by_version_and_the_successor_excludes_exactly_one(scheme: str) -> None:
    laws.fit_for_ranges(SCHEMES[scheme], 60)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")
def test_dpkg_itself_agrees() -> None:
    """A few hundred pairs in one shell: the order that `dpkg --compare-versions` prints is the keys' order."""
    pairs: list[tuple[str, str]] = []

    @settings(max_examples=300)
    @given(debs, debs)
    def gather(a: str, b: str) -> None:
        pairs.append((a, b))

    gather()
    script = "".join(
        f"for op in lt eq gt; do dpkg --compare-versions '{a}' $op '{b}' 2>/dev/null && echo $op; done\n"
        for a, b in pairs
    )
    out = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False).stdout.split()
    assert len(out) == len(pairs) >= 200
    names = {-1: "lt", 0: "eq", 1: "gt"}
    assert out == [names[sign(dpkg.key(a), dpkg.key(b))] for a, b in pairs]


@pytest.mark.parametrize(
    ("scheme", "versions"),
    {
        "dpkg": ["", "  ", "1-", "1:", ":1", "x:1", "1:-1", "-1", "1 2", "99999999999:1", "1é", "1\0"],
        "apk": [
            "",
            "a",
            "1.",
            "1..2",
            "1-",
            "1-1",
            "1-r",
            "1_foo",
            "1.0bc",
            "1~",
            "1~x",
            "1.0A",
            "v1",
            "10.2.24.r0",
            "1\n2",
        ],
        "semver": ["", "x", "1.x", "1.2.3-", "1.2.3-a..b", "1.2.3 - 2", "latest", "1.2.3-é", "^1.0", "1..2", "١.2"],
        "pep440": ["", "2004d", "0.1-bulbasaur", "1.0 2.0", "trunk", "1.0p1", "None"],
    }.items(),
)
def test_what_is_no_version_is_refused_and_never_guessed(scheme: str, versions: list[str]) -> None:
    key = SCHEMES[scheme][0]
    for version in [*versions, "1" * 5000, "1." * 3000 + "1"]:
        with pytest.raises(VersionInvalid):
            key(version)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_text_gives_a_key_or_version_invalid(scheme: str) -> None:
    key = SCHEMES[scheme][0]

    @settings(max_examples=300)
    @given(st.text(max_size=20) | st.text(alphabet="0123456789.-~+:_arv", max_size=20))
    def check(text: str) -> None:
        with suppress(VersionInvalid):
            assert len(key(text)) > 1

    check()


@pytest.mark.parametrize(
    ("scheme", "equal"),
    [
        ("dpkg", ["1.0", "1.0-0", "0:1.0", "1.00", "01.0", "1.0-00"]),
        ("apk", ["1.2-r1", "01.2-r01"]),
        ("semver", ["1.2.0", "v1.2", "=1.2", "1.2.0+build", "1.2.0.0", "01.02"]),
        ("pep440", ["1.0", "1", "v1.0.0", "0!1.0", "1.0.0.0"]),
    ],
)
def test_versions_that_are_equal_have_one_key(scheme: str, equal: list[str]) -> None:
    key = SCHEMES[scheme][0]
    assert len({key(v) for v in equal}) == 1


def test_packages_that_apk_tools_2_had_are_ordered() -> None:
    versions = ["6.0.2p1-r9", "6.0.3-r0", "6.0.3p1-r0", "6.0.3p1-r4", "6.0.3p2-r0", "6.0.3p2a-r0", "6.4.2p1-r0"]
    assert sorted(versions, key=apk.key) == versions


def test_npm_versions_as_people_write_them() -> None:
    versions = ["1.2.3-0", "1.2.3alpha", "1.2.3beta2", "1.2.3-rc.1", " v1.2.3 ", "1.2.4-a-b.c+x-y", "1.2.4.1"]
    assert sorted(versions, key=semver.key) == versions
