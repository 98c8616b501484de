"""Named cases of what hides what, first those of claircore's whiteout list."""

from __future__ import annotations

from squash_tables import (
    Os,
    Owns,
    columns,
    directory,
    distro,
    exceptions,
    file,
    hardlink,
    hidden,
    opaque,
    run,
    symlink,
    whiteout,
    with_parents,
)

from grid.images.chains import chain_table

STATUS = "var/lib/dpkg/status"


def test_a_whiteout_hides_the_file_below() -> None:
    assert exceptions([file("etc/key", "secret")], [whiteout("etc/key")]) == [
        (1, 0, "etc/key", "hidden", "whiteout etc/key")
    ]


def test_a_whiteout_hides_a_whole_directory() -> None:
    assert hidden([file("app/a/package.json", "npm"), file("app/b", "secret")], [whiteout("app/a")]) == {
        (0, "app/a/package.json")
    }


def test_a_file_deleted_and_brought_back_is_hidden_only_in_its_first_layer() -> None:
    assert exceptions([file("k", "secret")], [whiteout("k")], [file("k", "secret")]) == [
        (1, 0, "k", "hidden", "whiteout k")
    ]


def test_a_file_brought_back_and_deleted_again_is_hidden_in_both_layers() -> None:
    assert exceptions([file("k", "secret")], [whiteout("k")], [file("k", "secret")], [whiteout("k")]) == [
        (1, 0, "k", "hidden", "whiteout k"),
        (3, 2, "k", "hidden", "whiteout k"),
    ]


def test_an_opaque_directory_hides_what_lower_layers_have_in_it() -> None:
    assert hidden(
        [file("app/a", "secret"), file("app/sub/b", "secret"), file("other", "secret")],
        [directory("app"), opaque("app"), file("app/c", "secret")],
    ) == {(0, "app/a"), (0, "app/sub/b")}


def test_an_opaque_root_hides_everything_below() -> None:
    assert hidden([file("a/b", "secret"), file("c", "secret")], [opaque("")]) == {(0, "a/b"), (0, "c")}


def test_names_that_only_begin_alike_are_not_hidden() -> None:
    lower = [file("foo/x", "secret"), file("foobar/x", "secret"), file("foo.d/x", "secret"), file("foo-bar", "secret")]
    assert hidden(lower, [whiteout("foo")]) == {(0, "foo/x")}
    assert hidden(lower, [directory("foo"), opaque("foo")]) == {(0, "foo/x")}
    assert hidden(lower, [file("foo")]) == {(0, "foo/x")}


def test_markers_do_not_touch_their_own_layer() -> None:
    assert hidden([file("a", "secret")], [whiteout("a"), file("a", "secret")]) == {(0, "a")}
    assert hidden([file("d/a", "secret")], [opaque("d"), file("d/b", "secret"), directory("d")]) == {(0, "d/a")}


def test_whiteout_and_opaque_marker_of_one_path() -> None:
    assert hidden([file("d", "secret")], [whiteout("d"), directory("d"), opaque("d")]) == {(0, "d")}


def test_a_whiteout_of_nothing_hides_nothing() -> None:
    assert exceptions([file("a/b", "secret")], [whiteout("a/c"), whiteout("b"), whiteout("a/b/c")]) == []


def test_a_file_over_a_directory_hides_all_in_it() -> None:
    assert exceptions([file("d/x/y", "secret")], [file("d")]) == [(1, 0, "d/x/y", "hidden", "file d")]


def test_a_directory_over_a_file_hides_it_and_over_a_directory_merges() -> None:
    assert exceptions([file("d", "secret")], [directory("d")]) == [(1, 0, "d", "hidden", "dir d")]
    assert exceptions([file("d/a", "secret")], [directory("d"), file("d/b", "secret")]) == []


