"""Which differences between lists of packages have a reason, and in what form three scanners' answers are compared.

The peers themselves run in ``bench`` only.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest

from bench import answers, gather, reasons
from bench.answers import Found, by_url, named, outermost
from bench.models.inventories import differences
from grid.testing.assemblies import assembly

README = Path(__file__).parents[2] / "grid" / "ecosystems" / "README.md"
LODASH = Found("npm", "lodash", "4.17.21", "srv/node_modules/lodash/package.json")


def why(
    ours: list[Found], theirs: list[Found], peer: str = "syft", files: dict[str, bytes] | None = None
) -> list[str | None]:
    return [name for _, name in differences(frozenset(ours), frozenset(theirs), peer, contents=files)]


def zipped(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_what_only_they_find_where_installers_put_things_is_unexplained() -> None:
    assert why([], [LODASH]) == [None]
    assert why([], [Found("pypi", "django", "4.2", "site-packages/Django-4.2.dist-info/METADATA")]) == [None]
    assert why([], [Found("deb", "curl", "7.88-1", "")]) == [None]
    assert why([], [Found("gem", "rack", "2.2", "specifications/rack-2.2.gemspec")], "trivy") == [None]
    assert why([], [Found("golang", "example.com/x", "v1.0.0", "usr/bin/x")]) == [None]
    assert why([], [Found("maven", "g:a", "1.0", "srv/a.jar")]) == [None]
    assert why([], [Found("nuget", "some.library", "4.5.6", "app/Some.Library.dll")]) == [None]
    assert why([], [Found("cran", "MASS", "7.3-58", "usr/lib/R/library/MASS/DESCRIPTION")]) == [None]
    assert why([], [Found("composer", "a/b", "1.0", "srv/vendor/composer/installed.json")]) == [None]


def test_extensions_of_an_editor_are_no_packages_of_npm_and_some_kinds_only_we_read() -> None:
    path = "root/.vscode/extensions/ms-python.python-2023.25.0/package.json"
    ours, theirs = Found("vscode-extension", "ms-python.python", "2023.25.0", path), LODASH._replace(path=path)
    taken = theirs._replace(name="python", version="2023.25.0")
    assert why([ours], [taken]) == why([ours], [taken], "trivy") == ["of another kind"] * 2
    assert why([ours], [taken._replace(version="1")])[1:] == [None]
    cache = "root/.conan2/p/cache.sqlite3"
    unread = "kinds that it does not read"
    assert why([Found("conan", "zlib", "1.3.1", cache)], [], files={cache: b"zlib/1.3.1"}) == [unread]
    opam = "home/opam/.opam/5.2/.opam-switch/packages/cstruct.6.2.0/opam"
    assert why([Found("opam", "cstruct", "6.2.0", opam)], [], "trivy", files={opam: b""}) == [unread]
    assert why([Found("opam", "cstruct", "6.2.0", opam)], [], files={opam: b""}) == [None]


LOCK = json.dumps({
    "name": "shop", "version": "1.0.0",
    "packages": {
        "": {"name": "shop", "version": "1.0.0"},
        "node_modules/jest": {"version": "29.0.0", "dev": True},
        "node_modules/lodash": {"version": "4.17.21"},
    },
}).encode()  # fmt: skip
PART = b'{"name": "%s", "version": "1", "homepage": "h"}'
POM = b"""<project xmlns="http://maven.apache.org/POM/4.0.0"><groupId>g</groupId><artifactId>app</artifactId><version>1</version>
<properties><v>4.12</v></properties><dependencies>
<dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>${v}</version><scope>test</scope></dependency>
<dependency><groupId>g</groupId><artifactId>a</artifactId><version>${v}</version></dependency>
</dependencies></project>"""
DEPS = json.dumps({
    "targets": {
        "net8.0": {
            "App/1.0.0": {"runtime": {"App.dll": {}}},
            "Empty/2.0.0": {},
            "Lib/3.0.0": {"runtime": {"l.dll": {}}},
        },
    },
    "libraries": {
        "App/1.0.0": {"type": "project"},
        "Empty/2.0.0": {"type": "package"},
        "Lib/3.0.0": {"type": "package"},
    },
}).encode()  # fmt: skip
BLACK = b'[[package]]\nname = "black"\nversion = "23.1"\n'
EXCLUDED = b'{"components": [{"name": "cc", "version": "1.9.0", "scope": "excluded"}]}'
OUT = "of a lock file, the project itself or for development"


@pytest.mark.parametrize(
    ("kind", "name", "version", "path", "content", "reason"),
    [
        ("npm", "shop", "1.0.0", "srv/package-lock.json", LOCK, OUT),
        ("npm", "jest", "29.0.0", "srv/package-lock.json", LOCK, OUT),
        ("npm", "lodash", "4.17.21", "srv/package-lock.json", LOCK, None),
        ("npm", "alias", "1.2.3", "srv/yarn.lock", b'"alias@npm:other@^1.0.0":\n  version: 1.2.3\n', OUT),
        ("npm", "other", "1.2.3", "srv/yarn.lock", b'"other@npm:^1.0.0":\n  version: 1.2.3\n', None),
        ("npm", "dev", "1.0.0", "srv/pnpm-lock.yaml", b"packages:\n  /dev@1.0.0:\n    dev: true\n", OUT),
        ("npm", "use", "1.0.0", "srv/pnpm-lock.yaml", b"packages:\n  /use@1.0.0:\n    engines: {}\n", None),
        ("pypi", "django", "4.2", "srv/requirements.txt", b"Django>=4.2\n", OUT),
        ("pypi", "django", "4.2", "srv/requirements.txt", b"Django[argon2]==4.2 ; python_version > '3'\n", None),
        ("pypi", "django", "4.2", "srv/requirements.txt", b"Django==4.2#no comment\n", OUT),
        ("pypi", "django", "4.2", "srv/requirements.txt", b"Django==4.2 # comment\n", None),
        ("pypi", "django", "4.2", "srv/test-requirements.txt", b"Django==4.2\n", OUT),
        ("pypi", "django", "4.2", "srv/ci-requirements.txt", b"Django==4.2\n", OUT),
        ("npm", "nikola", "0", "a/package-lock.json", b'{"packages": {"": {"name": "Nikola", "version": "0"}}}', OUT),
        ("cargo", "cc", "1.9.0", "x/a.cdx.json", EXCLUDED, "not part of the program, says the SBOM"),
        ("cargo", "cc", "1.9.0", "x/a.cdx.json", EXCLUDED.replace(b"excluded", b"required"), None),
        ("golang", "cmd/link", "(devel)", "x/link", b"path\tcmd/link\nbuild\t", "programs of Go without a module"),
        ("golang", "command-line-arguments", "(devel)", "x/a", b"path\tcommand-line-arguments\n",
         "programs of Go without a module"),
        ("golang", "command-line-arguments", "(devel)", "x/a", b"path\texample.com/a\n", None),
        ("pypi", "black", "23.1", "poetry.lock", BLACK + b'category = "dev"\n', OUT),
        ("pypi", "black", "23.1", "poetry.lock", BLACK, None),
        ("maven", "g:app", "1", "srv/pom.xml", POM, OUT),
        ("maven", "junit:junit", "4.12", "srv/pom.xml", POM, OUT),
        ("maven", "g:a", "4.12", "srv/pom.xml", POM, None),
        ("maven", "g:a", "(,1.0]", "srv/pom.xml", POM, OUT),
        ("maven", "g:a", "1.0", "gradle.lockfile", b"g:a:1.0=testCompileClasspath\n", OUT),
        ("maven", "g:a", "1.0", "gradle.lockfile", b"g:a:1.0=runtimeClasspath,testCompileClasspath\n", None),
        ("golang", "a.b/c", "v1.7.7", "srv/go.mod", b"require a.b/c v1.7\nreplace a.b/c v1.5 => a.b/c v1.7.7\n", OUT),
        ("golang", "a.b/c", "v1.7.7", "srv/go.mod", b"require a.b/c v1.5.0\nreplace a.b/c => a.b/c v1.7.7\n", None),
        ("gem", "own", "1.0", "Gemfile.lock", b"PATH\n  remote: .\n  specs:\n    own (1.0)\n\nGEM\n", OUT),
        ("gem", "rack", "1.0", "Gemfile.lock", b"GEM\n  specs:\n    rack (1.0)\n", None),
        ("cargo", "own", "0.1.0", "Cargo.lock", b'[[package]]\nname = "own"\nversion = "0.1.0"\n', OUT),
        ("cargo", "s", "1.0.0", "Cargo.lock", b'[[package]]\nname = "s"\nversion = "1.0.0"\nsource = "r"\n', None),
        ("pub", "m", "1.0", "pubspec.lock", b'packages:\n  m:\n    dependency: "direct dev"\n    version: "1"\n', OUT),
        ("pub", "m", "1.0", "pubspec.lock", b'packages:\n  m:\n    dependency: transitive\n    version: "1.0"\n', None),
        ("nuget", "app", "1.0.0", "app/App.deps.json", DEPS, "not deployed"),
        ("nuget", "empty", "2.0.0", "app/App.deps.json", DEPS, "not deployed"),
        ("nuget", "lib", "3.0.0", "app/App.deps.json", DEPS, None),
        ("nuget", "tool", "1.0.0", "app/t.exe", b"MZ".ljust(60, b"\0") + b"@\0\0\0PE\0\0".ljust(300, b"\0"),
         "assemblies one by one"),
        ("nuget", "mono cli", "4.0.0", "app/I18N.dll", assembly({"ProductName": "MONO CLI"}), "assemblies one by one"),
        ("nuget", "tool", "1.0.0", "app/Tool.dll", assembly({"InternalName": "Tool.dll"}), None),
        ("npm", "shop", "1", "srv/package.json", b'{"version": "1", "private": true}', "a project's own package.json"),
        ("npm", "x", "1.0.0", "srv/package.json", b'{"version": "1.0.0", "repository": "r"}', None),
        ("npm", "@a/b/c", "1", "srv/package.json", PART % b"@a/b/c", "parts of an npm package"),
        ("npm", "@a/b", "1", "srv/package.json", PART % b"@a/b", None),
        ("gem", "rack", "2.2", "srv/rack/rack.gemspec", b's.name = "rack"', "sources of gems and rocks"),
        ("luarocks", "x", "dev-1", "srv/x-dev-1.rockspec", b"", "sources of gems and rocks"),
        ("luarocks", "x", "1.0-1", "usr/lib/luarocks/rocks-5.1/x/1.0-1/x-1.0-1.rockspec", b"", None),
        ("npm", "x", "UNKNOWN", "srv/node_modules/x/package.json", b'{"name": "x"}', "no version"),
        ("npm", "%name%", "0.1.0", "srv/node_modules/x/package.json", b'{"name": "%name%"}', "no version"),
        ("npm", "x", "UNKNOWN", "srv/node_modules/x/package.json", b'{"name": "x", "version": "1"}', None),
        ("cran", "MASS", "7.3", "src/MASS/DESCRIPTION", b"Package: MASS\nVersion: 7.3\n", "sources of R packages"),
        ("cran", "MASS", "7.3", "lib/MASS/DESCRIPTION", b"Package: MASS\nVersion: 7.3\nBuilt: R 4.2\n", None),
    ],
)  # fmt: skip
def test_what_only_they_find_is_explained_by_what_the_file_says(
    kind: str, name: str, version: str, path: str, content: bytes, reason: str | None
) -> None:
    assert why([], [Found(kind, name, version, path)], files={path: content}) == [reason]


def test_a_package_in_a_jar_is_not_explained_by_another_of_the_same_version() -> None:
    api, core = (
        Found("maven", f"org.apache.logging.log4j:{name}", "2.17.1", "srv/app.jar") for name in ("api", "core")
    )
    jar = zipped({"META-INF/MANIFEST.MF": "Bundle-SymbolicName: com.example.app;singleton:=true\n"})
    assert why([api], [api, core], files={"srv/app.jar": jar}) == [None]
    bundle = Found("maven", "com.example.app:app", "2.17.1", "srv/app.jar")
    assert why([api], [api, bundle], files={"srv/app.jar": jar}) == ["coordinates of a jar"]
    last = bundle._replace(name="org.else:app")  # of the bundle's name, under a group that it does not have
    assert why([api], [api, last], files={"srv/app.jar": jar}) == ["coordinates of a jar"]
    assert why([api], [api, last._replace(name="org.else:other")], files={"srv/app.jar": jar}) == [None]
    mail = zipped({"META-INF/MANIFEST.MF": "Implementation-Vendor-Id: com.sun\n"})
    true = Found("maven", "com.sun.mail:jakarta.mail", "2.0.0", "srv/jakarta-mail.jar")
    vendor = true._replace(name="com.sun:mail")
    assert why([true], [true, vendor], files={true.path: mail}) == ["coordinates of a jar"]
    server = Found("maven", "org.openrefine:server", "3.9.5", "srv/openrefine-3.9.5-server.jar")
    stem = server._replace(name="openrefine:openrefine", version="3.9.5-server")
    assert why([server], [server, stem]) == ["coordinates of a jar"]
    assert why([server], [server, stem._replace(name="else:else")]) == [None]


def test_a_program_that_cannot_be_started_is_not_ours() -> None:
    one = Found("golang", "example.com/x", "v1.0.0", "srv/testdata/x")

    def told(found: Found, inert: frozenset[str]) -> list[str | None]:
        both = differences(frozenset(), frozenset({found}), "syft", None, {found.path: b"\x7fELF\2"}, inert)
        return [name for _, name in both]

    assert told(one, frozenset({one.path})) == ["programs without an execute bit"]
    library = one._replace(path="srv/lib/libx.so.1")
    assert told(one, frozenset()) == told(library, frozenset({library.path})) == [None]


def test_versions_of_go_with_a_build_or_a_packagers_revision_are_the_same() -> None:
    ours, theirs = (Found("golang", "stdlib", version, "usr/bin/x") for version in ("1.23", "go1.23-20240626-RC01"))
    assert why([ours], [theirs]) == ["written otherwise"] * 2
    assert why([ours], [theirs._replace(version="go1.24")]) == ["Go's toolchain", None]
    main = Found("golang", "github.com/docker/compose/cmd", "v2.40.3", "usr/bin/x")
    content = {main.path: b"path\tgithub.com/docker/compose/cmd\n"}
    assert why([main], [main._replace(version="v2.40.3-3")], files=content) == ["main modules of Go"] * 2
    assert why([main], [main._replace(version="v2.40.3-1+b11")], files=content) == ["main modules of Go"] * 2
    assert None in why([main], [main._replace(version="v2.40.4-3")], files=content)


def test_runtimes_and_kernels_are_known_by_two_kinds_of_versions() -> None:
    ours = Found("generic", "java", "8.0.504", "usr/lib/jvm/jre/bin/java")
    theirs = ours._replace(name="java/jre", version="1.8.0_504-8u504-ga-1-b01")
    assert why([ours], [theirs]) == ["Java runtimes"] * 2
    assert "Java runtimes" not in why([ours], [theirs._replace(version="1.8.0_503")])
    assert why([ours], [], "trivy", {ours.path: b"\x001.8.0_504-b01\0"}) == ["kinds that it does not read"]
    assert why([ours], [], "trivy", {ours.path: b"\x001.8.0_503-b01\0"}) == [None]
    kernel = Found("generic", "linux-kernel", "6.1.176", "boot/vmlinuz")
    release = kernel._replace(version="6.1.0-50-amd64")
    content = {kernel.path: b"6.1.0-50-amd64 (x) #1 SMP Debian 6.1.176-1"}
    assert why([kernel], [release], files=content) == ["written otherwise"] * 2
    assert None in why([kernel], [release._replace(version="6.1.0-49-amd64")], files=content)


def test_derbys_bundles_write_two_numbers_as_one() -> None:
    one = Found("maven", "org.apache.derby:derbyclient", "10.14.2.1", "usr/share/java/derbyclient.jar")
    told, other = (zipped({"META-INF/MANIFEST.MF": f"Bundle-Version: 10.14.{n}.1\n"}) for n in (2000001, 2000002))
    assert why([one], [], "trivy", {one.path: told}) == ["jars that it knows by their hash"]
    assert why([one], [], "trivy", {one.path: other}) == [None]


def test_what_a_constant_of_ruby_gives_is_no_version() -> None:
    path = "usr/share/rubygems-integration/all/specifications/colorbox.gemspec"
    assert why([], [Found("gem", "colorbox", "JqueryColorbox::VERSION", path)], "trivy") == ["no version"]


def test_the_note_of_a_program_is_not_read_by_trivy() -> None:
    maria = Found("deb", "mariadb", "1:11.8.9-1", "usr/bin/mariadb")
    note = {maria.path: b'\0{"type":"deb","os":"Debian","name":"mariadb","version":"1:11.8.9-1"}\0'}
    assert why([maria], [], "trivy", note) == ["package notes"]
    assert why([maria], [], "trivy", {maria.path: b""}) == [None]


def test_mysql_is_mariadb_where_the_program_says_so() -> None:
    maria = Found("generic", "mariadb", "10.11.19", "usr/bin/mariadb")
    both = [maria, maria._replace(name="mysql")]
    assert why([maria], both, files={maria.path: b"10.11.19-MariaDB"}) == ["written otherwise"]
    assert why([maria], both, files={maria.path: b"10.11.19"}) == [None]


def test_the_list_that_composer_1_wrote_is_read_by_us_and_syft_only() -> None:
    one = Found("composer", "psr/log", "1.1.0", "srv/vendor/composer/installed.json")
    record = [{"name": "psr/log", "version": "1.1.0"}]
    first, second = (json.dumps(told).encode() for told in (record, {"packages": record}))
    assert why([one], [], "trivy", {one.path: first}) == ["records of Composer 1"]
    assert why([one], [], "trivy", {one.path: second}) == why([one], [], "syft", {one.path: first}) == [None]


def test_a_component_of_an_sbom_without_a_package_url_is_no_package() -> None:
    assert why([], [Found("UnknownPackage", "jquery", "3.7.1", "srv/lib/foreign.cdx.json")]) == ["no packages"]
    assert why([], [Found("UnknownPackage", "jquery", "3.7.1", "srv/lib/jquery.js")]) == [None]


def test_what_only_we_find_is_explained_only_if_the_file_states_it() -> None:
    found = Found("pypi", "pip", "24.0", "wheels/pip-24.0-py3-none-any.whl")
    said = zipped({"pip-24.0.dist-info/METADATA": "Name: pip\nVersion: 24.0\n"})
    assert why([found], [], files={found.path: said}) == ["wheels that lie about"]
    plugged = Found("npm", "@a/b", "1.0.0", "srv/.yarn/cache/b.zip")
    said = zipped({"node_modules/@a/b/package.json": '{"name": "@a/b", "version": "1.0.0"}'})
    assert why([plugged], [], files={plugged.path: said}) == ["archives of Yarn"]
    assert why([plugged], [], files={plugged.path: zipped({"node_modules/@a/b/package.json": "{}"})}) == [None]
    within = Found("nuget", "newtonsoft.json", "13.0.3", "opt/app")
    told = b'{"libraries": {"Newtonsoft.Json/13.0.3": {"type": "package"}}}'
    assert why([within], [], files={"opt/app": b"\x7fELF" + told}) == ["assemblies that it does not read"]
    assert why([within], [], files={"opt/app": b"\x7fELF"}) == [None]
    other = found._replace(path="wheels/x.whl")
    assert why([other], [], files={other.path: zipped({"x.dist-info/METADATA": "Name: x\nVersion: 1\n"})}) == [None]
    serde = Found("cargo", "serde", "1.0.1", "Cargo.lock")
    assert why([serde], [], "trivy", files={"Cargo.lock": b'name = "serde"\nversion = "1.0.1"\n'}) != [None]
    assert why([serde], [], "trivy", files={"Cargo.lock": b'name = "serde"\nversion = "1.0.2"\n'}) == [None]


def test_what_only_we_find_of_kinds_that_they_read_is_unexplained() -> None:
    assert why([LODASH], []) == [None]
    assert why([Found("rpm", "bash", "5.1-1", "")], [], "trivy") == [None]


def test_equal_lists_differ_in_nothing() -> None:
    assert why([LODASH], [LODASH]) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        (
            Found("golang", "stdlib", "1.22.1", "usr/bin/x"),
            Found("golang", "stdlib", "go1.22.1", "usr/bin/x"),
            "written otherwise",
        ),
        (
            Found("swift", "github.com/apple/swift-nio", "2.41.0", "Package.resolved"),
            Found("swift", "github.com/apple/swift-nio.git/swift-nio", "2.41.0", "Package.resolved"),
            "written otherwise",
        ),
        (
            Found("npm", "a", "1.16.3", "pnpm-lock.yaml"),
            Found("npm", "a", "1.16.3_debug@4.3.4", "pnpm-lock.yaml"),
            "written otherwise",
        ),
        (Found("hex", "plug", "1.0", "a/plug.app"), Found("otp", "plug", "1.0", "a/plug.app"), "written otherwise"),
        (Found("maven", "g:a", "1.0", "a.jar"), Found("maven", "a:a", "1.0", "a.jar"), "coordinates of a jar"),
    ],
)
def test_one_package_told_in_two_ways_has_the_same_reason_on_both_sides(ours: Found, theirs: Found, name: str) -> None:
    assert why([ours], [theirs]) == [name, name]


def test_a_removed_package_is_one_that_dpkg_calls_removed(tmp_path: Path) -> None:
    status = (
        b"Package: a\nStatus: deinstall ok config-files\n\nPackage: b\nStatus: install ok installed\n\nPackage: c\n"
    )
    layout = gather.layout(tmp_path / "image", [("var/lib/dpkg/status", status, 0o644)])
    assert gather.states(layout) == {"a": "deinstall ok config-files", "b": "install ok installed", "c": ""}
    found = frozenset({Found("deb", name, "1", "") for name in "abc"})
    told = {case.one.name: name for case, name in differences(frozenset(), found, "syft", gather.states(layout))}
    assert told == {"a": "not installed, says dpkg", "b": None, "c": "not installed, says dpkg"}


def test_a_main_module_is_told_by_its_package_or_its_module() -> None:
    module = Found("golang", "example.com/x", "v1.2.0", "usr/bin/x")
    package = Found("golang", "example.com/x/cmd/x", "(devel)", "usr/bin/x")
    other = Found("golang", "example.com/xy", "v1.0.0", "usr/bin/x")
    program = {
        "usr/bin/x": b"path\texample.com/x/cmd/x\nmod\texample.com/x\t(devel)\t\ndep\texample.com/xy\tv1.0.0\t\n"
    }
    assert why([module], [package], files=program) == ["main modules of Go", "main modules of Go"]
    assert why([module], [module, other], files=program) == [None]


def test_a_package_at_two_places_is_explained_if_the_one_file_says_so() -> None:
    lock = LODASH._replace(path="srv/x/package-lock.json")
    files = {lock.path: LOCK, LODASH.path: b'{"name": "lodash", "version": "4.17.21"}'}
    assert why([LODASH, lock], [LODASH], files=files) == ["at another place"]
    assert why([LODASH], [LODASH, lock], files=files) == [None]
    assert why([LODASH], [LODASH._replace(path="Node.js")], "trivy", files=files) == ["at another place"] * 2


def test_names_and_versions_of_the_three_are_brought_into_one_form() -> None:
    assert by_url("pkg:npm/%40scope/x@1.0", "/srv/x") == Found("npm", "@scope/x", "1.0", "srv/x")
    assert by_url("pkg:maven/g/a@1.0", "a.jar") == Found("maven", "g:a", "1.0", "a.jar")
    assert by_url("pkg:rpm/fedora/bash@5.1-1?epoch=2", "var/lib/rpm") == Found("rpm", "bash", "2:5.1-1", "")
    assert by_url("pkg:deb/debian/curl@7.88", "", version="1:7.88") == Found("deb", "curl", "1:7.88", "")
    assert by_url("pkg:golang/example.com/x@v1#cmd/y", "y") == Found("golang", "example.com/x/cmd/y", "v1", "y")
    assert by_url("pkg:pypi/x", "x") is None and by_url("pkg:pypi/@2.3.4", "x") is None
    assert named("pypi", "Zope.Interface", "5", "/a") == Found("pypi", "zope-interface", "5", "a")
    assert outermost("srv/a.war/WEB-INF/lib/b.jar") == "srv/a.war"
    assert outermost("srv/lib.jar.d/b.jar") == "srv/lib.jar.d/b.jar"


def test_our_own_answers_come_from_the_view(tmp_path: Path) -> None:
    content = json.dumps({"name": "lodash", "version": "4.17.21"}).encode()
    layout = gather.layout(tmp_path / "image", [(LODASH.path, content, 0o644)])
    assert answers.ours({"x": layout}, tmp_path) == {"x": frozenset({LODASH})}


def test_every_rule_is_a_row_of_the_table_and_every_row_a_rule() -> None:
    text = README.read_text("utf-8")
    table = text[text.index("<!-- reasons -->") : text.index("<!-- end reasons -->")]
    rows = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[2:]
    assert rows == [rule.name for rule in reasons.RULES]
