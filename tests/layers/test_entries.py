import contextlib
import io
import os
import random
import shutil
import subprocess
import tarfile
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_fakes import Recorder, listing, notes, scan

from grid.errors import (
    DecompressionBomb,
    EntryTooLarge,
    GridError,
    LayerTruncated,
    PathEscapesRoot,
    TarCorrupt,
    TooManyEntries,
)
from grid.layers.entries import classifier
from grid.model import MIB, Limits, Wants
from grid.testing import BuiltLayer, LayerBuilder, built_layer

PACKAGES = Wants(names=frozenset({"package.json"}), suffixes=(".METADATA",), paths=frozenset({"var/lib/status"}))


def rows(built: BuiltLayer, **options: object) -> list[dict[str, object]]:
    return scan(built, **options).tables["entries"].to_pylist()  # type: ignore[arg-type]


def as_tarfile_sees_it(data: bytes) -> list[dict[str, object]]:
    """The listing by the standard library, put into our form."""
    out = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for ordinal, info in enumerate(archive.getmembers()):
            kind = {b"1": "hardlink", b"2": "symlink", b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo"}.get(
                info.type, "file"
            )
            clean = os.path.normpath(os.fsencode(info.name).lstrip(b"/")).decode("utf-8", "backslashreplace")
            head, _, name = clean.rpartition("/")
            link = None
            if kind in ("symlink", "hardlink"):
                link = os.fsencode(info.linkname).decode("utf-8", "backslashreplace")
                link = os.path.normpath(link) if kind == "hardlink" else link
            if name.startswith(".wh."):
                clean, kind = (head, "opaque") if name == ".wh..wh..opq" else (os.path.join(head, name[4:]), "whiteout")
            out.append(
                {
                    "path": clean,
                    "kind": kind,
                    "size": info.size if kind == "file" else 0,
                    "mode": info.mode & 0o7777,
                    "uid": info.uid,
                    "gid": info.gid,
                    "link_target": link,
                    "ordinal": ordinal,
                }
            )
    return out