def test_a_database_rewritten_counts_once_in_its_newest_layer() -> None:
    layer = with_parents([file(STATUS, "deb")])
    assert exceptions(layer, layer, layer) == [
        (1, 0, STATUS, "hidden", f"file {STATUS}"),
        (2, 1, STATUS, "hidden", f"file {STATUS}"),
    ]


def test_distroless_records_come_and_go_one_by_one() -> None:
    base = with_parents([file(f"var/lib/dpkg/status.d/{name}", "deb") for name in ("base", "libc6", "tzdata")])
    more = with_parents([file("var/lib/dpkg/status.d/libssl3", "deb")])
    less = with_parents([whiteout("var/lib/dpkg/status.d/tzdata")])
    assert hidden(base, more, less) == {(0, "var/lib/dpkg/status.d/tzdata")}


def test_a_link_over_a_database_hides_it() -> None:
    base = with_parents([file(STATUS, "deb")])
    for link in (symlink(STATUS, "../../../opt/status"), hardlink(STATUS, "opt/status")):
        assert exceptions(base, with_parents([link])) == [(1, 0, STATUS, "hidden", f"{link.kind} {STATUS}")]


def test_a_symlink_over_a_directory_hides_the_database_in_it() -> None:
    assert hidden(with_parents([file(STATUS, "deb")]), [symlink("var/lib/dpkg", "/usr/lib/dpkg")]) == {(0, STATUS)}


def test_an_apk_database_that_moves_leaves_its_old_place() -> None:
    old, new = "lib/apk/db/installed", "usr/lib/apk/db/installed"
    moved = with_parents([file(new, "apk"), symlink("lib", "usr/lib")])
    assert exceptions(with_parents([file(old, "apk")]), moved) == [(1, 0, old, "hidden", "symlink lib")]


MERGED = [directory("usr"), directory("usr/lib"), symlink("lib", "usr/lib")]


def test_a_layer_that_writes_through_a_symlinked_directory_rewrites_what_is_behind_it() -> None:
    base = [*MERGED, file("usr/lib/x.json", "npm")]
    assert exceptions(base, [file("lib/x.json", "npm")]) == [(1, 0, "usr/lib/x.json", "hidden", "file lib/x.json")]
    assert exceptions(base, [file("lib/x.json")]) == [(1, 0, "usr/lib/x.json", "hidden", "file lib/x.json")]
    assert exceptions(base, [whiteout("lib/x.json")]) == [(1, 0, "usr/lib/x.json", "hidden", "whiteout lib/x.json")]
    assert exceptions(base, [opaque("lib")]) == [(1, 0, "usr/lib/x.json", "hidden", "opaque lib")]


def test_what_was_written_through_a_symlink_is_hidden_at_its_real_place() -> None:
    base = [*MERGED, file("lib/x.json", "npm")]
    assert exceptions(base, with_parents([file("usr/lib/x.json")])) == [
        (1, 0, "lib/x.json", "hidden", "file usr/lib/x.json")
    ]


def test_a_directory_of_the_layers_own_replaces_the_symlink() -> None:
    base = [*MERGED, file("usr/lib/x.json", "npm")]
    assert exceptions(base, [directory("lib"), file("lib/x.json", "npm"), whiteout("lib/y")]) == []


def test_a_symlinked_directory_below_a_symlinked_directory() -> None:
    base = [*MERGED, symlink("usr/lib/node", "../share/node"), file("usr/share/node/a.json", "npm")]
    assert hidden(base, [file("lib/node/a.json")]) == {(0, "usr/share/node/a.json")}
    made = [directory("usr"), directory("usr/lib"), directory("usr/lib/node")]
    assert hidden(base, made, [file("lib/node/a.json")]) == set()


def test_absolute_targets_start_at_the_root_of_the_image_and_never_leave_it() -> None:
    for target in ("/srv/app", "//srv/./app/", "/../../srv/app", "../../../srv/app"):
        base = [file("srv/app/a", "secret"), symlink("app", target)]
        assert hidden(base, [file("app/a")]) == {(0, "srv/app/a")}, target


