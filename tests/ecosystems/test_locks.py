# ruff: noqa: E501 - records as they stand in files
"""What lock files ask for: each format's oddities, damage, and other parsers of the same files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from grid.detectors.lockfiles import DETECTOR
from grid.detectors.packages import DETECTOR as PACKAGES
from grid.detectors.packages import package_id
from grid.ecosystems import ALL, BY_NAME
from grid.model import Limits, Note, Package, Wants
from grid.testing import accept_detector, accept_ecosystem, files_batch

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

PNPM = """\
lockfileVersion: '6.0'
dependencies:
  ms:
    specifier: ^2.1.3
    version: 2.1.3
packages:

  /@babel/core@7.21.4(supports-color@9.0.0):
    resolution: {integrity: sha512-x==}
    dependencies:
      ms: 2.1.3
    dev: false

  /ms@2.1.3:
    resolution: {integrity: sha512-y==}

  /eslint@8.0.0:
    resolution: {integrity: sha512-z==}
    dev: true

  github.com/a/b/0123abc:
    resolution: {tarball: https://codeload.github.com/a/b/tar.gz/0123abc}
    name: from-git
    version: 3.0.0
"""
YARN = """\
# yarn lockfile v1

"@babel/core@^7.0.0", "@babel/core@^7.1.0":
  version "7.10.4"
  resolved "https://registry.yarnpkg.com/@babel/core/-/core-7.10.4.tgz#x"
  dependencies:
    version "^1.0.0"

alias@npm:real@^1.0.0:
  version "1.2.3"

local@file:../local:
  version "0.1.0"
"""
BERRY = """\
__metadata:
  version: 6

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
  languageName: unknown

"alias@npm:real@^1.0.0":
  version: 1.2.3
  resolution: "real@npm:1.2.3"

"typescript@patch:typescript@^4.0.0#~builtin":
  version: 4.9.5
  resolution: "typescript@patch:typescript@npm%3A4.9.5#~builtin"
"""
PIPFILE = {
    "default": {"Django": {"version": "==4.2"}, "here": {"path": "."}},
    "develop": {"pytest": {"version": "==8.0"}},
}
POETRY = """\
[[package]]
name = "Flask"
version = "2.0.1"
description = "Text with a # and a [bracket]"

[package.dependencies]
name = ">=1"

[[package]]
name = "pytest"
version = "8.0.0"
category = "dev"

[[package]]
name = "sibling"
version = "0.1.0"

[package.source]
type = "directory"
url = "../sibling"

[metadata.files]
flask = []
"""
UV = """\
version = 1

[[package]]
name = "app"
version = "0.1.0"
source = { editable = "." }

[[package]]
name = "anyio"
version = "4.9.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "idna" },
]
"""
REQUIREMENTS = """\
# comment == 1.0
flask == 2.0.1  # why
Urllib3===1.26.20
requests[socks]==2.31.0 ; python_version >= "3.8"
pinned==1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:11
range>=1,<2
wild==1.*
-r other.txt
-e git+https://example.com/x.git#egg=x
"""
GEMFILE = """\
PATH
  remote: .
  specs:
    mine (0.1.0)

GIT
  remote: https://example.com/g.git
  specs:
    from-git (1.0.0)

GEM
  remote: https://rubygems.org/
  specs:
    nokogiri (1.15.4-x86_64-linux)
      racc (~> 1.4)
    racc (1.7.1)

DEPENDENCIES
  nokogiri (= 1.15.4)
"""
GO_MOD = """\
module example.com/app

go 1.22

require github.com/a/one v1.0.0 // indirect
require (
\tgithub.com/b/two v2.0.0+incompatible
\tgithub.com/c/three v0.0.0-20220225172249-27dd8689420f
\tgithub.com/d/local v1.0.0
)

