"""Extensions of Visual Studio Code and of what is built from it: manifests that ``npm.py`` comes across.

Sources: https://code.visualstudio.com/api/references/extension-manifest, https://github.com/package-url/purl-spec
(``vscode-extension``), and OSV's schema, which calls an extension ``publisher.name``.
"""

from __future__ import annotations

import re

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.semver import key
from grid.model import Package

NAME = "vscode-extension"

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,127}")
_LICENSE = re.compile(r"[A-Za-z0-9.+() -]{1,200}")
_PLATFORM = re.compile(r"(?:linux|alpine|darwin|win32|web)(?:-[a-z0-9]+)?")


def is_extension(record: dict[str, object]) -> bool:
    """Whether a ``package.json`` is an extension's: these two fields are what its manifest has beyond npm's."""
    engines = record.get("engines")
    return isinstance(record.get("publisher"), str) and isinstance(engines, dict) and "vscode" in engines


def extension(record: dict[str, object]) -> Package | None:
    """The extension of a manifest; None where a name or version is a template's, or none at all."""
    publisher, name, version, license_ = (record.get(key) for key in ("publisher", "name", "version", "license"))
    if not (isinstance(publisher, str) and isinstance(name, str) and isinstance(version, str)):
        return None
    if not _WORD.fullmatch(publisher) or not _WORD.fullmatch(name) or not _VERSION.fullmatch(version):
        return None
    # What the editor adds to the manifest of an extension that it installs.
    added = record.get("__metadata")
    platform = str(added.get("targetPlatform")) if isinstance(added, dict) else ""
    told = {"platform": platform} if _PLATFORM.fullmatch(platform) else None
    licenses = (license_,) if isinstance(license_, str) and _LICENSE.fullmatch(license_) else ()
    return Package(
        f"{publisher}.{name}",
        version,
        licenses=licenses,
        purl=PackageURL(NAME, publisher.lower(), name.lower(), version, told).to_string(),
        ecosystem=NAME,
    )


ECOSYSTEM = Ecosystem(
    name=NAME,
    version=1,
    key=key,
    namespace=language("VSCode"),
    osv=("VSCode",),
    canonical=str.lower,
    upgrade=(("", "code --install-extension", "{name}@{version}"),),
)
