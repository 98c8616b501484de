"""package.json, where npm and its kin install packages."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from grid.ecosystems.npm import ECOSYSTEM, MAX_BYTES
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem

LODASH = "app/node_modules/lodash/package.json"


def read(content: bytes, path: str = LODASH) -> list[Package | Note]:
    return list(ECOSYSTEM.read(path, content, Limits()))


def record(**fields: object) -> bytes:
    return json.dumps({"name": "lodash", "version": "4.17.20", **fields}).encode()


@pytest.mark.parametrize(
    "path",
    [
        LODASH,
        "node_modules/lodash/package.json",
        "usr/local/lib/node_modules/npm/node_modules/@npmcli/arborist/package.json",
        "app/node_modules/.pnpm/lodash@4.17.20/node_modules/lodash/package.json",
        "app/.yarn/unplugged/lodash-npm-4/node_modules/lodash/package.json",
        "app/node_modules/next/dist/compiled/lodash/package.json",
        "usr/share/nodejs/lodash/package.json",
        "opt/yarn-v1.22.19/package.json",
        "root/.cache/node/corepack/v1/pnpm/9.1.0/package.json",
        "home/bun/.bun/install/cache/lodash@4.17.20@@@1/package.json",
        "deno-dir/npm/registry.npmjs.org/lodash/4.17.20/package.json",
    ],
)
def test_installed_packages_are_found_wherever_installers_put_them(path: str) -> None:
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    assert read(record(), path) == [Package("lodash", "4.17.20", purl="pkg:npm/lodash@4.17.20")]


@pytest.mark.parametrize("path", ["app/package.json", "package.json", "srv/my_node_modules/x/package.json"])
def test_a_projects_own_manifest_is_no_installed_package(path: str) -> None:
    assert read(record(), path) == []


@pytest.mark.parametrize(
    "path", ["srv/static/lodash/package.json", "usr/lib/python3/site-packages/x/lodash/package.json"]
)
def test_a_published_package_counts_wherever_it_was_copied(path: str) -> None:
    assert [p.name for p in read(record(repository="lodash/lodash"), path) if isinstance(p, Package)] == ["lodash"]
    assert [p.name for p in read(record(_id="lodash@4.17.20"), path) if isinstance(p, Package)] == ["lodash"]
    assert read(record(homepage="https://lodash.com", private=True), path) == []
    assert read(b"{{ template }}", path) == []
    assert read(record(name="<%= name %>", homepage="https://lodash.com"), path) == []


def test_scoped_names_become_the_namespace_of_the_purl() -> None:
    (package,) = read(record(name="@babel/core"))
    assert isinstance(package, Package)
    assert (package.name, package.purl) == ("@babel/core", "pkg:npm/%40babel/core@4.17.20")


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b'"x"',
        b"null",
        record(version=1),
        record(name=["a"]),
        record(name=""),
        record(version=""),
        record(version=None),
        b'{"type": "module"}',
        b'{"name": "no-version"}',
    ],
)
def test_a_manifest_without_a_name_and_version_of_text_is_nothing(content: bytes) -> None:
    assert read(content) == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "Unparsable"),
        (b"", "Unparsable"),
        (b"[" * 1_000_000, "Unparsable"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "Unparsable"),
        (record(name="a b"), "Unparsable"),
        (record(name="%name%"), "Unparsable"),
        (record(name="../../etc/passwd"), "Unparsable"),
        (record(version="1 || 2"), "Unparsable"),
        (b'{"name": "a", "version": "1", "pad": "' + b"x" * (50 << 20) + b'"}', "FileTooLarge"),
    ],
    ids=["cut", "empty", "deep list", "deep object", "blank", "template", "path", "range", "50 MB"],
)
def test_what_cannot_be_read_is_one_note(content: bytes, code: str) -> None:
    (note,) = read(content)
    assert isinstance(note, Note)
    assert (note.code, note.path) == (code, LODASH)


@pytest.mark.parametrize(
    ("fields", "licenses"),
    [
        ({"license": "MIT"}, ("MIT",)),
        ({"license": {"type": "ISC", "url": "x"}}, ("ISC",)),
        ({"licenses": [{"type": "MIT"}, {"type": "GPL"}, "BSD"]}, ("MIT", "GPL", "BSD")),
        ({"license": ["MIT", 1, None, {}]}, ("MIT",)),
        ({"license": None}, ()),
        ({"license": 3}, ()),
    ],
)
def test_licences_in_all_the_forms_npm_ever_had(fields: dict[str, object], licenses: tuple[str, ...]) -> None:
    (package,) = read(record(**fields))
    assert isinstance(package, Package)
    assert package.licenses == licenses


def test_a_byte_order_mark_is_no_harm_and_too_large_is_not_asked_for() -> None:
    assert len(read(b"\xef\xbb\xbf" + record())) == 1
    (note,) = read(b" " * (MAX_BYTES + 1))
    assert isinstance(note, Note) and note.code == "FileTooLarge"


@pytest.mark.parametrize("place", ["srv/.yarn/cache", ".yarn/cache", "root/.yarn/berry/cache"])
def test_packages_that_plug_n_play_loads_from_archives_are_installed(place: str) -> None:
    path, out = f"{place}/@babel-core-npm-7.24.0-0123456789-10.zip", io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("node_modules/@babel/core/package.json", record(name="@babel/core"))
        archive.writestr("node_modules/@babel/core/lib/package.json", b'{"type": "module"}')
        archive.writestr("node_modules/@babel/core/lib/index.js", b"x")
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    assert not ECOSYSTEM.wants.matcher()("srv/cache/a.zip", 0o644)
    assert [(p.name, p.version) for p in read(out.getvalue(), path) if isinstance(p, Package)] == [
        ("@babel/core", "4.17.20")
    ]
    (note,) = read(out.getvalue()[:-30], path)
    assert isinstance(note, Note) and (note.code, note.path) == ("Unparsable", path)


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {
            LODASH: record(license="MIT"),
            "app/node_modules/@a/b/package.json": record(name="@a/b", version="v1.0.0-rc.1"),
        },
        orders=["1.0.0-rc.1 < 1.0.0", "1.0.0 = v1.0", "1.10.0 > 1.9.9", "1.0.0+a = 1.0.0+b", "1.0.0-a < 1.0.0-a.1"],
        refused=["", "latest", "1.x"],
        namespaces={Distro("alpine", "3.10"): "npm"},
    )
