"""Extensions of Visual Studio Code: told by their manifests, and kept apart from npm's packages."""

from __future__ import annotations

import json

import pytest

from grid.ecosystems import BY_NAME, for_osv
from grid.model import Limits, Note, Package
from grid.testing import accept_ecosystem

NPM, VSCODE = BY_NAME["npm"], BY_NAME["vscode-extension"]
PYTHON = "home/coder/.local/share/code-server/extensions/ms-python.python-2023.25.0-universal/package.json"
BUILT_IN = "usr/lib/node_modules/code-server/lib/vscode/extensions/git/package.json"


def manifest(**fields: object) -> bytes:
    record = {
        "name": "python", "displayName": "Python", "version": "2023.25.0", "publisher": "ms-python", "license": "MIT",
        "repository": {"type": "git", "url": "https://github.com/Microsoft/vscode-python"},
        "engines": {"vscode": "^1.82.0"}, "categories": ["Debuggers"], "main": "./out/client/extension",
        "contributes": {"commands": []}, "dependencies": {"semver": "^7.5.2"},
    }  # fmt: skip
    return json.dumps({key: value for key, value in {**record, **fields}.items() if value is not None}).encode()


def read(path: str, content: bytes) -> list[Package | Note]:
    return list(NPM.read(path, content, Limits()))


def told(path: str, content: bytes) -> list[tuple[str, str]]:
    return [(p.ecosystem or "npm", p.name) for p in read(path, content) if isinstance(p, Package)]


def test_an_extension_is_no_package_of_npm_but_one_of_its_publisher() -> None:
    assert read(PYTHON, manifest()) == [
        Package(
            "ms-python.python", "2023.25.0", licenses=("MIT",), ecosystem="vscode-extension",
            purl="pkg:vscode-extension/ms-python/python@2023.25.0",
        )
    ]  # fmt: skip
    assert told(BUILT_IN, manifest(name="git", publisher="vscode", version="1.0.0", repository=None)) == [
        ("vscode-extension", "vscode.git")
    ]


def test_its_names_are_compared_without_case_and_its_platform_is_told() -> None:
    (package,) = read(PYTHON, manifest(publisher="GitHub", name="Copilot", __metadata={"targetPlatform": "linux-x64"}))
    assert isinstance(package, Package)
    assert package.name == "GitHub.Copilot" and VSCODE.canonical(package.name) == "github.copilot"
    assert package.purl == "pkg:vscode-extension/github/copilot@2023.25.0?platform=linux-x64"
    for platform in ("universal", "undefined", None, 7):
        (package,) = read(PYTHON, manifest(__metadata={"targetPlatform": platform}))
        assert isinstance(package, Package) and package.purl.endswith("@2023.25.0")


def test_what_npm_installed_is_npms_whatever_it_can_be_used_in() -> None:
    folder = PYTHON.removesuffix("package.json") + "node_modules"
    assert told(f"{folder}/semver/package.json", b'{"name": "semver", "version": "7.5.2"}') == [("npm", "semver")]
    assert told(f"{folder}/vscode-languageclient/package.json", manifest(name="x", publisher=None)) == [("npm", "x")]
    assert told(f"{folder}/@scope/theme/package.json", manifest(name="@scope/theme")) == [("npm", "@scope/theme")]
    assert told(f"{folder}/theme/package.json", manifest(name="theme")) == [("npm", "theme")]


@pytest.mark.parametrize(
    "fields",
    [{"version": "${version}"}, {"version": None}, {"version": 3}, {"name": None}, {"name": "a b"}, {"publisher": ""}],
)
def test_a_template_of_a_manifest_is_nothing(fields: dict[str, object]) -> None:
    assert read(PYTHON, manifest(**fields)) == []


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(VSCODE, {}, orders=["2023.9.0 < 2023.25.0", "1.0.0-beta < 1.0.0"], refused=["latest"])
    accept_ecosystem(NPM, {PYTHON: manifest(), BUILT_IN: manifest(name="git", publisher="vscode")})
    assert for_osv("VSCode") is VSCODE