def without_root(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows in our order; the root itself is no entry."""
    kept = [row for row in rows if row["path"] != "."]
    for ordinal, row in enumerate(kept):
        row["ordinal"] = ordinal
    return sorted(kept, key=lambda row: (str(row["path"]).encode(), row["ordinal"]))


@pytest.mark.parametrize("format", ["gnu", "pax"])
def test_every_kind_of_entry(format):
    long, link = "d/" + "n" * 300, "../" + "t" * 200
    built = (
        LayerBuilder(format)
        .dir("./usr/", mode=0o755)
        .file("usr/a", b"content", mode=0o4755, uid=1000, gid=33)
        .file("/etc//b", "")
        .symlink("lib", "usr/lib")
        .symlink("up", link)
        .hardlink("usr/c", "./usr/a")
        .device("dev/null")
        .device("dev/sda", "block")
        .fifo("run/pipe")
        .whiteout("etc/gone")
        .opaque("var/cache")
        .opaque("")
        .file(long, b"x" * 1000)
        .file("name\u00e9 \u6f22", "x", uid=3_000_000, gid=1 << 33)
        .file(b"b\xffd", "x")
        .blob()
    )
    found = {row["path"]: row for row in rows(built)}
    assert {path: row["kind"] for path, row in found.items()} == {
        "usr": "dir",
        "usr/a": "file",
        "etc/b": "file",
        "lib": "symlink",
        "up": "symlink",
        "usr/c": "hardlink",
        "dev/null": "char",
        "dev/sda": "block",
        "run/pipe": "fifo",
        "etc/gone": "whiteout",
        "var/cache": "opaque",
        "": "opaque",
        long: "file",
        "name\u00e9 \u6f22": "file",
        "b\\xffd": "file",
    }
    assert (found["usr/a"]["mode"], found["usr/a"]["uid"], found["usr/a"]["gid"]) == (0o4755, 1000, 33)
    assert found["usr/a"]["size"] == 7
    assert found["usr"]["size"] == 0
    assert found["lib"]["link_target"] == "usr/lib"
    assert found["up"]["link_target"] == link
    assert found["usr/c"]["link_target"] == "usr/a"
    assert found["usr/a"]["link_target"] is None
    assert (found["name\u00e9 \u6f22"]["uid"], found["name\u00e9 \u6f22"]["gid"]) == (3_000_000, 1 << 33)
    assert [row["path"] for row in rows(built)] == sorted(found)
    assert sorted(row["ordinal"] for row in rows(built)) == list(range(15))


def test_contents_reach_the_detectors_whole():
    rng = random.Random(5)
    files = {f"d/{n}": rng.randbytes(rng.choice([1, 511, 512, 513, 4000, 300_000])) for n in range(60)}
    builder = LayerBuilder()
    for path, content in files.items():
        builder.file(path, content, mode=0o600)
    for compression in ("gzip", "zstd", "none"):
        recorder = Recorder()
        scan(builder.blob(compression), recorder, limits=Limits(batch_bytes=MIB), chunk=10_007)
        assert recorder.files == files
        assert set(recorder.modes.values()) == {0o600}
        assert len(recorder.batches) >= 3
        assert max(recorder.batches) <= MIB


def test_a_file_larger_than_a_batch_is_a_batch_of_its_own():
    recorder = Recorder()
    built = LayerBuilder().file("a", b"a" * 10).file("big", b"b" * 5000).file("c", b"c" * 10).blob()
    scan(built, recorder, limits=Limits(batch_bytes=1000))
    assert recorder.batches == [10, 5000, 10]
    assert recorder.files["big"] == b"b" * 5000


def test_a_detector_may_keep_what_it_was_given():
    kept = []

    class Keeper(Recorder):
        def detect(self, files):
            kept.append(files)
            return super().detect(files)

    builder = LayerBuilder()
    for n in range(50):
        builder.file(str(n), bytes([n]) * 300)
    keeper = Keeper()
    scan(builder.blob(), keeper, limits=Limits(batch_bytes=1000))
    assert len(kept) > 10
    again = {row["path"]: row["content"] for batch in kept for row in batch.to_pylist()}
    assert again == keeper.files == {str(n): bytes([n]) * 300 for n in range(50)}


def test_each_detector_gets_the_files_it_wants():
    every, packages = Recorder(Wants(every=True, max_bytes=100)), Recorder(PACKAGES, "packages")
    built = (
        LayerBuilder()
        .file("a/package.json", b"{}")
        .file("b/package.json", b"{" + b" " * 200 + b"}")
        .file("var/lib/status", b"")
        .file("x.METADATA", b"Name: x")
        .file("other", b"text")
        .file("empty", b"")
        .symlink("c/package.json", "../a/package.json")
        .blob()
    )
    facts = scan(built, every, packages)
    assert set(every.files) == {"a/package.json", "x.METADATA", "other"}
    assert set(packages.files) == {"a/package.json", "b/package.json", "var/lib/status", "x.METADATA"}
    assert len(packages.files["b/package.json"]) == 202
    assert notes(facts) == {("secrets", "b/package.json", "FileTooLarge")}


def test_each_gets_its_files_whoever_else_wants_them_and_however_many_sets_of_wishes_there_are():
    names = [f"name{n}" for n in range(20)]
    some = [Recorder(Wants(names=frozenset({name, names[0]}))) for name in names]
    every = Recorder(Wants(every=True, unless="left/out/"))
    builder = LayerBuilder()
    files = {f"{folder}/{name}": f"{folder}{name}".encode() * 9 for folder in ("a", "left/out", "b") for name in names}
    for path, content in files.items():
        builder.file(path, content)
    scan(builder.file("left/out/other", b"text").blob(), every, *some, limits=Limits(batch_bytes=400))
    assert every.files == {path: content for path, content in files.items() if not path.startswith("left")}
    for recorder in some:
        assert recorder.files == {p: c for p, c in files.items() if p.rpartition("/")[2] in recorder.wants.names}


def test_what_a_detector_leaves_out_is_not_noted_as_too_large():
    every = Recorder(Wants(every=True, unless="usr/share/doc/", max_bytes=10))
    built = LayerBuilder().file("usr/share/doc/changes", b"t" * 99).file("changes", b"t" * 99).blob()
    assert notes(scan(built, every)) == {("secrets", "changes", "FileTooLarge")}


def test_a_file_too_large_is_noted_unless_it_is_a_binary_that_nobody_named():
    every, named = Recorder(Wants(every=True, max_bytes=10)), Recorder(replace(PACKAGES, max_bytes=10), "packages")
    built = (
        LayerBuilder()
        .file("text", b"t" * 20_000)
        .file("binary", b"b" * 8000 + b"\0" * 12_000)
        .file("late", b"b" * 9000 + b"\0" * 12_000)
        .file("package.json", b"\0" * 20)
        .file("after", b"ok")
        .blob()
    )
    facts = scan(built, every, named)
    assert notes(facts) == {
        ("secrets", "text", "FileTooLarge"),
        ("secrets", "late", "FileTooLarge"),
        ("packages", "package.json", "FileTooLarge"),
    }
    assert every.files == {"after": b"ok"}
    assert named.files == {}


def test_a_hard_link_to_a_file_that_its_detector_does_not_read_is_noted():
    packages = Recorder(PACKAGES, "packages")
    built = (
        LayerBuilder()
        .file("store/123", b"{}")
        .hardlink("m/package.json", "store/123")
        .file("n/package.json", b"{}")
        .hardlink("o/package.json", "n/package.json")
        .blob()
    )
    assert notes(scan(built, packages)) == {("packages", "m/package.json", "HardLinkNotRead")}


WANTS = st.builds(
    Wants,
    names=st.frozensets(st.sampled_from(["a", "b.py", "c"])),
    suffixes=st.lists(st.sampled_from([".py", "/a", "b.py", "c"])).map(tuple),
    paths=st.frozensets(st.sampled_from(["a", "x/c", "x/a"])),
    globs=st.lists(st.sampled_from(["x/*.py", "*/a", "?"])).map(tuple),
    every=st.booleans(),
    unless=st.sampled_from(["", "x/", "^a|^x/y"]),
    executables=st.booleans(),
)


@given(
    st.lists(WANTS, max_size=4),
    st.sampled_from(["a", "x/a", "x/b.py", "c", "x/y/c", "xc", "z"]),
    st.sampled_from([0o644, 0o755]),
)
def test_one_look_says_what_each_matcher_would(wants, path, mode):
    expected = sum(1 << place for place, want in enumerate(wants) if want.matcher()(path, mode))
    assert classifier(wants)(path, mode) == expected


# --- whiteouts and names -------------------------------------------------------------------------


def test_whiteouts_of_aufs_are_ignored():
    built = (
        LayerBuilder()
        .dir(".wh..wh.plnk")
        .file(".wh..wh.plnk/12.3", "x")
        .file(".wh..wh.aufs", "")
        .file("d/.wh..wh.orph", "")
        .file("d/.wh.", "")
        .file("d/not.wh.x", "")
        .blob()
    )
    assert listing(built) == {"d/not.wh.x": "file"}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/..", "a/..", "./../x", ".wh...", "d/.wh..."])
def test_a_name_that_climbs_out(name):
    built = LayerBuilder().file("before", "x").file(name, "x").blob()
    with pytest.raises(PathEscapesRoot):
        scan(built)


def test_a_hard_link_that_climbs_out():
    with pytest.raises(PathEscapesRoot):
        scan(LayerBuilder().hardlink("a", "../../etc/passwd").blob())


def test_a_symlink_may_point_anywhere():
    built = LayerBuilder().symlink("a", "../../../etc/passwd").symlink("b", "/").blob()
    assert listing(built) == {"a": "symlink", "b": "symlink"}


@pytest.mark.parametrize("format", ["gnu", "pax"])
def test_a_name_too_long_is_noted_and_left_out(format):
    built = LayerBuilder(format).file("d/" + "x" * 5000, b"content").file("after", "y").blob()
    recorder = Recorder()
    facts = scan(built, recorder)
    assert facts.tables["entries"].column("path").to_pylist() == ["after"]
    assert recorder.files == {"after": b"y"}
    assert [row["code"] for row in facts.tables["notes"].to_pylist()] == ["PathTooLong"]


def test_two_entries_of_one_path_stand_in_their_order():
    built = LayerBuilder().file("b", "1").file("a", "x").dir("b").blob()
    assert [(r["path"], r["kind"], r["ordinal"]) for r in rows(built)] == [
        ("a", "file", 1),
        ("b", "file", 0),
        ("b", "dir", 2),
    ]


# --- the tar format ------------------------------------------------------------------------------


def header(name: bytes = b"x", size: bytes = b"00000000000\0", kind: bytes = b"0", **fields: bytes) -> bytes:
    """A ustar header made by hand, with a right checksum."""
    out = bytearray(512)
    places = {"mode": 100, "uid": 108, "gid": 116, "mtime": 136, "link": 157, "magic": 257, "prefix": 345}
    values = {"mode": b"0000644\0", "uid": b"0000000\0", "gid": b"0000000\0", "magic": b"ustar\x0000", **fields}
    out[: len(name)] = name
    out[124 : 124 + len(size)] = size
    out[156:157] = kind
    for field, value in values.items():
        out[places[field] : places[field] + len(value)] = value
    out[148:156] = b" " * 8
    out[148:156] = b"%06o\0 " % sum(out)
    return bytes(out)


def test_numbers_in_all_their_forms():
    forms = [
        b"00000000003\0",
        b"         3 \0",
        b"000000000003",
        b"3\0",
        b"\0" * 10 + b"3 ",
        b"\x80" + bytes(10) + b"\x03",
    ]
    builder = LayerBuilder()
    for n, form in enumerate(forms):
        builder.raw(header(b"f%d" % n, form.ljust(12, b"\0")) + b"abc" + bytes(509))
    builder.raw(header(b"uid", uid=b"\x80\0\0\0\x01\0\0\0", gid=b"\xff" * 8, mode=b"  100755"))
    recorder = Recorder()
    facts = scan(builder.blob(), recorder)
    assert recorder.files == {f"f{n}": b"abc" for n in range(len(forms))}
    last = facts.tables["entries"].to_pylist()[-1]
    assert (last["mode"], last["uid"], last["gid"]) == (0o755, 1 << 24, -1)


def test_a_prefix_is_part_of_the_name_in_ustar_only():
    built = (
        LayerBuilder()
        .raw(header(b"name", prefix=b"some/dir"))
        .raw(header(b"old", magic=b"ustar  \0", prefix=b"1234"))
        .blob()
    )
    assert listing(built) == {"some/dir/name": "file", "old": "file"}
    full = header(b"n" * 100, prefix=b"p" * 155)
    assert list(listing(LayerBuilder().raw(full).blob())) == ["p" * 155 + "/" + "n" * 100]


def test_directories_of_old_tars_end_with_a_slash():
    built = LayerBuilder().raw(header(b"d/", kind=b"\0", magic=bytes(8))).raw(header(b"e/", kind=b"0")).blob()
    assert listing(built) == {"d": "dir", "e": "dir"}


def test_signed_checksums_are_accepted():
    out = bytearray(header(b"n\xe9\xff"))
    signed = sum(b - 256 if b > 127 else b for b in out[:148] + out[156:]) + 256
    out[148:156] = b"%06o\0 " % signed
    assert listing(LayerBuilder().raw(bytes(out)).blob()) == {"n\\xe9\\xff": "file"}


def test_checksums_of_seven_digits_are_accepted():
    out = bytearray(header(b"seven"))
    total = sum(out[:148] + out[156:]) + 256
    out[148:156] = b"%07o\0" % total
    assert listing(LayerBuilder().raw(bytes(out)).blob()) == {"seven": "file"}


def test_a_wrong_checksum_names_the_place():
    damaged = bytearray(header(b"second"))
    damaged[0] ^= 1
    built = LayerBuilder().file("first", "x" * 600).raw(bytes(damaged)).blob()
    with pytest.raises(TarCorrupt, match="byte 1536"):
        scan(built)


def test_bytes_that_are_no_tar():
    with pytest.raises(TarCorrupt, match="not a tar"):
        scan(built_layer(b"<html>not found</html>" * 100))
    with pytest.raises((TarCorrupt, LayerTruncated)):
        scan(built_layer(b"<html>not found</html>"))


@pytest.mark.parametrize(
    "size", [b"-0000000001\0", b"0000000000x\0", b"\xff" * 12, b"\x80" + b"\xff" * 11, b"0x000000001\0"]
)
def test_a_size_that_is_none(size):
    with pytest.raises(TarCorrupt):
        scan(LayerBuilder().raw(header(b"f", size)).blob())


@pytest.mark.parametrize("keep", [512 + 100, 512 + 512, 700])
def test_a_tar_that_ends_inside_an_entry(keep):
    data = LayerBuilder().file("f", b"x" * 2000).tar()[:keep]
    for detectors in ((), (Recorder(),)):
        with pytest.raises(LayerTruncated):
            scan(built_layer(data), *detectors)


def test_a_tar_that_ends_inside_a_header():
    with pytest.raises(LayerTruncated):
        scan(built_layer(LayerBuilder().file("f", b"x").file("g", b"y").tar()[: 1024 + 300]))
    with pytest.raises(LayerTruncated):
        scan(built_layer(LayerBuilder().file("n" * 200, b"x").tar()[: 512 + 100]))


def test_a_tar_without_end_marker_or_last_padding():
    data = LayerBuilder().file("f", b"x" * 700).tar(end=False)
    assert listing(built_layer(data)) == {"f": "file"}
    assert listing(built_layer(data[: 512 + 700])) == {"f": "file"}


def test_an_empty_layer():
    for data in (b"", bytes(1024), bytes(10240), bytes(300)):
        assert listing(built_layer(data)) == {}


def test_an_entry_that_claims_more_than_there_is():
    built = LayerBuilder().raw(header(b"liar", b"00001000000\0")).file("x", "y").blob()
    with pytest.raises(LayerTruncated):
        scan(built, Recorder())


def test_tars_one_after_the_other():
    first, second = LayerBuilder().file("a", "1").tar(), LayerBuilder().file("b", "2").tar()
    recorder = Recorder()
    scan(built_layer(first + bytes(9000 // 512 * 512) + second + bytes(5120)), recorder)
    assert recorder.files == {"a": b"1", "b": b"2"}


def test_bytes_after_the_end_are_part_of_the_diff_id_and_nothing_else():
    assert listing(LayerBuilder().file("a", "1").raw(bytes(1024)).raw(b"trailing" * 1000).blob()) == {"a": "file"}


def test_pax_headers_win_and_global_ones_last():
    def pax(kind: bytes, **values: object) -> bytes:
        records = b""
        for key, value in values.items():
            body = b" %s=%s\n" % (key.replace("_", ".").encode(), str(value).encode())
            length = len(body) + 1
            while len(b"%d" % length) + len(body) != length:
                length += 1
            records += b"%d" % length + body
        return header(b"pax", b"%011o\0" % len(records), kind) + records + bytes(-len(records) % 512)

    data = (
        pax(b"g", uid=42)
        + pax(b"x", path="real/name", size=3, gid=7)
        + header(b"short")
        + b"abc"
        + bytes(509)
        + header(b"plain")
        + pax(b"x", linkpath="far/away", uid=1)
        + header(b"ln", kind=b"2", link=b"near")
    )
    recorder = Recorder()
    facts = scan(LayerBuilder().raw(data).blob(), recorder)
    assert recorder.files == {"real/name": b"abc"}
    found = {row["path"]: row for row in facts.tables["entries"].to_pylist()}
    assert (found["real/name"]["uid"], found["real/name"]["gid"]) == (42, 7)
    assert (found["plain"]["uid"], found["plain"]["gid"]) == (42, 0)
    assert (found["ln"]["uid"], found["ln"]["link_target"]) == (1, "far/away")


@pytest.mark.parametrize(
    "records",
    [b"99 path=x\n", b"x path=y\n", b"9 path=x ", b"9 path:x\n", b"11 path=a\0b\n", b"10 size=x\n", b"0 a=b\n"],
)
def test_a_damaged_pax_header(records):
    data = header(b"pax", b"%011o\0" % len(records), b"x") + records + bytes(-len(records) % 512) + header(b"f")
    with pytest.raises(TarCorrupt):
        scan(LayerBuilder().raw(data).blob())


def test_extended_headers_without_end():
    one = header(b"pax", b"00000000000\0", b"x")
    with pytest.raises(TarCorrupt, match="extended"):
        scan(LayerBuilder().raw(one * 20).blob())
    with pytest.raises(TarCorrupt, match="extended"):
        scan(LayerBuilder().raw(header(b"L", b"77777777777\0", b"L")).blob())


# --- limits --------------------------------------------------------------------------------------


def test_a_layer_of_200000_empty_entries_is_refused():
    template = bytearray(header(b"d/0000000"))
    base = sum(template[:148] + template[156:]) + 256
    parts = []
    for n in range(200_000):
        name = b"%07d" % n
        template[2:9] = name
        template[148:154] = b"%06o" % (base + sum(name) - 7 * 48)
        parts.append(bytes(template))
    with pytest.raises(TooManyEntries):
        scan(built_layer(b"".join(parts), "zstd"))


def test_entries_over_the_dense_bound_need_bytes():
    builder = LayerBuilder()
    rng = random.Random(9)
    for n in range(30):
        builder.file(str(n), rng.randbytes(1500))
    limits = Limits(dense_entries=10, max_entries=40)
    assert len(listing(builder.blob(), limits=limits)) == 30
    assert len(listing(replace(builder.blob(), size=-1), limits=limits)) == 30
    with pytest.raises(TooManyEntries):
        scan(builder.blob(), limits=Limits(dense_entries=10, max_entries=20))
    small = LayerBuilder()
    for n in range(30):
        small.file(str(n), "")
    for size in (None, -1):
        built = small.blob() if size is None else replace(small.blob(), size=size)
        with pytest.raises(TooManyEntries):
            scan(built, limits=limits)


def test_an_entry_too_large():
    built = LayerBuilder().file("big", b"x" * 2000).blob()
    with pytest.raises(EntryTooLarge):
        scan(built, limits=Limits(max_entry_bytes=1999))
    assert listing(built, limits=Limits(max_entry_bytes=2000)) == {"big": "file"}


# --- against other tars --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder with whatever a file system of an ordinary user can hold."""
    root = tmp_path_factory.mktemp("tree")
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "file").write_bytes(b"some content\n" * 1000)
    (root / "d" / "empty").touch()
    (root / "d" / "e" / "exec").write_text("#!/bin/sh\n")
    (root / "d" / "e" / "exec").chmod(0o755)
    (root / "link").symlink_to("d/file")
    (root / "up").symlink_to("../../etc")
    os.link(root / "d" / "file", root / "z-hard")
    os.mkfifo(root / "pipe")
    with (root / "d" / "sparse").open("wb") as file:
        file.seek(3_000_000)
        file.write(b"in the middle")
        file.seek(6_000_000)
        file.write(b"near the end")
        file.truncate(7_000_000)
    with (root / "d" / "holes").open("wb") as file:
        for n in range(60):
            file.seek(n * 100_000)
            file.write(b"%d" % n)
    return root


