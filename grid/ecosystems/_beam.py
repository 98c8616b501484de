"""Applications of the Erlang machine: ``ebin/NAME.app`` of each, as Erlang, Elixir and releases of both hold them.

Source: https://www.erlang.org/doc/apps/kernel/app.html. No file says which of them came from hex.pm; those of
Erlang/OTP and of Elixir themselves did not, and are an ecosystem of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packageurl import PackageURL

from grid.model import Limits, Note, Package

SUFFIX = ".app"

_OWN = frozenset(
    """
    asn1 common_test compiler
    cosEvent cosEventDomain cosFileTransfer cosNotification cosProperty cosTime cosTransactions
    crypto debugger dialyzer diameter edoc eldap erl_docgen erl_interface erts et eunit ftp gs hipe ic inets jinterface
    kernel megaco mnesia observer odbc orber os_mon ose otp_mibs parsetools percept public_key
    reltool runtime_tools sasl
    snmp ssh ssl stdlib syntax_tools test_server tftp tools typer webtool wx xmerl
    elixir eex ex_unit iex logger mix
    """.split()  # noqa: SIM905 - easier to read and to extend
)
_PLACE = re.compile(r"(?:.*/)?ebin/([a-z][A-Za-z0-9_@]*)\.app")
_COMMENT = re.compile(r"^[ \t]*%[^\n]*", re.MULTILINE)
_APPLICATION = re.compile(r"\s*\{\s*application\s*,\s*(?:'([^'\s]+)'|([a-z][A-Za-z0-9_@]*))\s*,")
_VERSION = re.compile(r"""\{\s*'?vsn'?\s*,\s*"([0-9][0-9A-Za-z.+_-]*)"\s*\}""")


def read_hex(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The package of an application file, unless it is a part of Erlang/OTP or Elixir."""
    yield from _read("hex", path, content, own=False)


def read_otp(path: str, content: bytes, limits: Limits) -> Iterator[Package | Note]:
    """The part of Erlang/OTP or Elixir that an application file describes."""
    yield from _read("otp", path, content, own=True)


def _read(kind: str, path: str, content: bytes, *, own: bool) -> Iterator[Package | Note]:
    place = _PLACE.fullmatch(path)
    if place is None or (place[1] in _OWN) != own:
        return
    text = _COMMENT.sub("", content.decode("utf-8", "replace"))
    application, version = _APPLICATION.match(text), _VERSION.search(text)
    if application is None or (application[1] or application[2]) != place[1]:
        if not own:
            yield Note("Unparsable", "the file describes no application of its name", path)
        return
    if version is not None:  # without one it is a template, or built from a working copy
        yield Package(place[1], version[1], purl=PackageURL(kind, None, place[1], version[1]).to_string())