replace (
\tgithub.com/b/two => github.com/fork/two v2.1.0
\tgithub.com/c/three v9.9.9 => github.com/other v1.0.0
\tgithub.com/d/local => ./local
)
exclude github.com/a/one v0.9.0
"""
POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <parent><groupId>org.parent</groupId><artifactId>p</artifactId><version>5</version></parent>
  <artifactId>app</artifactId>
  <properties><log4j.version>2.14.1</log4j.version><circle>${circle}</circle></properties>
  <dependencyManagement><dependencies>
    <dependency><groupId>a</groupId><artifactId>managed</artifactId><version>7</version></dependency>
  </dependencies></dependencyManagement>
  <dependencies>
    <dependency><groupId>org.x</groupId><artifactId>log4j-core</artifactId><version>${log4j.version}</version></dependency>
    <dependency><groupId>${project.groupId}</groupId><artifactId>sister</artifactId><version>${project.version}</version></dependency>
    <dependency><groupId>a</groupId><artifactId>managed</artifactId></dependency>
    <dependency><groupId>a</groupId><artifactId>elsewhere</artifactId></dependency>
    <dependency><groupId>a</groupId><artifactId>round</artifactId><version>${circle}</version></dependency>
    <dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>4</version><scope>test</scope></dependency>
  </dependencies>
  <build><plugins><plugin><groupId>g</groupId><artifactId>plugin</artifactId><version>1</version></plugin></plugins></build>
</project>
"""
CSPROJ = """\
<Project Sdk="Microsoft.NET.Sdk"><ItemGroup>
  <PackageReference Include="A.B" Version="1.2.3" />
  <PackageReference Include="C"><Version>[4.5.6]</Version></PackageReference>
  <PackageReference Include="Analyzer" Version="1.0.0" PrivateAssets="all" />
  <PackageReference Include="Later" Version="$(LaterVersion)" />
</ItemGroup></Project>
"""
LOCKS: dict[str, dict[str, tuple[str | bytes, list[str]]]] = {
    "pypi": {
        "app/requirements.txt": (
            REQUIREMENTS, ["flask 2.0.1", "Urllib3 1.26.20", "requests 2.31.0", "pinned 1.0"]
        ),
        "app/requirements-dev.txt": ("pytest==8.0", []),
        "app/Pipfile.lock": (json.dumps(PIPFILE), ["Django 4.2"]),
        "app/poetry.lock": (POETRY, ["Flask 2.0.1"]),
        "app/uv.lock": (UV, ["anyio 4.9.0"]),
        "app/pdm.lock": (
            '[[package]]\nname = "a"\nversion = "1"\ngroups = ["default", "dev"]\n'
            '[[package]]\nname = "b"\nversion = "1"\ngroups = ["dev"]\n', ["a 1"],
        ),
        "app/pylock.toml": ("lock-version = '1.0'\n[[packages]]\nname = 'a'\nversion = '1'\n", ["a 1"]),
    },
    "npm": {
        "app/package-lock.json": (
            json.dumps({"packages": {
                "": {"name": "app", "version": "1.0.0"},
                "node_modules/@s/a": {"version": "1.0.0"},
                "node_modules/b/node_modules/c": {"version": "2.0.0"},
                "node_modules/aliased": {"name": "real", "version": "3.0.0"},
                "node_modules/dev": {"version": "4.0.0", "dev": True},
                "node_modules/both": {"version": "6.0.0", "devOptional": True},
                "node_modules/linked": {"resolved": "packages/linked", "link": True},
                "packages/linked": {"version": "5.0.0"},
            }}), ["@s/a 1.0.0", "c 2.0.0", "real 3.0.0", "both 6.0.0"],
        ),
        "app/npm-shrinkwrap.json": (
            json.dumps({"lockfileVersion": 1, "dependencies": {
                "a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0"}}},
                "x": {"version": "npm:@y/z@3.0.0"},
                "g": {"version": "git+ssh://git@github.com/g/g.git#abc"},
                "d": {"version": "4.0.0", "dev": True},
            }}), ["a 1.0.0", "@y/z 3.0.0", "b 2.0.0"],
        ),
        "app/yarn.lock": (YARN, ["@babel/core 7.10.4", "real 1.2.3"]),
        "berry/yarn.lock": (BERRY, ["real 1.2.3", "typescript 4.9.5"]),
        "app/pnpm-lock.yaml": (PNPM, ["@babel/core 7.21.4", "ms 2.1.3", "from-git 3.0.0"]),
        "five/pnpm-lock.yaml": (
            "lockfileVersion: 5.4\npackages:\n  /@a/b/1.0.0_peer@2.0.0:\n    dev: false\n  /c/2.0.0:\n    dev: false\n",
            ["@a/b 1.0.0", "c 2.0.0"],
        ),
        "nine/pnpm-lock.yaml": (
            "lockfileVersion: '9.0'\npackages:\n\n  '@a/b@1.0.0':\n    engines: {node: '>=8'}\n\n  c@2.0.0-rc.1:\n    x: y\n\n"
            "snapshots:\n\n  d@9.9.9: {}\n",
            ["@a/b 1.0.0", "c 2.0.0-rc.1"],
        ),
        "app/bun.lock": (
            '{\n  "lockfileVersion": 1,\n  "workspaces": {"": {"name": "x"}},\n  "packages": {\n'
            '    "@a/b": ["@a/b@1.0.0", "", {}, "sha512-x"],\n    "w": ["w@workspace:packages/w", {}],\n  }\n}',
            ["@a/b 1.0.0"],
        ),
        "app/deno.lock": (json.dumps({"version": "4", "npm": {"@a/b@1.0.0": {}, "c@2.0.0_d@1": {}}}), ["@a/b 1.0.0", "c 2.0.0"]),
        "app/node_modules/x/yarn.lock": (YARN, []),
    },
    "gem": {
        "app/Gemfile.lock": (GEMFILE, ["from-git 1.0.0", "nokogiri 1.15.4", "racc 1.7.1"]),
        "app/gems.locked": (GEMFILE, ["from-git 1.0.0", "nokogiri 1.15.4", "racc 1.7.1"]),
    },
    "composer": {
        "app/composer.lock": (
            json.dumps({
                "packages": [{"name": "a/b", "version": "v1.2.3"}],
                "packages-dev": [{"name": "phpunit/phpunit", "version": "9"}],
            }), ["a/b 1.2.3"],
        ),
    },
    "golang": {
        "app/go.mod": (
            GO_MOD,
            [
                "github.com/a/one v1.0.0", "github.com/fork/two v2.1.0",
                "github.com/c/three v0.0.0-20220225172249-27dd8689420f",
            ],
        ),
        "app/vendor/modules.txt": (
            "# a.b/c v1.0.0\n## explicit; go 1.20\na.b/c/d\n# a.b/e v1.0.0 => a.b/f v2.0.0\n# a.b/g v1.0.0 => ../g\n",
            ["a.b/c v1.0.0", "a.b/f v2.0.0"],
        ),
    },
    "cargo": {
        "app/Cargo.lock": (
            'version = 3\n\n[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = [\n "serde",\n]\n\n'
            '[[package]]\nname = "serde"\nversion = "1.0.200"\nsource = "registry+x"\n', ["app 0.1.0", "serde 1.0.200"],
        ),
    },
    "maven": {
        "app/pom.xml": (POM, ["org.x:log4j-core 2.14.1", "org.parent:sister 5", "a:managed 7"]),
        "app/gradle.lockfile": (
            "# c\na.b:c:1.0=compileClasspath\njunit:junit:4=testRuntimeClasspath,testCompileClasspath\nempty=x\n", ["a.b:c 1.0"]
        ),
        "app/gradle/dependency-locks/compile.lockfile": ("a.b:c:1.0\n", ["a.b:c 1.0"]),
        "app/build.sbt.lock": (
            json.dumps({"dependencies": [
                {"org": "a", "name": "b", "version": "1", "configurations": ["compile", "test"]},
                {"org": "a", "name": "t", "version": "1", "configurations": ["test"]},
            ]}), ["a:b 1"],
        ),
    },
    "nuget": {
        "app/packages.lock.json": (
            json.dumps({"dependencies": {"net8.0": {"A": {"type": "Direct", "resolved": "1.0.0"}, "P": {"type": "Project"}}}}),
            ["A 1.0.0"],
        ),
        "app/packages.config": (
            '<packages><package id="A" version="1.0.0"/><package id="D" version="1" developmentDependency="true"/></packages>',
            ["A 1.0.0"],
        ),
        "app/App.csproj": (CSPROJ, ["A.B 1.2.3", "C 4.5.6"]),
        "Directory.Packages.props": (
            '<Project><ItemGroup><PackageVersion Include="A" Version="1.0"/></ItemGroup></Project>', ["A 1.0"]
        ),
    },
    "hex": {
        "app/mix.lock": (
            '%{\n  "bunt": {:hex, :bunt, "0.2.0", "951c", [:mix], [], "hexpm", "7af5"},\n'
            '  "esaml": {:git, "https://example.com/esaml.git", "2cc", []},\n}\n', ["bunt 0.2.0"],
        ),
        "app/rebar.lock": ('{"1.2.0",\n[{<<"jsx">>,{pkg,<<"jsx">>,<<"2.9.0">>},0}]}.\n', ["jsx 2.9.0"]),
    },
    "pub": {
        "app/pubspec.lock": (
            'packages:\n  args:\n    dependency: transitive\n    source: hosted\n    version: "1.6.0"\n'
            '  flutter:\n    source: sdk\n    version: "0.0.0"\n  lints:\n    dependency: "direct dev"\n    version: "2.0.0"\n'
            'sdks:\n  dart: ">=2.12.0"\n', ["args 1.6.0"],
        ),
    },
    "swift": {
        "app/Package.resolved": (
            json.dumps({"version": 2, "pins": [
                {"location": "https://github.com/apple/swift-nio.git", "state": {"version": "2.0.0"}},
                {"location": "git@github.com:a/b.git", "state": {"version": "1.0.0"}},
                {"location": "https://github.com/a/branch", "state": {"branch": "main", "version": None}},
            ]}), ["github.com/apple/swift-nio 2.0.0", "github.com/a/b 1.0.0"],
        ),
        "old/Package.resolved": (
            json.dumps({"version": 1, "object": {"pins": [
                {"repositoryURL": "https://github.com/a/b", "state": {"version": "1.0.0"}},
            ]}}), ["github.com/a/b 1.0.0"],
        ),
    },
    "cocoapods": {
        "app/Podfile.lock": (
            'PODS:\n  - PINCache (3.0.3):\n    - PINCache/Core (= 3.0.3)\n  - PINCache/Core (3.0.3)\n  - "A+B (1.0)"\n\n'
            "DEPENDENCIES:\n  - PINCache (~> 3)\n", ["PINCache 3.0.3", "A+B 1.0"],
        ),
    },
    "hackage": {
        "app/stack.yaml.lock": (
            "packages:\n- completed:\n    hackage: jose-jwt-0.10.0@sha256:6e,3546\n  original:\n    hackage: jose-jwt-0.10.0\n",
            ["jose-jwt 0.10.0"],
        ),
        "app/cabal.project.freeze": (
            "constraints: any.Agda ==2.6.4.3,\n             transformers-base +orphaninstances,\n", ["Agda 2.6.4.3"]
        ),
    },
    "cran": {
        "app/renv.lock": (json.dumps({"Packages": {"mime": {"Package": "mime", "Version": "0.12.1"}}}), ["mime 0.12.1"]),
    },
    "julia": {
        "app/Manifest.toml": (
            'manifest_format = "2.0"\n[[deps.Base64]]\nuuid = "2a0f44e3-6c83-55bd-87e4-b1978d98bd5f"\n\n'
            '[[deps.JSON]]\ndeps = ["Dates"]\nuuid = "682c06a0-de6a-54ab-a142-c8b1cf79cde6"\nversion = "0.21.4"\n',
            ["JSON 0.21.4"],
        ),
    },
    "conan": {
        "app/conan.lock": (
            json.dumps({"requires": ["zlib/1.3#abc%1", "b/1.0@u/c#d"], "build_requires": ["cmake/3.0"]}), ["zlib 1.3", "b 1.0"]
        ),
        "old/conan.lock": (
            json.dumps({"graph_lock": {"nodes": {"0": {"options": ""}, "1": {"ref": "poco/1.9.4"}}}}), ["poco 1.9.4"]
        ),
    },
    "conda": {
        "app/conda-lock.yml": (
            "metadata:\n  platforms:\n  - linux-64\npackage:\n- name: zlib\n  version: 1.2.13\n  manager: conda\n  platform: linux-64\n"
            "- name: zlib\n  version: 1.2.13\n  manager: conda\n  platform: osx-64\n"
            "- name: flask\n  version: 2.0.1\n  manager: pip\n- name: black\n  version: '1'\n  manager: conda\n  category: dev\n",
            ["zlib 1.2.13", "flask 2.0.1"],
        ),
        "app/environment.yml": (
            "name: x\ndependencies:\n  - conda-forge::bzip2=1.0.8=h998d150_5\n  - numpy==1.26.0\n  - python=3.11\n  - pip\n"
            "  - pip:\n    - flask==2.0.1\n", ["bzip2 1.0.8", "numpy 1.26.0", "flask 2.0.1"],
        ),
    },
}  # fmt: skip
CASES = [(e, path, text, expected) for e, files in LOCKS.items() for path, (text, expected) in files.items()]


def encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def read(ecosystem: str, path: str, content: bytes) -> list[Package | Note]:
    return list(BY_NAME[ecosystem].declared(path, content, Limits()))


@pytest.mark.parametrize(("ecosystem", "path", "text", "expected"), CASES, ids=[c[1] for c in CASES])
def test_what_a_lock_file_asks_for_is_found_and_nothing_else(
    ecosystem: str, path: str, text: str, expected: list[str]
) -> None:
    content = encoded(text)
    for same in (content, content.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + content):
        found = read(ecosystem, path, same)
        assert [f"{p.name} {p.version}" for p in found if isinstance(p, Package)] == expected
        assert not [n for n in found if isinstance(n, Note)]


def test_every_ecosystem_with_lock_files_passes_the_exam() -> None:
    assert {e.name for e in ALL if e.declares != Wants()} == set(LOCKS)
    for name, files in LOCKS.items():
        samples = {path: encoded(text) for path, (text, _) in files.items()}
        accept_ecosystem(BY_NAME[name], {}, locks=samples)


def test_the_detector_passes_the_exam_and_marks_all_as_declared() -> None:
    samples = {path: encoded(text) for files in LOCKS.values() for path, (text, _) in files.items()}
    accept_detector(DETECTOR, samples)
    rows = DETECTOR.detect(files_batch(samples.items())).to_pylist()
    assert {row["found_as"] for row in rows} == {"declared"}
    assert {row["ecosystem"] for row in rows} == set(LOCKS)
    (row,) = (r for r in rows if (r["name"], r["source_path"]) == ("flask", "app/conda-lock.yml"))
    assert (row["ecosystem"], row["purl"]) == ("pypi", "pkg:pypi/flask@2.0.1")
    assert row["package_id"] != package_id("pypi", "flask", "2.0.1", "", "", "", ""), (
        "it is another one than if installed"
    )