EXTRA = {
    "gnu": lambda root: (root / "d" / ("l" * 180)).write_text("long"),
    "posix": lambda root: (root / "d" / ("l" * 180)).write_text("long"),
}


@pytest.mark.parametrize(
    "options",
    [
        ["--format=ustar"],
        ["--format=gnu"],
        ["--format=posix"],
        ["--format=v7"],
        ["--format=oldgnu"],
        ["--format=gnu", "--sparse"],
        ["--format=posix", "--sparse", "--sparse-version=0.0"],
        ["--format=posix", "--sparse", "--sparse-version=0.1"],
        ["--format=posix", "--sparse", "--sparse-version=1.0"],
    ],
    ids=lambda options: "-".join(o.rpartition("=")[2].strip("-") for o in options),
)
def test_gnu_tar_in_every_format(tree, tmp_path, options):
    if (
        shutil.which("tar") is None
        or b"GNU tar" not in subprocess.run(["tar", "--version"], capture_output=True).stdout
    ):
        pytest.skip("GNU tar is absent")
    root = tmp_path / "copy"
    shutil.copytree(tree, root, symlinks=True, ignore=shutil.ignore_patterns("pipe", "z-hard", "sparse", "holes"))
    for name in ("sparse", "holes"):
        subprocess.run(["cp", "--sparse=always", tree / "d" / name, root / "d" / name], check=True)
    os.link(root / "d" / "file", root / "z-hard")
    if "v7" not in options[0]:
        os.mkfifo(root / "pipe")
    if "gnu" in options[0] or "posix" in options[0]:
        (root / "d" / ("l" * 180)).write_text("long")
        (root / "d" / "ünï").write_text("name")
        (root / "l2").symlink_to("t" * 150)
    made = subprocess.run(
        ["tar", "-C", root, "--sort=name", *options, "-cf", "-", "."], capture_output=True, check=True
    )
    data = made.stdout
    recorder = Recorder()
    facts = scan(built_layer(data), recorder)
    assert facts.tables["entries"].to_pylist() == without_root(as_tarfile_sees_it(data))
    verbose = subprocess.run(["tar", "--list", "-v", "-f", "-"], input=data, capture_output=True, check=True).stdout
    listed = [line for line in verbose.decode().splitlines() if not line.endswith(" ./")]
    assert len(listed) == len(facts.tables["entries"])
    sizes = {line.split()[5]: int(line.split()[2]) for line in listed if line.startswith("-")}
    ours = {"./" + r["path"]: r["size"] for r in facts.tables["entries"].to_pylist() if r["kind"] == "file"}
    assert {k: v for k, v in ours.items() if k in sizes} == {k: v for k, v in sizes.items() if k in ours}
    assert len(set(sizes) & set(ours)) >= 5
    for path, content in recorder.files.items():
        assert content == (root / path).read_bytes(), path
    expected = {
        str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and not p.is_symlink() and p.stat().st_size
    }
    first = {"z-hard"} if "z-hard" not in recorder.files else {"d/file"}  # one of the two is the hard link
    assert set(recorder.files) == expected - first


