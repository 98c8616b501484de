"""WordPress plugins and themes: the header comment of a plugin's main file and of a theme's ``style.css``.

Source: https://developer.wordpress.org/plugins/plugin-basics/header-requirements and the theme handbook; WordPress
itself reads the first 8 KiB. No advisories of OSV speak of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.ecosystems import Ecosystem, language
from grid.keys.packagist import key
from grid.model import Limits, Note, Package, Wants

_PLACE = re.compile(r"(?:.*/)?wp-content/(?:(plugins|mu-plugins)/([^/]+)/[^/]+\.php|(themes)/([^/]+)/style\.css)")
_HEAD = 8 << 10
_HEADER = r"^(?:[ \t]*<\?php)?[ \t/*#@]*%s:(.*)$"
_NAME = re.compile(_HEADER % "(?:Plugin|Theme) Name", re.IGNORECASE | re.MULTILINE)
_VERSION = re.compile(_HEADER % "Version", re.IGNORECASE | re.MULTILINE)
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NUMBER = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


def read(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The plugin or theme whose folder this is, if the file is the one with the header: others there have none."""
    place = _PLACE.fullmatch(path) if len(path) <= 1000 else None
    if place is None:
        return
    head = content[:_HEAD].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    if not _NAME.search(head):
        return
    slug = place[2] or place[4]
    stated = _VERSION.search(head)
    version = stated[1].replace("*/", "").replace("?>", "").strip() if stated else ""
    if not _SLUG.fullmatch(slug) or not _NUMBER.fullmatch(version):
        yield Note("Unparsable", "the header has no usable version", path)
        return
    kind = "theme" if place[3] else "plugin"
    yield Package(slug, version, purl=PackageURL(f"wordpress-{kind}", None, slug, version).to_string())


ECOSYSTEM = Ecosystem(
    name="wordpress",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(globs=("*wp-content/plugins/*.php", "*wp-content/mu-plugins/*.php", "*wp-content/themes/*/style.css"),
                max_bytes=4 << 20),
    read=read,
    purl_type="wordpress-plugin",
    upgrade=(("", "wp plugin update", "{name} --version={version}"),),
)  # fmt: skip
