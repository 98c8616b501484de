"""Orders that other people wrote down, or that reference tools printed: every line must hold."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.version import InvalidVersion, Version

from grid.errors import VersionInvalid
from grid.keys import apk, dpkg, pep440, semver

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


# scheme: key, lines that may be refused, how many lines there are, how many of these must be ordered
CASES: dict[str, tuple[Callable[[str], bytes], Callable[[str], bool], int, int]] = {
    "debian": (dpkg.key, lambda line: False, 7274, 7274),
    "alpine": (apk.key, NO_APK_VERSION.__contains__, 7720, 7700),
    "pypi": (pep440.key, not_pep440, 6160, 6114),
    "semver": (semver.key, lambda line: False, 45, 45),
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
    assert wrong == []
    assert (seen, kept) == (total, ordered)