def test_holes_count_as_bytes_of_the_layer():
    sparse = header(b"hole", kind=b"S", size=b"00000000000\0")
    block = bytearray(sparse)
    block[483:495] = b"%011o\0" % (60 * MIB)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    recorder = Recorder()
    scan(LayerBuilder().raw(bytes(block)).blob(), recorder)
    assert recorder.files == {"hole": bytes(60 * MIB)}
    with pytest.raises(DecompressionBomb):
        scan(LayerBuilder().raw(bytes(block) * 20).blob("none"), Recorder(Wants(every=True, max_bytes=64 * MIB)))


@pytest.mark.parametrize("sparse_map", [b"0,10,5,3", b"0,600", b"0,3,x,4", b"0", b"9000000,3"])
def test_a_damaged_sparse_map(sparse_map):
    records = b""
    for key, value in (("GNU.sparse.size", b"1000"), ("GNU.sparse.map", sparse_map)):
        body = b" %s=%s\n" % (key.encode(), value)
        records += b"%d" % (len(body) + 2) + body
    data = header(b"pax", b"%011o\0" % len(records), b"x") + records + bytes(-len(records) % 512)
    with pytest.raises(TarCorrupt):
        scan(LayerBuilder().raw(data + header(b"f", b"%011o\0" % 512) + bytes(512)).blob(), Recorder())


