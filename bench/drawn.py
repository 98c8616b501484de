"""Advisories made from a seed, with all the signs that version schemes have; packages drawn from a database of them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import duckdb

from bench import inventory, trivy_db
from bench.inventory import Installed
from grid.database import Database
from vulndb.records import Advisory, Affected, Range, Rating, Record, RepositoryProduct

NAMESPACES = (
    "Alpine:v3.20", "Alpine:edge", "Wolfi", "Chainguard", "Debian:12", "Ubuntu:22.04:LTS", "AlmaLinux:9",
    "Rocky Linux:9", "Oracle Linux:9", "Amazon Linux:1", "Amazon Linux:2", "Amazon Linux:2022", "Amazon Linux:2023",
    "SUSE:Linux Enterprise Server 12 SP5", "SUSE:Linux Enterprise Server 15 SP5", "SUSE:Linux Enterprise Micro 5.5",
    "SUSE:Linux Micro 6.0", "openSUSE:Leap 15.5", "openSUSE:Tumbleweed", "Photon OS:5.0", "Azure Linux:3",
    "Azure Linux:2", "Azure Linux:1", "Red Hat:7", "Red Hat:8", "Red Hat:9", "Red Hat:10", *trivy_db.LANGUAGES,
)  # fmt: skip


def made(count: int) -> Iterator[Record]:
    """Advisories for ``count`` packages of each namespace, drawn from a seed: up to four problems each."""
    number = 0
    for named in (*inventory.REPOSITORIES.values(), *inventory.EXTENDED.values()):
        yield from (RepositoryProduct(repository, cpe) for repository, cpe in named.items())
    for namespace in NAMESPACES:
        dice = random.Random(namespace)  # noqa: S311 - the same in every run
        raters = [rater for rater in ("nvd", "ghsa", "ubuntu") if rater != namespace.partition(":")[0].lower()]
        base = namespace.partition(":")[0]
        drawn = _VERSIONS[base]
        for n in range(count):
            name = f"org.example:p{n}" if namespace == "Maven" else f"example/p{n}" if namespace == "Packagist" else \
                f"example.com/p{n}" if namespace == "Go" else f"p{n}"  # fmt: skip
            for _ in range(dice.randrange(1, 5)):
                number += 1
                events = [("introduced", "0"), ("fixed", drawn(dice))]
                if namespace in trivy_db.LANGUAGES and dice.random() < 0.5:
                    events[0] = ("introduced", drawn(dice))
                if dice.random() < 0.15:
                    events.pop()
                if dice.random() < 0.2 and namespace in trivy_db.LANGUAGES:
                    events.append(("last_affected", drawn(dice)))
                late = base in ("Debian", "Ubuntu") and len(events) == 2 and dice.random() < 0.1
                about = Affected(namespace, name, (Range(tuple(events), unreleased=late),))
                if namespace not in trivy_db.LANGUAGES:
                    about = replace(about, severity=dice.choice([*_WORDS, *(() if base == "Red Hat" else (None,))]))
                if namespace.startswith("Debian") and len(events) == 1:
                    about = replace(about, state=dice.choice(_STATES))
                if namespace.startswith("AlmaLinux") and n % 3 == 0:
                    about = replace(about, module=dice.choice(("m:1", "m:2")))
                if namespace.startswith("Oracle") and n % 3 == 0:
                    about = replace(about, arches=dice.choice((("x86_64",), ("aarch64",), ("x86_64", "aarch64"))))
                listed: tuple[Affected, ...] = (about,)
                if base == "Red Hat":
                    listed = tuple(_products(dice, about, drawn))
                ratings = tuple(_rating(dice, rater) for rater in raters if dice.random() < 0.5)
                if namespace == "Bitnami":  # all of Bitnami's are rated
                    ratings += (_rating(dice, "bitnami"),)
                yield Advisory(f"CVE-2031-{10_000 + number}", listed, title="made", ratings=ratings)


def _products(dice: random.Random, about: Affected, drawn: Callable[[random.Random], str]) -> Iterator[Affected]:
    """What Red Hat says of a package in one or more products: each has a fix of its own, or none."""
    release = about.namespace.partition(":")[2]
    usual, extended = list(inventory.REPOSITORIES[release].values()), list(inventory.EXTENDED[release].values())
    open_, own = f"cpe:/o:redhat:enterprise_linux:{release}", inventory.MADE_CPES[release]
    module = dice.choice(("m:1", "m:2", None, None, None, None))
    one, more = dice.choice(usual), dice.choice(extended)
    products = dice.choice(
        ((one,), tuple(usual), (one, more), (own,), (open_,), (open_, more), (own.rpartition("::")[0], one))
    )
    for cpe in dict.fromkeys(products):
        events = [("introduced", "0"), ("fixed", drawn(dice))] if dice.random() < 0.7 else [("introduced", "0")]
        state = "" if len(events) == 2 else dice.choice((*_STATES, "under_investigation"))
        arches = dice.choice(((), (), (), ("x86_64",), ("aarch64", "ppc64le")))
        yield replace(about, ranges=(Range(tuple(events)),), state=state, module=module, cpes=(cpe,),
                      arches=arches if len(events) == 2 else ())  # fmt: skip


def _rating(dice: random.Random, rater: str) -> Rating:
    return Rating(rater, vector=dice.choice(_VECTORS)) if dice.random() < 0.5 else Rating(rater, dice.choice(_WORDS))


_STATES = ("affected", "will_not_fix", "fix_deferred", "end_of_life")
_WORDS = ("critical", "high", "medium", "low")
_VECTORS = (
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "CVSS:3.1/AV:N/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N",
    "CVSS:3.0/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:H",
    "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N",
    "AV:N/AC:L/Au:N/C:P/I:P/A:P",
)


def _numbers(dice: random.Random, most: int = 3) -> str:
    return ".".join(str(dice.choice((0, 1, 2, 9, 10, 11, 100))) for _ in range(dice.randrange(1, most + 1)))


def _deb(dice: random.Random) -> str:
    epoch = dice.choice(("", "", "", "1:", "2:"))
    tail = dice.choice(("", "~rc1", "+dfsg", "+git20240101", "a", "b1"))
    revision = dice.choice(("1", "2", "10", "1ubuntu1", "1+deb12u1", "1+deb12u10", "0.1", "1~bpo1"))
    return f"{epoch}{_numbers(dice)}{tail}-{revision}"


def _rpm(dice: random.Random) -> str:
    epoch = dice.choice(("", "", "", "1:", "2:"))
    tail = dice.choice(("", "", "~rc1", "^git1", "a", "_1"))
    build = dice.choice(("1", "2", "10", "1.1")) + dice.choice(("", ".el9", ".el9_2", ".1"))
    return f"{epoch}{_numbers(dice)}{tail}-{build}"


def _photon(dice: random.Random) -> str:
    return _rpm(dice).rpartition(":")[2]  # its advisories have no epochs


def _apk(dice: random.Random) -> str:
    tail = dice.choice(("", "", "a", "_alpha1", "_rc2", "_p1", "_git20240101"))
    return f"{_numbers(dice)}{tail}-r{dice.choice((0, 1, 2, 10))}"


def _three(dice: random.Random) -> str:
    return ".".join(str(dice.choice((0, 1, 2, 9, 10, 11))) for _ in range(3))


def _semver(dice: random.Random) -> str:
    return _three(dice) + dice.choice(("", "", "", "-alpha", "-beta.2", "-rc.1", "-rc.10"))


def _pep440(dice: random.Random) -> str:
    return _numbers(dice, 4) + dice.choice(("", "", "", "a1", "b2", "rc1", ".post1", ".dev3"))


def _gem(dice: random.Random) -> str:
    return _numbers(dice, 4) + dice.choice(("", "", "", ".pre1", ".rc2", ".beta.1"))


def _maven(dice: random.Random) -> str:
    return _numbers(dice) + dice.choice(("", "", ".Final", "-SNAPSHOT", "-alpha-1", "-rc2", ".RELEASE", "-jre"))


_VERSIONS: dict[str, Callable[[random.Random], str]] = {
    "Alpine": _apk, "Wolfi": _apk, "Chainguard": _apk, "Debian": _deb, "Ubuntu": _deb, "AlmaLinux": _rpm,
    "Rocky Linux": _rpm, "Oracle Linux": _rpm, "Amazon Linux": _rpm, "SUSE": _rpm, "openSUSE": _rpm,
    "Photon OS": _photon, "Azure Linux": _rpm, "Red Hat": _rpm, "PyPI": _pep440, "npm": _semver, "RubyGems": _gem,
    "Packagist": _semver, "Maven": _maven, "Go": _semver, "crates.io": _semver, "NuGet": _semver, "Pub": _semver,
    "Hex": _semver, "SwiftURL": _semver, "ConanCenter": _semver, "Bitnami": _three,
}  # fmt: skip


_NAMES_OF = """
SELECT name, list(DISTINCT version ORDER BY version) AS versions, any_value(module) AS module
FROM (
    SELECT name, unnest([fixed, introduced, last_affected]) AS version, module
    FROM read_parquet($ranges) WHERE namespace = $namespace
    UNION ALL SELECT name, unnest([fixed, version]), NULL FROM read_parquet($exact) WHERE namespace = $namespace
)
WHERE version IS NOT NULL AND version <> '0'
GROUP BY name ORDER BY hash(name) LIMIT $most
"""


def packages(database: Database, namespace: str, most: int, each: int) -> Iterator[Installed]:
    """Packages that the database names, at versions that it names, and just below them."""
    with duckdb.connect() as con:
        files = {name: database.parquet(name) for name in ("ranges", "exact")}
        rows = con.execute(_NAMES_OF, {**files, "namespace": namespace, "most": most}).fetchall()
    base = namespace.partition(":")[0]
    by_source = base in ("Debian", "Ubuntu", "Alpine", "Wolfi", "Chainguard", "Azure Linux")
    for name, versions, module in rows:
        if not _NAME.fullmatch(name):
            continue
        dice = random.Random(f"{namespace} {name}")  # noqa: S311 - the same in every run
        pool = [v for v in dict.fromkeys([*versions, *map(_below(namespace), versions)]) if _VERSION.fullmatch(v)]
        for version in dice.sample(pool, min(each, len(pool))):
            if by_source and dice.random() < 0.5:
                yield Installed(f"{name}-extra", version, name)
            else:
                module_ = (module or "") if dice.random() < 0.5 else ""
                yield Installed(name, version, module=module_, arch=dice.choice(_ARCHES.get(base, ("x86_64",))))


_ARCHES = {"Red Hat": ("x86_64", "x86_64", "x86_64", "noarch", "i686", "aarch64")}
"""Architectures of the packages drawn, where advisories tell them apart."""
_NAME = re.compile(r"[0-9A-Za-z@][0-9A-Za-z@.+_/:~-]{0,120}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_^~:-]{0,60}")


def _below(namespace: str) -> Callable[[str], str]:
    base = namespace.partition(":")[0]
    if base == "Bitnami":
        return lambda version: f"{version}-2"  # its own builds of a version, which its advisories never name
    scheme = _VERSIONS.get(base)
    if scheme is _deb:
        return lambda version: f"{version}~1"
    if scheme in (_rpm, _photon):
        return lambda version: f"{version}~1" if "-" in version else f"{version}-0"
    if scheme is _apk:
        return lambda version: re.sub(r"-r(\d+)$", lambda found: f"-r{max(0, int(found[1]) - 1)}", version)
    return lambda version: version