def test_lock_files_are_not_asked_for_by_the_detector_of_installed_packages() -> None:
    wanted = PACKAGES.wants.matcher()
    assert not [path for files in LOCKS.values() for path in files if wanted(path, 0o644)]


@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be"])
def test_requirements_that_powershell_has_written_are_read(code: str) -> None:
    found = read("pypi", "app/requirements.txt", "\ufefflxml==4.9.3\r\nsix==1.16.0\r\n".encode(code))
    assert [f"{p.name} {p.version}" for p in found if isinstance(p, Package)] == ["lxml 4.9.3", "six 1.16.0"]


@pytest.mark.parametrize(
    "path", ["app/package-lock.json", "app/composer.lock", "app/pom.xml", "app/yarn.lock", "app/go.mod"]
)
def test_what_is_no_lock_file_is_noted(path: str) -> None:
    (row,) = DETECTOR.detect(files_batch([(path, b"certainly not: [a lock file")])).to_pylist()
    assert row["note_code"] == "Unparsable"


def test_entries_without_a_usable_name_or_version_are_counted() -> None:
    content = json.dumps({"packages": [{"name": "a/b", "version": "1"}, {"name": 5}, {"name": "c d", "version": "1"}]})
    found, note = read("composer", "composer.lock", content.encode())
    assert isinstance(found, Package)
    assert note == Note("Unparsable", "2 of 3 entries have no usable name and version", "composer.lock")


