"""Orders that other people wrote down, or that reference tools printed: every line must hold."""

from __future__ import annotations

import json
import operator
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.version import InvalidVersion, Version

from grid.errors import VersionInvalid
from grid.keys import (
    alpm,
    apk,
    bitnami,
    dpkg,
    gem,
    jvm,
    maven,
    nuget,
    numbers,
    packagist,
    pep440,
    pub,
    rpm,
    semver,
)

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "versions" / "versions.zip"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not CORPUS.exists(), reason="needs ../shared/data/versions/versions.zip"),
]

# apk-tools 3 (`apk version --check`) refuses one of the two versions of each of these lines, and so did
# apk-tools 2 but for the empty components ('0..8'). They state how a scanner orders what is no version.
NO_APK_VERSION = {
    "0...1...0 < 0...1...1",
    "0..8 > 0...8",
    "10.2.24.r0 > 10.2.22.r0",
    "1.2.0A < 1.2.0d",
    "1.2.0D < 1.2.0d",
    "1 > 1-ruff",
    "1-r0-1 = 1-r-2",
    "1-r0-1 = 1-r0-2",
    "1-ruff2 = 1--ruff1",
    "1-r0-ruff2 = 1-r0-ruff1",
    "1.2 > 1.2_blah",
    ".1 < 1",
    "1 > .1",
    "a < b",
    "c > b",
    "c = c",
    "23_foo > 4_beta",
    "1.0 < 1.0bc",
}


def not_pep440(line: str) -> bool:
    """Legacy versions: PEP 440 gives them no place, and packaging 22 dropped the order it once made up."""
    left, _, right = line.split(" ")
    for version in (left, right):
        try:
            Version(version)
        except InvalidVersion:
            return True
    return False


# Maven's own ComparableVersion (3.8.7) says the opposite of each: `.x` equals `-x` now, and zeros before either are
# dropped. The corpus was written with an older one, whose order is none: 1.0.0 is above 1.0.0.RC7-3 and below
# 1.0.0-gradle-rework-beta3.
OLD_MAVEN = {
    "1.0.0-gradle-rework-beta3 < 1.0.0.RC7-3",
    "6.1.12.rc5 < 6.1.12rc1",
    "1.1.31.sec10 < 1.1.31_noneautotype",
    "1.2.8.sec10_noneautotype < 1.2.8_noneautotype",
    "1.2.31.sec10 < 1.2.31_noneautotype",
    "1.2.48.sec10 < 1.2.48_noneautotype",
    "1.2.50.sec10 < 1.2.50_noneautotype",
    "1.2.54.sec10 < 1.2.54_noneautotype",
    "1.2.57.sec10 < 1.2.57_noneautotype",
    "1.0.0rc0 < 1.0.beta8",
}
# Grype ignores the runtime that a jar was built for; to Maven it is a qualifier like any other.
JDK_QUALIFIERS = {"12.10.2.jdk17 = 12.10.2", "12.10.2.jre11 = 12.10.2.jdk17"}

# Gem::Version.correct? is false for it.
NO_GEM_VERSION = {"1 > 1gamma"}

OTHERWISE: dict[str, set[str]] = {"maven": OLD_MAVEN | JDK_QUALIFIERS}
"""Lines that do not hold, for the reason given above."""


def no_line(line: str) -> bool:
    return False


# scheme: key, lines that may be refused, how many lines there are, how many of these must be ordered
CASES: dict[str, tuple[Callable[[str], bytes], Callable[[str], bool], int, int]] = {
    "debian": (dpkg.key, no_line, 7274, 7274),
    "alpine": (apk.key, NO_APK_VERSION.__contains__, 7720, 7700),
    "pypi": (pep440.key, not_pep440, 6160, 6114),
    "semver": (semver.key, no_line, 45, 45),
    "redhat": (rpm.key, no_line, 187, 187),
    "pacman": (alpm.key, no_line, 8, 8),
    "maven": (maven.key, no_line, 7433, 7433),
    "jvm": (jvm.key, no_line, 13, 13),
    "rubygems": (gem.key, NO_GEM_VERSION.__contains__, 2112, 2111),
    "nuget": (nuget.key, no_line, 20, 20),
    "packagist": (packagist.key, no_line, 5333, 5333),
    "pub": (pub.key, no_line, 47, 47),
    "cran": (numbers.cran, no_line, 39, 39),
    "hackage": (numbers.hackage, no_line, 3, 3),
}


def lines_of(scheme: str) -> Iterator[str]:
    with zipfile.ZipFile(CORPUS) as corpus:
        for name in sorted(corpus.namelist()):
            if name.startswith(f"{scheme}/") and name.endswith(".txt"):
                for line in corpus.read(name).decode().splitlines():
                    if line.strip():
                        yield line