@settings(max_examples=60)
@given(st.data())
def test_mutated_tars_raise_nothing_but_our_errors(data):
    base = bytearray(
        LayerBuilder("pax" if data.draw(st.booleans()) else "gnu")
        .dir("d")
        .file("d/" + "n" * 120, b"x" * 700)
        .hardlink("h", "d/x")
        .file("é" * 90, b"y")
        .symlink("s", "t" * 130)
        .whiteout("w")
        .tar()
    )
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(base) - 1))
        if data.draw(st.booleans()):
            base[place] = data.draw(st.integers(0, 255))
        else:
            del base[place : place + data.draw(st.integers(1, 700))]
            base = base or bytearray(1)
    if data.draw(st.booleans()):  # damage behind a right checksum goes deeper
        for start in range(0, len(base) - 511, 512):
            if base[start + 257 : start + 262] == b"ustar":
                base[start + 148 : start + 156] = b" " * 8
                base[start + 148 : start + 156] = b"%06o\0 " % sum(base[start : start + 512])
    began = time.process_time()
    with contextlib.suppress(GridError):
        scan(built_layer(bytes(base), "none"), Recorder(), Recorder(PACKAGES, "packages"))
    assert time.process_time() - began < 2


def test_of_an_executable_too_large_the_head_is_read_where_that_will_do():
    heads = Recorder(Wants(executables=True, names=frozenset({"list"}), max_bytes=100, head=True), "packages")
    every = Recorder(Wants(every=True, max_bytes=50))
    built = (
        LayerBuilder()
        .file("bin/large", b"\x7fELF" + b"\0" * 60 + b"v" * 100_000, mode=0o755)
        .file("bin/small", b"\x7fELF", mode=0o755)
        .file("list", b"x" * 101)
        .file("bin/after", b"ok", mode=0o755)
        .blob()
    )
    facts = scan(built, every, heads)
    assert heads.files == {
        "bin/large": b"\x7fELF" + b"\0" * 60 + b"v" * 36,
        "bin/small": b"\x7fELF",
        "bin/after": b"ok",
    }
    assert notes(facts) == {
        ("packages", "bin/large", "FileTooLarge"),
        ("packages", "list", "FileTooLarge"),
        ("secrets", "list", "FileTooLarge"),
    }