def test_a_name_that_ends_where_its_last_part_should_be_is_of_no_use() -> None:
    (note,) = read("golang", "app/vendor/modules.txt", b"# a.b/ v1.0.0\n")
    assert isinstance(note, Note)


def test_entities_of_a_project_file_are_refused() -> None:
    bomb = b'<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><project><version>&b;</version></project>'
    (note,) = read("maven", "pom.xml", bomb)
    assert isinstance(note, Note)
    (note,) = read("maven", "pom.xml", b"<a>" * 100_000)
    assert isinstance(note, Note)


@settings(max_examples=60)
@given(st.sampled_from(CASES), st.data())
def test_damaged_lock_files_never_raise(case: tuple[str, str, str, list[str]], data: st.DataObject) -> None:
    ecosystem, path, text, _ = case
    content = bytearray(encoded(text))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    for fact in read(ecosystem, path, bytes(content)):
        assert isinstance(fact, (Package, Note))


# --- against other parsers of real files ---------------------------------------------------------


def fixtures(*names: str) -> list[tuple[str, bytes]]:
    if not SHARED.is_dir():
        pytest.skip("the shared test data (../shared/data) is absent")
    from zipfile import ZipFile

    with ZipFile(SHARED / "packages/packages.zip") as archive:
        return [(n, archive.read(n)) for n in archive.namelist() if n.rpartition("/")[2] in names]


