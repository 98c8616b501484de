"""Packages of PEAR and PECL, WordPress plugins and themes, and Portage's database."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ecosystems import BY_NAME
from grid.model import Limits, Note, OwnedFile, Package
from grid.testing import accept_ecosystem

PEAR, WORDPRESS, EBUILD = (BY_NAME[name] for name in ("pear", "wordpress", "ebuild"))
XDEBUG = "usr/local/lib/php/.registry/.channel.pecl.php.net/xdebug.reg"
AKISMET = "var/www/html/wp-content/plugins/akismet/akismet.php"
CURL = "var/db/pkg/net-misc/curl-8.9.1-r2/CONTENTS"
HEADER = (
    b"<?php\n/**\n * @package Akismet\n */\n/*\nPlugin Name: Akismet Anti-Spam\nVersion: 5.0.2\nLicense: GPLv2\n*/\n"
)
CONTENTS = b"""dir /usr/bin
obj /usr/bin/curl 0123456789abcdef0123456789abcdef 1700000000
obj /usr/share/a b.txt 0123456789abcdef0123456789abcdef 1700000000
sym /usr/lib64/libcurl.so -> libcurl.so.4.8.0 1700000000
"""


def php(value: object) -> bytes:
    """What PHP's ``serialize`` makes of texts, numbers, nothing and arrays."""
    if isinstance(value, dict):
        return b"a:%d:{%s}" % (len(value), b"".join(php(k) + php(v) for k, v in value.items()))
    if isinstance(value, str):
        return b's:%d:"%s";' % (len(value.encode()), value.encode())
    return b"N;" if value is None else b"i:%d;" % value if isinstance(value, int) else b""


RECORD = {
    "attribs": {"version": "2.0", "name": "not this"},
    "name": "xdebug",
    "channel": "pecl.php.net",
    "date": None,
    "lead": {"name": "Derick \"}\" Rethans", "user": "derick"},
    "version": {"release": "3.1.6", "api": "3.1.5"},
    "filelist": {"a.c": {"name": "xdebug-9.9/a.c", "size": 12}},
    "changelog": {"release": {0: {"version": {"release": "2.0.0", "api": "2.0"}}}},
}  # fmt: skip


def read(ecosystem: object, path: str, content: bytes) -> list[Package | Note]:
    return list(ecosystem.read(path, content, Limits()))  # type: ignore[attr-defined]


def test_an_extension_that_pecl_installed_is_found() -> None:
    assert PEAR.wants.matcher()(XDEBUG, 0o644)
    found = [Package("xdebug", "3.1.6", purl="pkg:pear/pecl.php.net/xdebug@3.1.6")]
    assert read(PEAR, XDEBUG, php(RECORD)) == found


def test_a_record_of_pear_as_it_was_before_channels() -> None:
    old = php({"filelist": {}, "name": "DB", "version": "1.7.6"})
    assert read(PEAR, "usr/share/php/.registry/db.reg", old) == [
        Package("DB", "1.7.6", purl="pkg:pear/pear.php.net/DB@1.7.6")
    ]


def test_what_lies_outside_the_registry_is_no_package_of_pear() -> None:
    assert read(PEAR, "usr/share/php/.channels/pecl.php.net.reg", php(RECORD)) == []
    assert read(PEAR, "windows/tweaks.reg", b"REGEDIT4") == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"}", b"nothing", php(RECORD)[:-40], b'a:1:{s:9:"name";', php({"name": "x"}), b"a:1:{" * 1000,
        php({"name": "a b", "version": "1"}), php("text"),
    ],
)  # fmt: skip
def test_a_damaged_record_of_pear_is_one_note(content: bytes) -> None:
    (note,) = read(PEAR, XDEBUG, content)
    assert isinstance(note, Note) and note.code == "Unparsable"


def test_a_plugin_is_the_folder_whose_file_has_the_header() -> None:
    assert WORDPRESS.wants.matcher()(AKISMET, 0o644)
    found = [Package("akismet", "5.0.2", purl="pkg:wordpress-plugin/akismet@5.0.2")]
    assert read(WORDPRESS, AKISMET, HEADER) == found
    assert read(WORDPRESS, AKISMET, HEADER.replace(b"\n", b"\r\n")) == found
    assert read(WORDPRESS, AKISMET.replace("akismet.php", "class.php"), b"<?php\nVersion: 3\n") == []
    assert read(WORDPRESS, AKISMET.replace("/akismet.php", "/views/deep.php"), HEADER) == []


