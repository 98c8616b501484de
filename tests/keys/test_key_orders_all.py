"""The other schemes against comparators that go pair by pair, as their specifications do, and against rpm itself."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import VersionInvalid
from grid.keys import (
    LOWEST,
    alpm,
    bitnami,
    conda,
    gem,
    golang,
    jvm,
    maven,
    nuget,
    numbers,
    packagist,
    pub,
    rpm,
)
from tests.keys import comparators as by_pair
from tests.keys import laws
from tests.keys.comparators import sign
from tests.keys.laws import Key, Scheme

# --- versions, near each other so that every rule gets to decide ---------------------------------

few = st.sampled_from


def glued(*pieces: str, most: int = 6) -> st.SearchStrategy[str]:
    return st.lists(few(pieces), min_size=1, max_size=most).map("".join)


def accepted(strategy: st.SearchStrategy[str], key: Key) -> st.SearchStrategy[str]:
    def valid(version: str) -> bool:
        with suppress(VersionInvalid):
            return bool(key(version))
        return False

    return strategy.filter(valid)


rpms = st.builds(
    "{}{}{}{}".format,
    few(["", "", "0:", "1:", "01:"]),
    few(["", "1", "a"]),
    glued("0", "1", "01", "10", "a", "b", "Z", "~", "^", ".", "_", "+", "α"),
    few(["", "", "-"]) | glued("1", "2", "a", ".", "~", "^", "el8", most=3).map("-{}".format),
)
alpms = st.builds(
    "{}{}{}".format,
    few(["", "", "1:"]),
    glued("0", "1", "01", "10", "a", "b", "Z", "rc", ".", ".", "_", "+", ".."),
    few(["", "-1", "-2", "-1.1", "-01"]),
)
mavens = st.builds(
    "{}{}".format,
    few(["0", "1", "1.0", "2", "1-"]),
    glued(
        "0",
        "1",
        "10",
        ".0",
        ".1",
        "-1",
        "-",
        ".",
        "a",
        "b",
        "m",
        "x",
        "-rc",
        "CR",
        ".foo.",
        "-final",
        ".ga",
        ".sp",
        "-foo",
        "_",
    ),
)
gems = st.builds(
    "{}{}{}".format,
    few(["0", "1", "10"]),
    st.lists(few(["0", "0", "1", "01", "2", "10", "a", "b", "B", "rc1", "1a0"]), max_size=5).map(
        lambda s: "".join(map(".{}".format, s))
    ),
    few(["", "", "", "-1", "-rc.2", "-a-b", "-0"]),
)
labels = st.lists(
    few(["0", "1", "01", "10", "a", "Alpha", "beta", "-", "-5", "1a", "3000000000", "20000000000"]),
    min_size=1,
    max_size=3,
)
dotted = st.lists(few(["0", "1", "01", "2", "10", "300", "9" * 30]), min_size=1, max_size=4).map(".".join)
pres = st.just("") | labels.map(lambda p: "-" + ".".join(p))
builds = few(["", "+0", "+1", "+10", "+a", "+a.1", "+1.a", "+1.2"])
semvers = st.builds("{}{}{}{}".format, few(["", "v"]), dotted, pres, builds)
gos = st.builds(
    "{}{}{}{}".format, few(["", "v"]), few(["1", "1.2", "1.2.3"]), pres, few(["", "+incompatible"])
) | st.builds("{}{}{}".format, few(["", "go"]), few(["1.21", "1.21.0", "1.20.1"]), few(["", "rc1", "rc2", "beta10"]))
bitnamis = st.builds("{}{}{}".format, dotted, few(["", "", "-rc.1", "-beta"]), few(["", "", "-0", "-1", "-23"]))
phps = st.builds(
    "{}{}{}".format,
    few(["", "v", "V"]),
    few(["0", "1", "10", "1.0", "dev-"]),
    glued("0", "1", "10", "a", "alpha", "b", "BETA", "RC", "rc", "dev", "pl", "patch", "stable", ".", "-", "_", "+"),
)
condas = st.builds(
    "{}{}{}".format,
    few(["", "", "0!", "1!"]),
    glued("0", "1", "2", "10", "a", "b", "rc", "dev", "post", ".", ".", ".0", ".0.0.", ".1"),
    few(["", "", "+1", "+0", "+a", "+1.0"]),
)
jvms = few(
    ["1.7.0_80", "1.8.0", "1.8.0_131", "1.8.0_131-ea", "1.8.0_131-b11", "1.8.0_282-ea-b02", "8u131", "8u9-b02"]
) | st.builds(
    "{}{}{}".format,
    few(["7.0.80", "8", "8.0.0", "8.0.131", "9", "9.0.1", "11.0.4", "17.0.8.1"]),
    few(["", "-ea"]),
    few(["", "+8", "+11-LTS"]),
)
rs = st.lists(few(["0", "1", "01", "10", "300"]), min_size=1, max_size=4).flatmap(
    lambda n: few([".".join(n), "-".join(n)])
)

SCHEMES: dict[str, Scheme] = {
    "rpm": (rpm.key, by_pair.evr(by_pair.rpm_part), rpms),
    "alpm": (alpm.key, by_pair.evr(by_pair.alpm_part), accepted(alpms, alpm.key)),
    "maven": (maven.key, by_pair.maven, mavens),
    "gem": (gem.key, by_pair.gem, gems),
    "nuget": (nuget.key, by_pair.nuget, st.builds("{}{}{}".format, dotted, pres, builds)),
    "packagist": (packagist.key, by_pair.php, accepted(phps, packagist.key)),
    "pub": (pub.key, by_pair.pub, semvers),
    "golang": (golang.key, by_pair.go, gos),
    "bitnami": (bitnami.key, by_pair.bitnami, bitnamis),
    "conda": (conda.key, by_pair.conda, accepted(condas, conda.key)),
    "jvm": (jvm.key, by_pair.jvm, jvms),
    "cran": (numbers.cran, by_pair.numbers, rs),
    "hackage": (numbers.hackage, by_pair.numbers, dotted),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_keys_order_as_the_independent_comparator_does(scheme: str) -> None:
    laws.ordered_as_compared(SCHEMES[scheme], 200)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_sorting_by_key_is_sorting_by_version_and_the_successor_excludes_exactly_one(scheme: str) -> None:
    laws.fit_for_ranges(SCHEMES[scheme], 40)


@pytest.mark.skipif(shutil.which("rpm") is None, reason="needs rpm")
def test_rpm_itself_agrees() -> None:
    pairs: list[tuple[str, str]] = []

    @settings(max_examples=400)
    @given(rpms, rpms)
    def gather(a: str, b: str) -> None:
        pairs.append((a, b))

    gather()
    script = "".join(f'print(rpm.vercmp("{a}", "{b}") .. "\\n") ' for a, b in pairs)
    done = subprocess.run(["rpm", "--eval", f"%{{lua:{script}}}"], capture_output=True, text=True, check=True)
    said = [int(line) for line in done.stdout.split()]
    assert len(said) == len(pairs) >= 300
    assert said == [sign(rpm.key(a), rpm.key(b)) for a, b in pairs]


REFUSED = {
    "rpm": ["", " ", "-1", "1:", "1:-1", "1 2", "1\n2", "1\0"],
    "alpm": ["", "-1", "1-", "1.", "1.-1", "1-1.", "1 2", "1é", "..", ":"],
    "maven": ["", "1 2", "1.0é", "1\0"],
    "gem": ["", "a", "v1", "1.", "1..2", "1gamma", "1.0_1", "1-", "~> 1.0", "0.6.0-x86_64-darwin-10"],
    "nuget": ["", "a", "1.2.3.4.5", "1.", "1-", "1.0.0-a..b", "1.0+", "v1.0", "[1.0,)", "1.*"],
    "packagist": ["", "1.", "-1", ".1", "1 2", "1.0#", "1é", "^1.0"],
    "pub": ["", "a", "1.2.3+", "1.2.3+a..b", "1.2.3+é", "any"],
    "golang": ["", "(devel)", "devel", "1.2.3.4", "v1.2.3-", "go1.21rc", "unknown", "1.x", "v1.2.3+"],
    "bitnami": ["", "nightly.2026-03-10.0", "latest", "-1"],
    "conda": ["", "1..2", "1.", "x!1", "1!2!3", "1+", "1+2+3", "1 2", "1.0é", ">=1"],
    "jvm": ["", "java", "1.8.0_", "8u"],
    "cran": ["", "1.", "1.a", "1--2", ".1", "1_2"],
    "hackage": ["", "1-2", "1.", "1.a", "-1"],
}


@pytest.mark.parametrize("scheme", REFUSED)
def test_what_is_no_version_is_refused_and_never_guessed(scheme: str) -> None:
    key = SCHEMES[scheme][0]
    for version in [*REFUSED[scheme], "1" * 5000, "1." * 3000 + "1"]:
        with pytest.raises(VersionInvalid):
            key(version)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_text_gives_a_key_or_version_invalid(scheme: str) -> None:
    key = SCHEMES[scheme][0]

    @settings(max_examples=200)
    @given(st.text(max_size=20) | st.text(alphabet="0123456789.-~+:_arv!^*#\n\0²", max_size=20))
    def check(text: str) -> None:
        with suppress(VersionInvalid):
            assert key(text) > LOWEST

    check()


@pytest.mark.parametrize(
    ("scheme", "equal"),
    [
        ("rpm", ["1.0-1", "0:1.0-1", ":1.0-1", "1..0-01", "01.0-1."]),
        ("alpm", ["1.0-1", "0:1.0-1", "1_0-1", "01.00-01"]),
        ("maven", ["1", "1.0", "1-", "1.0-final", "1.GA", "01.0.0-0", "1.0.RELEASE"]),
        ("maven", ["1-rc-1", "1.0-rc1", "1.cr1", "1.0.0.RC1"]),
        ("gem", ["1.0.a2", "1.a.2", "1.0.0.a.2.0"]),
        ("nuget", ["1.0-Beta.01+x", "1.0.0.0-beta.1", "1.0.0-BETA.1"]),
        ("packagist", ["1.0-beta2", "v1.0b2", "1.0.beta+2", "1_0_b_2"]),
        ("golang", ["1.21rc2", "go1.21rc2", "v1.21.0-rc.2", "1.21.0-rc.2+incompatible"]),
        ("bitnami", ["2.3.1", "2.3.1-0", "2.3.1-45", "2.3.1+x"]),
        ("conda", ["1.0", "1", "0!1.0.0", "1.0.0.0"]),
        ("conda", ["1.0-a", "1.0_A", "1.0.a"]),
        ("jvm", ["1.8.0_131", "8u131", "8.0.131", "1.8.0-update131-b02", "8.0.131+11"]),
        ("cran", ["0.1-0", "0.01.0"]),
    ],
)
def test_versions_that_are_equal_have_one_key(scheme: str, equal: list[str]) -> None:
    assert len({SCHEMES[scheme][0](v) for v in equal}) == 1


def test_the_order_that_conda_documents() -> None:
    versions = [
        "0.4", "0.4.1.rc", "0.4.1", "0.5a1", "0.5b3", "0.5C1", "0.5", "0.9.6", "0.960923", "1.0", "1.1dev1", "1.1_",
        "1.1a1", "1.1.0dev1", "1.1.a1", "1.1.0rc1", "1.1.0", "1.1.0post1", "1.1post1", "1996.07.12", "1!0.4.1",
        "1!3.1.1.6", "2!0.4.1",
    ]  # fmt: skip
    assert len({conda.key(v) for v in ("1.1.0dev1", "1.1.dev1")}) == 1
    assert sorted(versions, key=conda.key) == versions


def test_openssls_letters_come_after_its_underscore() -> None:
    versions = ["1.0.1dev", "1.0.1_", "1.0.1a", "1.0.1b", "1.0.1", "1.0.1post.a", "1.0.1post.z", "1.0.1post"]
    assert sorted(versions, key=conda.key) == versions


def test_keys_of_real_versions_are_short() -> None:
    for key, version in (
        (rpm.key, "1:3.10.0-1160.119.1.el7_9"),
        (golang.key, "v0.0.0-20240318140521-94a12d6c2237"),
        (maven.key, "2.17.1-SNAPSHOT"),
        (gem.key, "7.1.3.4"),
        (conda.key, "2024.11.0+local.1"),
    ):
        assert len(key(version)) <= 2 * len(version)
