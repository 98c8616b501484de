"""Lock files for lists of names and versions: what each language's package manager would have written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.inventory import Installed

_Packages = Sequence[Installed]


def written(ecosystem: str, file: str, packages: _Packages) -> dict[str, bytes]:
    """The files that name these packages: in each a package stands once."""
    batches: list[dict[str, Installed]] = []
    for package in packages:
        free = next((batch for batch in batches if package.name not in batch), None)
        if free is None:
            batches.append(free := {})
        free[package.name] = package
    write = FILES[ecosystem][file]
    return {f"srv/app{n}/{file}": write(list(batch.values())).encode() for n, batch in enumerate(batches)}


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2)


def _lines(before: str, each: str, packages: _Packages, after: str = "") -> str:
    return before + "".join(each.format(name=p.name, version=p.version) for p in packages) + after


def _npm(packages: _Packages) -> str:
    root: dict[str, Any] = {"name": "app", "version": "1.0.0", "dependencies": {p.name: p.version for p in packages}}
    listed = {f"node_modules/{p.name}": {"version": p.version} for p in packages}
    return _json({"name": "app", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": root, **listed}})


def _pnpm(packages: _Packages) -> str:
    each = "      '{name}':\n        specifier: '{version}'\n        version: '{version}'\n"
    listed = _lines("importers:\n\n  .:\n    dependencies:\n", each, packages)
    return (f"lockfileVersion: '9.0'\n\n{listed}"
            + _lines("\npackages:\n", "\n  '{name}@{version}':\n    resolution: {{integrity: sha512-x}}\n", packages)
            + _lines("\nsnapshots:\n", "\n  '{name}@{version}': {{}}\n", packages))  # fmt: skip


def _poetry(packages: _Packages) -> str:
    each = '[[package]]\nname = "{name}"\nversion = "{version}"\ndescription = ""\noptional = false\n' \
           'python-versions = "*"\ngroups = ["main"]\nfiles = []\n\n'  # fmt: skip
    return _lines("", each, packages, '[metadata]\nlock-version = "2.1"\npython-versions = "*"\ncontent-hash = "x"\n')


def _uv(packages: _Packages) -> str:
    root = _lines('[[package]]\nname = "app"\nversion = "0.1.0"\nsource = {virtual = "."}\ndependencies = [\n',
                  '    {{ name = "{name}" }},\n', packages, "]\n\n")  # fmt: skip
    each = (
        '[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://pypi.org/simple" }}\n\n'
    )
    return _lines(f"version = 1\n\n{root}", each, packages)


def _pom(packages: _Packages) -> str:
    def one(package: Installed) -> str:
        group, _, artifact = package.name.partition(":")
        return (f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
                f"<version>{package.version}</version></dependency>\n")  # fmt: skip

    return ('<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>\n'
            "<groupId>org.made</groupId><artifactId>app</artifactId><version>1</version>\n<dependencies>\n"
            + "".join(map(one, packages)) + "</dependencies></project>\n")  # fmt: skip


def _sbt(packages: _Packages) -> str:
    parts = [(*p.name.split(":", 1), p.version) for p in packages]
    return _json({"lockVersion": 1, "configurations": ["compile"], "dependencies": [
        {"org": org, "name": name, "version": version, "artifacts": [], "configurations": ["compile"]}
        for org, name, version in parts
    ]})  # fmt: skip


def _nuget(packages: _Packages) -> str:
    listed = {p.name: {"type": "Direct", "requested": f"[{p.version}, )", "resolved": p.version, "contentHash": "x"}
              for p in packages}  # fmt: skip
    return _json({"version": 1, "dependencies": {"net8.0": listed}})


def _swift(packages: _Packages) -> str:
    pins = [{"identity": p.name.rpartition("/")[2], "kind": "remoteSourceControl", "location": f"https://{p.name}.git",
             "state": {"revision": "0" * 40, "version": p.version}} for p in packages]  # fmt: skip
    return _json({"pins": pins, "version": 2})


def _go_mod(packages: _Packages) -> str:
    """``go`` refuses a major version that the path does not end with, unless it is marked so."""
    lines = []
    for package in packages:
        major, _, ending = package.version.partition(".")[0], *package.name.rpartition("/v")[1:]
        if ending.isdigit() or package.name.startswith("gopkg.in/"):
            if not package.name.endswith(("/v" + major, ".v" + major)):
                continue
            marked = ""
        else:
            marked = "" if major in ("0", "1") or package.version.endswith("+incompatible") else "+incompatible"
        lines.append(f"\t{package.name} v{package.version}{marked}\n")
    return f"module example.com/app\n\ngo 1.22\n\nrequire (\n{''.join(lines)})\n"


FILES: dict[str, dict[str, Callable[[_Packages], str]]] = {
    "npm": {
        "package-lock.json": _npm,
        "yarn.lock": lambda p: _lines("# yarn lockfile v1\n\n", '"{name}@{version}":\n  version "{version}"\n\n', p),
        "pnpm-lock.yaml": _pnpm,
    },
    "PyPI": {
        "requirements.txt": lambda p: _lines("", "{name}=={version}\n", p),
        "Pipfile.lock": lambda p: _json({"_meta": {}, "default": {x.name: {"version": f"=={x.version}"} for x in p}}),
        "poetry.lock": _poetry,
        "uv.lock": _uv,
    },
    "RubyGems": {"Gemfile.lock": lambda p: _lines(
        "GEM\n  remote: https://rubygems.org/\n  specs:\n", "    {name} ({version})\n", p, "\nPLATFORMS\n  ruby\n"
    )},
    "Packagist": {"composer.lock": lambda p: _json(
        {"content-hash": "x", "packages": [{"name": x.name, "version": x.version} for x in p], "packages-dev": []}
    )},
    "Go": {"go.mod": _go_mod},
    "crates.io": {"Cargo.lock": lambda p: _lines("version = 3\n\n", (
        '[[package]]\nname = "{name}"\nversion = "{version}"\n'
        'source = "registry+https://github.com/rust-lang/crates.io-index"\n\n'
    ), p)},
    "NuGet": {"packages.lock.json": _nuget, "packages.config": lambda p: _lines(
        "<packages>\n", '<package id="{name}" version="{version}" />\n', p, "</packages>\n"
    )},
    "Maven": {
        "pom.xml": _pom,
        "gradle.lockfile": lambda p: _lines("# made\n", "{name}:{version}=runtimeClasspath\n", p, "empty=\n"),
        "build.sbt.lock": _sbt,
    },
    "Pub": {"pubspec.lock": lambda p: _lines("packages:\n", (
        '  {name}:\n    dependency: "direct main"\n    description:\n      name: {name}\n'
        '      url: "https://pub.dev"\n    source: hosted\n    version: "{version}"\n'
    ), p)},
    "Hex": {"mix.lock": lambda p: _lines("%{\n", (
        '  "{name}": {{:hex, :{name}, "{version}", "00", [:mix], [], "hexpm", "00"}},\n'
    ), p, "}\n")},
    "SwiftURL": {"Package.resolved": _swift},
    "ConanCenter": {"conan.lock": lambda p: _json(
        {"version": "0.5", "requires": [f"{x.name}/{x.version}#00%1" for x in p]}
    )},
}  # fmt: skip
"""OSV's ecosystem → file → its writer: those that Trivy reads, too."""
