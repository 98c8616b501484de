"""Whether a release still gets security updates, as the database's table of ends says on a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from grid.support import Support, support
from vulndb.build import publish

TODAY = date(2026, 6, 1)


def row(
    distro: str, version: str, eol: str | None = None, extended: str | None = None, ended: bool = False, name: str = ""
) -> dict[str, object]:
    return {
        "distro_id": distro, "version": version, "codename": name or None, "eol": eol, "extended_eol": extended,
        "ended": ended,
    }  # fmt: skip


ROWS = [
    row("debian", "13", "2028-08-09", "2030-06-30", name="Trixie"),
    row("debian", "12", "2026-06-10", "2028-06-30", name="Bookworm"),
    row("debian", "11", "2024-08-14", "2026-08-31", name="Bullseye"),
    row("debian", "10", "2022-09-10", "2024-06-30", name="Buster"),
    row("ubuntu", "22.04", "2027-04-01", "2032-04-01", name="Jammy Jellyfish"),
    row("ubuntu", "18.04", "2023-05-31", "2028-04-01"),
    row("alpine", "3.20", "2026-04-01"),
    row("alpine", "3.22", "2027-05-01"),
    row("centos", "8", "2021-12-31"),
    row("centos", "7", "2024-06-30"),
    row("centos-stream", "8", "2024-05-31"),
    row("centos-stream", "9", "2027-05-31"),
    row("rhel", "9", "2032-05-31", "2035-05-31"),
    row("rocky", "9", "2032-05-31"),
    row("amzn", "2023", "2028-03-15"),
    row("amzn", "2018.03", "2023-12-31"),
    row("sles", "15", "2019-12-31", "2022-12-31"),
    row("sles", "15.6", "2025-12-31", "2028-12-31"),
    row("azurelinux", "3.0", "2027-08-31"),
    row("photon", "5.0"),
    row("photon", "2.0", ended=True),
    row("opensuse-leap", "15.6", "2026-04-30"),
]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> object:
    database = publish(tmp_path_factory.mktemp("database"), {"eol": ROWS})
    return lambda *release, today=TODAY: support(database, [(*release, None)[:3]], today)[0]


@pytest.mark.parametrize(
    ("release", "state", "eol"),
    [
        (("debian", "12", "Debian GNU/Linux 12 (bookworm)"), "supported", "2026-06-10"),
        (("debian", "11", None), "extended", "2024-08-14"),
        (("debian", "10", None), "ended", "2022-09-10"),
        (("debian", "bullseye", None), "extended", "2024-08-14"),
        (("debian", "sid", None), "supported", None),
        (("debian", "forky", None), "supported", None),
        (("debian", None, None), "unknown", None),
        (("ubuntu", "22.04", None), "supported", "2027-04-01"),
        (("ubuntu", "18.04", None), "extended", "2023-05-31"),
        (("ubuntu", "26.10", None), "unknown", None),
        (("alpine", "3.20.3", None), "ended", "2026-04-01"),
        (("alpine", "3.22.0", None), "supported", "2027-05-01"),
        (("alpine", "3.23_alpha20250612", None), "supported", None),
        (("alpine", "edge", None), "supported", None),
        (("alpine", "3.2.1", None), "unknown", None),
        (("centos", "8", "CentOS Linux 8"), "ended", "2021-12-31"),
        (("centos", "8", "CentOS Stream 8"), "ended", "2024-05-31"),
        (("centos", "9", "CentOS Stream 9"), "supported", "2027-05-31"),
        (("centos", "9", "CentOS Linux 9"), "unknown", None),
        (("centos", "7.9.2009", "CentOS Linux release 7.9.2009 (Core)"), "ended", "2024-06-30"),
        (("rhel", "9.4", None), "supported", "2032-05-31"),
        (("rocky", "9.3", None), "supported", "2032-05-31"),
        (("amzn", "2023", None), "supported", "2028-03-15"),
        (("amzn", "2018.03", None), "ended", "2023-12-31"),
        (("sles", "15.6", None), "extended", "2025-12-31"),
        (("sled", "15.6", None), "extended", "2025-12-31"),
        (("sles", "15", None), "ended", "2019-12-31"),
        (("sles", "15.9", None), "unknown", None),
        (("azurelinux", "3.0", None), "supported", "2027-08-31"),
        (("photon", "5.0", None), "supported", None),
        (("photon", "2.0", None), "ended", None),
        (("opensuse-leap", "15.6", None), "ended", "2026-04-30"),
        (("opensuse-tumbleweed", "20260101", None), "supported", None),
        (("wolfi", "20230201", None), "supported", None),
        (("arch", None, None), "supported", None),
        (("secureos", "2025.09.09", None), "supported", None),
        (("somethingelse", "1", None), "unknown", None),
    ],
)
def test_the_state_of_a_release(states, release, state: str, eol: str | None) -> None:  # type: ignore[no-untyped-def]
    found = states(*release)
    assert (found.state, found.eol) == (state, eol)


def test_the_last_day_is_still_within(states) -> None:  # type: ignore[no-untyped-def]
    assert states("rocky", "9", today=date(2032, 5, 31)).state == "supported"
    assert states("rocky", "9", today=date(2032, 6, 1)).state == "ended"
    assert states("debian", "11", today=date(2026, 8, 31)) == Support("extended", "2024-08-14", "2026-08-31")


def test_a_database_without_the_feed_knows_nothing(tmp_path: Path) -> None:
    database = publish(tmp_path, {})
    assert [s.state for s in support(database, [("debian", "12", None), ("wolfi", "1", None)], TODAY)] == [
        "unknown",
        "supported",
    ]