@pytest.mark.parametrize("scheme", CASES)
def test_every_line_of_the_corpus_holds(scheme: str) -> None:
    key, may_refuse, total, ordered = CASES[scheme]
    seen = kept = 0
    wrong = []
    for line in lines_of(scheme):
        seen += 1
        left, sign, right = line.split(" ")
        try:
            a, b = key(left), key(right)
        except VersionInvalid:
            assert may_refuse(line), f"{line} was refused"
            continue
        assert not may_refuse(line), f"{line} is listed as refused but is not"
        kept += 1
        if sign != ("<" if a < b else ">" if a > b else "="):
            wrong.append(line)
    assert set(wrong) == OTHERWISE.get(scheme, set())
    assert (seen, kept) == (total, ordered)


# Grype's own ideas, each of which contradicts the tool whose versions these are.
NO_CONSTRAINT: dict[str, set[tuple[str, str]]] = {
    "redhat": {
        # Grype ignores the epoch where one side has none; to rpm a missing epoch is 0.
        ("1:0", "< 1"),
        ("1.0", "< 2:1.0"),
        ("2:4.19.01-1.el7_5", "<= 4.19.1-1.el7_5"),
        ("4.19.0-1.el7_5", "< 12:4.19.0-1.el7"),
        ("4.19.0-1.el7_5", "<= 12:4.19.0-1.el7"),
        # rpm 4.18: vercmp("5.el8", "5.el8.0.0") is -1.
        ("8.3.1-5.el8", "< 0:8.3.1-5.el8.0.0"),
        ("8.3.1-5.el8.0.0", "> 0:8.3.1-5.el8"),
    },
    "rubygems": {
        # A version and a platform, which a gemspec states apart. To Gem::Version they are pre-releases, and the
        # first, with its underscore, is none at all.
        ("0.6.0-x86_64-darwin-10", "> 0.1.0, < 0.5.0 || > 1.0.0, < 2.0.0"),
        ("1.2.0-x86-linux", "= 1.2.0"),
        ("1.19.3-aarch64-linux-musl", "< 1.19.3"),
    },
    "semver": {
        # A gem's pre-release read as a semantic version; neither SemVer nor npm knows it.
        ("1.0.0.alpha", "> 1.0.0-alpha"),
        ("1.0.0.beta", "< 1.0.0"),
        ("1.0.0.beta", "> 1.0.0-alpha"),
        ("1.0.0.beta2", "= 1.0.0-beta2"),
        ("1.0.0.rc", "< 1.0.0"),
        ("1.0.0.rc", "> 1.0.0-beta"),
        ("1.0.0.rc.1", "= 1.0.0-rc.1"),
        ("1.0.0.alpha", "< 1.0.0-beta"),
        ("1.0.0.beta", "< 1.0.0-rc"),
        ("1.0.0.alpha", "> 0.9.0, < 1.0.0"),
        ("2.1.0.rc1", "> 2.0.0, < 2.1.0"),
        ("1.0.0.alpha.beta", "= 1.0.0-alpha-beta"),
        ("1.0.0.rc.alpha", "= 1.0.0-rc-alpha"),
    },
}
CONSTRAINTS: dict[str, tuple[Callable[[str], bytes], int]] = {
    "alpine": (apk.key, 17),
    "bitnami": (bitnami.key, 16),
    "debian": (dpkg.key, 42),
    "jvm": (jvm.key, 23),
    "maven": (maven.key, 39),
    "redhat": (rpm.key, 30),
    "rubygems": (gem.key, 12),
    "semver": (semver.key, 46),
}
OPERATORS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "": operator.eq,
}  # fmt: skip


def satisfies(key: Callable[[str], bytes], version: str, constraint: str) -> bool:
    found = key(version)
    return any(
        all(OPERATORS[sign](found, key(bound)) for sign, bound in re.findall(r"([<>=]*)\s*([^\s,<>=]+)", alternative))
        for alternative in constraint.split("||")
    )


@pytest.mark.parametrize("scheme", CONSTRAINTS)
def test_constraints_hold(scheme: str) -> None:
    key, total = CONSTRAINTS[scheme]
    seen = 0
    wrong = set()
    with zipfile.ZipFile(CORPUS) as corpus:
        for line in corpus.read(f"constraints/{scheme}.grype.jsonl").decode().splitlines():
            case = json.loads(line)
            seen += 1
            try:
                held = satisfies(key, case["version"], case["constraint"]) == case["satisfied"]
            except VersionInvalid:
                held = False
            if not held:
                wrong.add((case["version"], case["constraint"]))
    assert wrong == NO_CONSTRAINT.get(scheme, set())
    assert seen == total
