"""Which language packages belong to OS packages."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from grid.detectors.owned_files import DETECTOR, OwnedFiles
from grid.ecosystems import ALL, BY_NAME
from grid.ecosystems._binary import PROGRAMS
from grid.model import Limits, Note, OwnedFile, Wants
from grid.testing import accept_detector, files_batch

SIX = "usr/lib/python3/dist-packages/six-1.16.0.egg-info"
SAMPLES = {
    "var/lib/dpkg/info/python3-six.list": f"/.\n/usr\n/usr/lib/python3/six.py\n/{SIX}\n/{SIX}/PKG-INFO\n".encode(),
    "var/lib/dpkg/info/node-lodash:all.list": b"/.\n/usr/share/nodejs/lodash/package.json\n/usr/share/a.js\n",
    "var/lib/dpkg/info/base-files.list": b"/.\n/bin\n/etc/issue\n",
    "var/lib/dpkg/status.d/wheel.md5sums": b"00000000000000000000000000000000  usr/lib/wheel-1.dist-info/METADATA\n",
    "lib/apk/db/installed": b"P:py3-six\nF:usr/lib/six-1.dist-info\nR:METADATA\nR:RECORD\n\nP:musl\nF:lib\nR:ld.conf\n",
}


def rows_of(files: dict[str, bytes], detector: OwnedFiles = DETECTOR) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = detector.detect(files_batch(files.items())).to_pylist()
    return rows


def test_only_records_of_language_packages_are_kept_with_their_owner() -> None:
    found = [(row["source_path"], row["path"], row["owner"]) for row in rows_of(SAMPLES)]
    assert found == [
        ("var/lib/dpkg/info/python3-six.list", SIX, "python3-six"),
        ("var/lib/dpkg/info/python3-six.list", f"{SIX}/PKG-INFO", "python3-six"),
        ("var/lib/dpkg/info/node-lodash:all.list", "usr/share/nodejs/lodash/package.json", "node-lodash"),
        ("var/lib/dpkg/status.d/wheel.md5sums", "usr/lib/wheel-1.dist-info/METADATA", "wheel"),
        ("lib/apk/db/installed", "usr/lib/six-1.dist-info/METADATA", "py3-six"),
    ]


def test_windows_line_ends_hide_nothing() -> None:
    windows = {path: content.replace(b"\n", b"\r\n") for path, content in SAMPLES.items()}
    assert rows_of(windows) == rows_of(SAMPLES)


def test_lists_elsewhere_and_other_files_of_dpkg_are_not_asked_for() -> None:
    wanted = DETECTOR.wants.matcher()
    for path in (
        "etc/apt/sources.list",
        "var/lib/dpkg/info/bash.md5sums",
        "var/lib/dpkg/status",
        "var/lib/dpkg/status.d/six",
    ):
        assert not wanted(path, 0o644)


def test_files_where_programs_lie_are_kept_for_those_that_state_what_they_were_built_of() -> None:
    programs = [
        "bin/cat", "usr/bin/docker", "usr/local/sbin/agent", "usr/libexec/podman/netavark", "opt/cni/bin/bridge",
        "usr/libexec/docker/cli-plugins/docker-compose", "usr/lib/go-1.19/pkg/tool/linux_amd64/link",
        "usr/lib/cni/host",
        "usr/lib/librsvg-2.so.2.50", "opt/agent/embedded/bin/agent",
    ]  # fmt: skip
    others = ["usr/bin", "usr/share/doc/bin", "etc/cni", "usr/lib/python3/x.so", "usr/lib/libx.soap", "etc/issue"]
    listed = b"".join(f"/{path}\n".encode() for path in sorted(programs + others))
    found = [row["path"] for row in rows_of({"var/lib/dpkg/info/many.list": listed})]
    assert sorted(found) == sorted(programs)
    apk = b"P:x\nF:usr/bin\nR:rg\nF:etc\nR:rg.conf\n"
    assert [row["path"] for row in rows_of({"lib/apk/db/installed": apk})] == ["usr/bin/rg"]
    readers = OwnedFiles(tuple(replace(e, wants=replace(e.wants, executables=False)) for e in ALL))
    assert rows_of({"var/lib/dpkg/info/many.list": listed}, readers) == []
    assert readers.version != DETECTOR.version


def test_programs_known_by_name_are_kept_wherever_they_lie() -> None:
    programs = ["usr/lib/git-core/git", "usr/lib64/perl5/CORE/libperl.so", "usr/lib/chromium/chromium"]
    listed = "".join(f"/{path}\n" for path in [*programs, "usr/lib/git-core/git-add"]).encode()
    for end in (b"\n", b"\r\n"):
        found = rows_of({"var/lib/dpkg/info/many.list": listed.replace(b"\n", end)})
        assert [row["path"] for row in found] == programs


def test_what_is_kept_is_what_reading_every_line_keeps_in_the_order_of_the_list() -> None:
    dice = random.Random(7)
    parts = [
        "usr",
        "bin",
        "lib",
        "git",
        "x.so",
        "x.so.1",
        "a.jar",
        "package.json",
        "conda-meta",
        "a.json",
        "[",
        "git\r",
    ]
    paths = ["/".join(dice.choices(parts, k=dice.randrange(1, 6))) for _ in range(4000)]
    listed = "".join(f"/{path}\n" for path in paths)
    found = [row["path"] for row in rows_of({"var/lib/dpkg/info/many.list": listed.encode()})]
    wanted, in_folder = DETECTOR._records.matcher(), PROGRAMS.search
    lines = dict.fromkeys(path.rstrip("\r") for path in paths)
    assert 0 < len(found) < len(paths)
    assert list(dict.fromkeys(found)) == [line for line in lines if wanted(line, 0) or in_folder(line)]


def test_a_long_list_of_nothing_but_programs_is_read_to_its_end() -> None:
    twice = "bin/" * 30_000 + "x"  # one line with tens of thousands of hits
    paths = [f"usr/bin/{n}/bin/{n}" for n in range(50_000)] + ["etc/issue", "bin/" * 900 + "x", "usr/bin/last"]
    listed = "".join(f"/{path}\n" for path in [twice, *paths])
    found = [row["path"] for row in rows_of({"var/lib/dpkg/info/many.list": listed.encode()})]
    assert found == [path for path in paths if "bin/" in path]


def test_lines_that_can_be_no_record_never_reach_the_reader() -> None:
    def read(path: str, content: bytes, limits: Limits) -> Iterator[OwnedFile | Note]:
        if b"issue" in content:
            raise AssertionError("asked in vain")
        yield Note("x", "six" if b"six.egg-info" in content.replace(b"-1.16.0", b"") else "none")

    detector = OwnedFiles((replace(BY_NAME["deb"], owned=read), *ALL[1:]))
    listed = SAMPLES["var/lib/dpkg/info/base-files.list"]
    assert rows_of({"var/lib/dpkg/info/base-files.list": listed}, detector) == []
    (note,) = rows_of({"var/lib/dpkg/info/six.list": listed + SAMPLES["var/lib/dpkg/info/python3-six.list"]}, detector)
    assert note["note_message"] == "six"


def test_a_database_that_is_no_list_of_paths_is_always_asked() -> None:
    def read(path: str, content: bytes, limits: Limits) -> Iterator[OwnedFile | Note]:
        yield OwnedFile(SIX, "six")
        yield OwnedFile("opt/thing.whatever", "thing")

    binary = replace(BY_NAME["deb"], owned=read, owned_lines=False)
    files = {"var/lib/dpkg/info/six.list": b"RpmP\0\0\0"}
    assert [row["path"] for row in rows_of(files, OwnedFiles((binary, *ALL[1:])))] == [SIX]
    globbing = replace(BY_NAME["npm"], wants=Wants(globs=("opt/*.whatever",)))
    rows = rows_of({"var/lib/dpkg/info/six.list": b"/opt\n"}, OwnedFiles((binary, globbing)))
    assert [row["path"] for row in rows] == ["opt/thing.whatever"]


def test_without_readers_of_language_packages_no_file_is_kept() -> None:
    assert rows_of(SAMPLES, OwnedFiles(tuple(e for e in ALL if e.system))) == []


def test_the_version_changes_with_the_records_that_are_asked_for() -> None:
    other = replace(BY_NAME["npm"], wants=Wants(names=frozenset({"package.json", "bower.json"})))
    versions = {
        DETECTOR.version,
        OwnedFiles((*ALL[:3], other)).version,
        OwnedFiles((replace(ALL[0], version=99), *ALL[1:])).version,
    }
    assert len(versions) == 3


def test_what_can_be_no_file_is_no_row() -> None:
    lists = {
        "var/lib/dpkg/info/x.list": b"//\n/\n/.\n/" + b"a/" * 4000 + b"package.json\n/b/package.json\n",
        "lib/apk/db/installed": b"P:" + b"x" * 2000 + b"\nF:a\nR:package.json\n\nP:y\nF:\nR:\nR:package.json\n",
    }
    assert [(row["path"], row["owner"]) for row in rows_of(lists)] == [("b/package.json", "x"), ("package.json", "y")]
    for name, path in (("deb", "var/lib/dpkg/info/x.list"), ("apk", "lib/apk/db/installed")):
        owned = BY_NAME[name].owned
        assert owned is not None
        assert all(file.path for file in owned(path, lists[path], Limits()))


def test_it_passes_the_exam_of_detectors() -> None:
    accept_detector(DETECTOR, SAMPLES)
