"""Records of installed packages of Conda, R, Julia, Erlang and Elixir, Haskell and Lua."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.ecosystems import BY_NAME
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

CONDA = json.dumps(
    {
        "name": "openssl",
        "version": "1.1.1q",
        "build": "h7f8727e_0",
        "subdir": "linux-64",
        "license": "OpenSSL",
        "files": [],
    }
).encode()
R = b"""Package: dplyr
Version: 1.1.0
License: MIT + file LICENSE
Description: A grammar
    Version: 9
Built: R 4.2.2; ; 2023-02-01 12:00:00 UTC; unix
"""
JULIA = b'name = "JSON"\nuuid = "682c06a0-de6a-54ab-a142-c8b1cf79cde6"\nversion = "0.21.4"\n\n[compat]\nversion = "9"\n'
PLUG = b'%% made by mix\n{application,plug,\n [{modules,[a]},\n  {vsn,"1.14.0"}]}.\n'
SSL = b"""{application, ssl, [{description, "x"}, {vsn, "10.8.7"}]}."""
TEXT = b"name:                 text\nversion:\n    1.2.5.0\nvisibility: public\nlicense: BSD-2-Clause\n"
ROCK = b'rockspec_format = "3.0"\npackage = "luasocket"\nversion = "3.1.0-1"\n'

PUB = b"name: http\nversion: 1.2.0\ndescription: x\n"

RECORDS = {
    "pub": ("root/.pub-cache/hosted/pub.dev/http-1.2.0/pubspec.yaml", PUB),
    "conda": ("opt/conda/conda-meta/openssl-1.1.1q-h7f8727e_0.json", CONDA),
    "cran": ("usr/local/lib/R/site-library/dplyr/DESCRIPTION", R),
    "julia": ("root/.julia/packages/JSON/93Ea8/Project.toml", JULIA),
    "hex": ("app/lib/plug-1.14.0/ebin/plug.app", PLUG),
    "otp": ("usr/local/lib/erlang/lib/ssl-10.8.7/ebin/ssl.app", SSL),
    "hackage": ("var/lib/ghc/package.conf.d/text-1.2.5.0.conf", TEXT),
    "luarocks": ("usr/local/lib/luarocks/rocks-5.1/luasocket/3.1.0-1/luasocket-3.1.0-1.rockspec", ROCK),
}
EXPECTED = {
    "pub": Package("http", "1.2.0", purl="pkg:pub/http@1.2.0"),
    "conda": Package(
        "openssl",
        "1.1.1q",
        arch="linux-64",
        licenses=("OpenSSL",),
        purl="pkg:conda/openssl@1.1.1q?build=h7f8727e_0&subdir=linux-64",
    ),
    "cran": Package("dplyr", "1.1.0", licenses=("MIT + file LICENSE",), purl="pkg:cran/dplyr@1.1.0"),
    "julia": Package("JSON", "0.21.4", purl="pkg:julia/JSON@0.21.4?uuid=682c06a0-de6a-54ab-a142-c8b1cf79cde6"),
    "hex": Package("plug", "1.14.0", purl="pkg:hex/plug@1.14.0"),
    "otp": Package("ssl", "10.8.7", purl="pkg:otp/ssl@10.8.7"),
    "hackage": Package("text", "1.2.5.0", licenses=("BSD-2-Clause",), purl="pkg:hackage/text@1.2.5.0"),
    "luarocks": Package("luasocket", "3.1.0-1", purl="pkg:luarocks/luasocket@3.1.0-1"),
}


def read(name: str, content: bytes, path: str | None = None) -> list[Package | Note]:
    return list(BY_NAME[name].read(path or RECORDS[name][0], content, Limits()))


@pytest.mark.parametrize("name", RECORDS)
def test_the_installed_package_is_found(name: str) -> None:
    path, content = RECORDS[name]
    assert BY_NAME[name].wants.matcher()(path, 0o644)
    assert read(name, content) == [EXPECTED[name]]
    assert BY_NAME[name].key(EXPECTED[name].version)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("conda", "srv/conda-meta-x/openssl.json"),
        ("julia", "root/project/Project.toml"),
        ("julia", "root/.julia/environments/v1.9/Project.toml"),
        ("hex", "Applications/plug.app"),
        ("hackage", "etc/text.conf"),
        ("luarocks", "src/luasocket-3.1.0-1.rockspec"),
    ],
)
def test_files_elsewhere_are_no_installed_packages(name: str, path: str) -> None:
    assert read(name, RECORDS[name][1], path) == []


def test_what_comes_with_r_itself_needs_no_date_of_its_build() -> None:
    content = b"Package: translations\nVersion: 4.2.2\nLicense: Part of R 4.2.2\n"
    (package,) = read("cran", content)
    assert isinstance(package, Package) and (package.name, package.version) == ("translations", "4.2.2")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cran", R.replace(b"Built:", b"Packaged:")),  # a source tree
        ("cran", b"Something else\n"),
        ("conda", b"[]"),
        ("conda", b"{}"),
        ("julia", JULIA.replace(b'version = "0.21.4"\n', b"")),
        ("hex", b'{application, plug, [{vsn, "%VSN%"}]}.'),
        ("otp", PLUG),
        ("hackage", b""),
        ("hackage", b"name: z-attoparsec-z-internal\nversion: 0.14\n"),
    ],
)
def test_records_of_nothing_installed_are_nothing(name: str, content: bytes) -> None:
    assert read(name, content) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("conda", b"{"),
        ("conda", b'{"name": "x y", "version": "1"}'),
        ("cran", R.replace(b"1.1.0", b"one")),
        ("julia", JULIA.replace(b'"JSON"', b'"Other"')),
        ("hex", SSL),
        ("hackage", TEXT.replace(b"1.2.5.0", b"x")),
        ("luarocks", b"-- nothing"),
    ],
)
def test_damaged_records_are_noted(name: str, content: bytes) -> None:
    (note,) = read(name, content)
    assert isinstance(note, Note)
    assert (note.code, note.path) == ("Unparsable", RECORDS[name][0])


def test_parts_of_erlang_and_elixir_are_not_taken_for_packages_of_hex() -> None:
    assert read("hex", SSL, "lib/ssl-10.8.7/ebin/ssl.app") == []
    assert read("otp", PLUG, "lib/plug-1.14.0/ebin/plug.app") == []


@pytest.mark.parametrize("name", RECORDS)
def test_no_content_raises(name: str) -> None:
    content = RECORDS[name][1]

    @settings(max_examples=40)
    @given(st.binary(max_size=60), st.integers(0, len(content)), st.integers(0, 20))
    def check(rubbish: bytes, at: int, drop: int) -> None:
        for fact in read(name, content[:at] + rubbish + content[at + drop :]):
            assert isinstance(fact, Note) or (fact.name and fact.version)

    check()


@pytest.mark.parametrize("name", RECORDS)
def test_they_pass_the_exam_of_ecosystems(name: str) -> None:
    path, content = RECORDS[name]
    accept_ecosystem(BY_NAME[name], {path: content})