def test_a_theme_says_it_in_its_style_sheet() -> None:
    path = "srv/wp-content/themes/twentytwenty/style.css"
    assert WORDPRESS.wants.matcher()(path, 0o644)
    style = b"/*\nTheme Name: Twenty Twenty\nText Domain: twentytwenty\nVersion: 2.1\n*/\nbody {}\n"
    assert read(WORDPRESS, path, style) == [Package("twentytwenty", "2.1", purl="pkg:wordpress-theme/twentytwenty@2.1")]


def test_a_plugin_without_a_version_is_noted() -> None:
    (note,) = read(WORDPRESS, AKISMET, b"<?php /* Plugin Name: Mine */")
    assert isinstance(note, Note)


@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [
        ("net-misc/curl-8.9.1-r2", "net-misc/curl", "8.9.1-r2"),
        ("sys-libs/glibc-2.39_p20240101", "sys-libs/glibc", "2.39_p20240101"),
        ("dev-libs/libsigc++-2.12.1", "dev-libs/libsigc++", "2.12.1"),
        ("media-libs/gst-plugins-base-1.0", "media-libs/gst-plugins-base", "1.0"),
        ("app-text/docbook-xml-dtd-4.5-r2", "app-text/docbook-xml-dtd", "4.5-r2"),
        ("virtual/jdk-17", "virtual/jdk", "17"),
        ("dev-lang/x-1.0b_rc2", "dev-lang/x", "1.0b_rc2"),
    ],
)
def test_a_folder_of_portage_is_a_package(folder: str, name: str, version: str) -> None:
    assert EBUILD.wants.matcher()(f"var/db/pkg/{folder}/CONTENTS", 0o644)
    assert read(EBUILD, f"var/db/pkg/{folder}/CONTENTS", CONTENTS) == [
        Package(name, version, purl=f"pkg:ebuild/{name.replace('++', '%2B%2B')}@{version}")
    ]


def test_what_portage_is_about_to_install_is_not_there_yet() -> None:
    assert read(EBUILD, "var/db/pkg/net-misc/-MERGING-curl-8.9.1/CONTENTS", CONTENTS) == []
    assert read(EBUILD, "srv/var/db/pkg/net-misc/curl-8.9.1/CONTENTS", CONTENTS) == []
    assert isinstance(read(EBUILD, "var/db/pkg/net-misc/curl/CONTENTS", CONTENTS)[0], Note)


def test_portage_lists_what_a_package_owns() -> None:
    assert EBUILD.owned is not None
    owned = [fact for fact in EBUILD.owned(CURL, CONTENTS, Limits()) if isinstance(fact, OwnedFile)]
    assert [file.path for file in owned] == ["usr/bin/curl", "usr/share/a b.txt", "usr/lib64/libcurl.so"]
    assert {file.owner for file in owned} == {"net-misc/curl"}


@pytest.mark.parametrize(("name", "path"), [("pear", XDEBUG), ("wordpress", AKISMET), ("ebuild", CURL)])
@settings(max_examples=100)
@given(content=st.binary(max_size=300))
def test_no_content_raises(name: str, path: str, content: bytes) -> None:
    list(BY_NAME[name].read(path, content, Limits()))


@pytest.mark.parametrize(
    ("name", "record", "orders"),
    [
        ("pear", {XDEBUG: php(RECORD)}, ["3.0.0RC1 < 3.0.0", "3.1.5 < 3.1.6"]),
        ("wordpress", {AKISMET: HEADER}, ["5.0.2 < 5.1"]),
        ("ebuild", {CURL: CONTENTS}, ["1.2.3-r1 < 1.2.3-r2", "1 < 1_p0", "1_p0 < 1_p1", "1_rc1 < 1"]),
    ],
)
def test_they_pass_the_exam_of_ecosystems(name: str, record: dict[str, bytes], orders: list[str]) -> None:
    accept_ecosystem(BY_NAME[name], record, orders=orders)