def test_symlinks_in_a_circle_are_taken_as_written() -> None:
    base = [symlink("a", "b"), symlink("b", "a"), symlink("c", "c/c"), file("d/x", "secret")]
    assert hidden(base, [whiteout("a/x"), file("c/x", "secret"), whiteout("d/x")]) == {(0, "d/x")}


def test_a_symlink_that_is_gone_is_not_followed() -> None:
    base = [symlink("l", "d"), file("d/x", "secret")]
    assert hidden(base, [file("l/x")]) == {(0, "d/x")}
    assert hidden(base, [whiteout("l")], [file("l/x")]) == set()
    assert hidden(base, [whiteout("l"), file("l/x")]) == set()
    assert hidden(base, [symlink("l", "e")], [file("l/x")]) == set()


def test_a_symlink_of_the_same_layer_is_followed() -> None:
    assert hidden([file("d/x", "secret")], [symlink("l", "d"), file("l/x")]) == {(0, "d/x")}


# --- distributions -------------------------------------------------------------------------------


def test_os_release_through_its_usual_symlink() -> None:
    release = file("usr/lib/os-release", Os("debian", "12"))
    base = with_parents([symlink("etc/os-release", "../usr/lib/os-release"), release])
    assert distro(base) == ("debian", "12", "Debian:12")
    assert distro(base, with_parents([file("app", "secret")])) == ("debian", "12", "Debian:12")


def test_the_distribution_is_that_of_the_merged_view() -> None:
    old, new = (with_parents([file("usr/lib/os-release", Os("debian", v))]) for v in ("11", "12"))
    assert distro(old, new) == ("debian", "12", "Debian:12")
    assert distro(old, [whiteout("usr/lib/os-release")]) == (None, None, None)
    own = with_parents([file("etc/os-release", Os("acme", "1"))])
    assert distro(own, new) == ("acme", "1", "Acme:1")


def test_fall_backs_speak_only_without_os_release() -> None:
    version = with_parents([file("etc/debian_version", Os("debian", "12.5"))])
    assert distro(version) == ("debian", "12.5", "Debian:12.5")
    assert distro(version, with_parents([file("etc/os-release", Os("ubuntu", "24.04"))])) == (
        "ubuntu", "24.04", "Ubuntu:24.04",
    )  # fmt: skip


def test_debian_testing_goes_by_its_codename() -> None:
    release = file("etc/os-release", Os("debian"))
    version = file("etc/debian_version", Os("debian", None, "trixie/sid"))
    assert distro([release, version]) == ("debian", "trixie", "Debian:trixie")
    assert distro([release]) == ("debian", None, None)


def test_apk_repositories_make_an_alpine_edge() -> None:
    base = [file("etc/os-release", Os("alpine", "3.20.3"))]
    edge = [file("etc/apk/repositories", Os("alpine", "edge"))]
    assert distro(base, edge) == ("alpine", "edge", "Alpine:edge")
    assert distro(edge) == (None, None, None)
    assert distro(base, edge, [file("etc/apk/repositories")]) == ("alpine", "3.20.3", "Alpine:3.20.3")


# --- owned files ---------------------------------------------------------------------------------

RECORD = "var/lib/dpkg/info/python3-yaml.list"
METADATA = "usr/lib/python3/dist-packages/PyYAML.egg-info/PKG-INFO"


def test_a_python_package_of_an_os_package_is_owned() -> None:
    layer = with_parents([file(RECORD, Owns(METADATA, "python3-yaml")), file(METADATA, "pypi")])
    assert exceptions(layer) == [(0, 0, METADATA, "owned", "python3-yaml")]
    record, metadata = ([e] for e in layer if e.kind == "file")
    for order in ((record, metadata), (metadata, record)) if record[0].holds else ():
        found = exceptions(*order)
        assert [(row[0], row[2:]) for row in found] == [(1, (METADATA, "owned", "python3-yaml"))]