@pytest.mark.data
def test_toml_is_read_as_a_whole_parser_reads_it() -> None:
    seen = 0
    for path, content in fixtures("poetry.lock", "uv.lock", "Cargo.lock", "pdm.lock"):
        record = tomllib.loads(content.decode())
        ecosystem = "cargo" if path.endswith("Cargo.lock") else "pypi"
        found = {(p.name, p.version) for p in read(ecosystem, path, content) if isinstance(p, Package)}
        stated = record.get("package", [])
        own = {"editable", "virtual", "directory"}
        wanted = {
            (p["name"], p["version"]) for p in stated
            if "version" in p and not (isinstance(p.get("source"), dict) and own & p["source"].keys())
            and p.get("category") != "dev" and set(p.get("groups", ["main"])) - {"dev", "docs", "test"}
        }  # fmt: skip
        assert found == wanted, path
        seen += len(found)
    assert seen > 200


@pytest.mark.parametrize("encoding", ["utfFram-8", "shift_jis", "idna", "hex", "undefined"])
def test_xml_of_an_encoding_that_cannot_be_read_is_a_note(encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?><packages><package id="A" version="1"/></packages>'
    (note,) = read("nuget", "app/packages.config", content.encode())
    assert isinstance(note, Note) and note.code == "Unparsable"


@pytest.mark.data
def test_yaml_is_read_as_a_whole_parser_reads_it() -> None:
    seen = 0
    for path, content in fixtures("pubspec.lock"):
        try:
            record = YAML(typ="safe", pure=True).load(content)
            packages = record["packages"]
            assert isinstance(packages, dict)
        except Exception:  # broken and empty ones are among them
            continue
        wanted = {
            (n, str(p["version"])) for n, p in packages.items()
            if p.get("dependency") != "direct dev" and p.get("source") not in ("sdk", "path")
        }  # fmt: skip
        assert {(p.name, p.version) for p in read("pub", path, content) if isinstance(p, Package)} == wanted
        seen += len(wanted)
    for path, content in fixtures("pnpm-lock.yaml"):
        packages = YAML(typ="safe", pure=True).load(content)["packages"]
        count = sum(not entry.get("dev") for entry in packages.values())
        assert len(read("npm", path, content)) == count, path
        seen += count
    assert seen > 20