def test_owned_paths_are_folded_by_merged_usr() -> None:
    listed = METADATA.removeprefix("usr/")
    record = file(RECORD, Owns(listed, "python3-yaml"))
    package = with_parents([file(METADATA, "pypi")])
    assert exceptions(with_parents(MERGED), package, [record]) == [(2, 1, METADATA, "owned", "python3-yaml")]
    assert exceptions(package, [record]) == []


def test_a_python_package_beside_those_of_the_os_is_not_owned() -> None:
    other = METADATA.replace("usr/lib/python3", "usr/local/lib/python3.11")
    assert exceptions([file(RECORD, Owns(METADATA, "python3-yaml")), file(other, "pypi")]) == []


def test_only_language_packages_are_owned() -> None:
    assert exceptions([file("r", Owns("a", "x"), "deb"), file("a", "secret", "deb")]) == []


def test_a_record_that_is_gone_owns_nothing_more() -> None:
    layer = [file(RECORD, Owns(METADATA, "python3-yaml")), file(METADATA, "pypi")]
    owned = (0, 0, METADATA, "owned", "python3-yaml")
    gone = (1, 0, METADATA, "unowned", "its OS package's record is gone")
    assert exceptions(layer, [whiteout("var/lib/dpkg")]) == [owned, gone]
    hidden_too = (1, 0, METADATA, "hidden", f"whiteout {METADATA}")
    assert exceptions(layer, [whiteout("var/lib/dpkg"), whiteout(METADATA)]) == [owned, hidden_too]
    assert exceptions([layer[0]], [whiteout(RECORD)], [layer[1]]) == []


def test_a_database_rewritten_goes_on_owning_what_it_lists() -> None:
    database = "lib/apk/db/installed"
    base = [file(database, "apk", Owns("usr/lib/python3/a", "py3-a"), Owns("usr/lib/python3/b", "py3-b"))]
    base += [file("usr/lib/python3/a", "pypi"), file("usr/lib/python3/b", "pypi")]
    upper = [file(database, "apk", Owns("usr/lib/python3/a", "py3-a"))]
    found = [row for row in exceptions(base, upper) if row[0] == 1]
    assert found == [
        (1, 0, database, "hidden", f"file {database}"),
        (1, 0, "usr/lib/python3/b", "unowned", "its OS package's record is gone"),
    ]


def test_a_second_owner_keeps_owning() -> None:
    base = [file("one", Owns("m", "first")), file("two", Owns("m", "second")), file("m", "pypi")]
    assert [row[2:4] for row in exceptions(base, [whiteout("one")], [whiteout("two")])] == [
        ("m", "owned"), ("m", "unowned"),
    ]  # fmt: skip


def test_a_layer_that_comes_twice_is_whole_again() -> None:
    layers = {"twice": [file("j", "secret"), file("k", "secret")], "k": [whiteout("k")], "j": [whiteout("j")]}
    chains = chain_table([["twice", "k", "twice", "j", "k"]])
    depths = dict(zip(chains["chain_id"].to_pylist(), chains["depth"].to_pylist(), strict=True))
    rows = run(chains, columns(layers)).hidden.to_pylist()
    assert sorted((depths[row["chain_id"]], row["path"]) for row in rows) == [(2, "k"), (4, "j"), (5, "k")]


def test_a_layer_that_lies_in_what_was_a_file_makes_it_a_directory() -> None:
    assert exceptions([file("a", "secret")], [file("a/x")]) == [(1, 0, "a", "hidden", "dir a")]


def test_forty_links_are_followed_and_no_more() -> None:
    def behind(links: int) -> set[tuple[int, str]]:
        chain = [symlink(f"l{n}", f"l{n + 1}") for n in range(links - 1)] + [symlink(f"l{links - 1}", "d")]
        return hidden([*chain, file("d/x", "secret")], [file("l0/x")])

    assert behind(40) == {(0, "d/x")}
    assert behind(41) == set()
