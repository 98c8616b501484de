"""Strike secrets out of build steps, environment values and the like before they are kept or shown.

Two rules: what the secret rules find, and the value of any variable or option whose name says that it is one
(``ARG API_TOKEN=…``, ``--password …``). Here a false alarm costs a few letters of a build step, so the second is broad.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from grid.detectors.secrets import DETECTOR
from grid.schema import FILES

STRUCK = "…"

_NAME = (
    r"(?:passw(?:or)?d|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credentials?|auth(?:orization)?|pwd)"
)
_NAMED = re.compile(
    rf"""(?xi)
    (
      (?<![\w-]) [\w.-]{{0,64}}? {_NAME} [\w.-]{{0,64}} \s*[=:]\s*   # a variable, an option with =, a header
      | (?<![\w-]) --? [\w.-]{{0,64}}? {_NAME} [\w.-]{{0,64}} \s+     # an option and its value
    )
    ( "[^"\n]{{1,4096}}" | '[^'\n]{{1,4096}}' | [^\s"'&|;]{{1,4096}} )
    """
)
_URL_USER = re.compile(r"(\b[a-zA-Z][\w+.-]{0,30}://)[^\s/@:]{1,256}:[^\s/@]{1,1024}@")


def redact(texts: list[str]) -> list[str]:
    """The same texts with every secret in them replaced by ``…``."""
    if not any(texts):
        return list(texts)
    return [_named(text) for text in _found(texts)]


def _named(text: str) -> str:
    text = _URL_USER.sub(rf"\1{STRUCK}@", text)
    return _NAMED.sub(lambda m: m.group(1) + _keep(m.group(2)), text)


def _keep(value: str) -> str:
    """A reference to a variable is no secret, and says what the step does."""
    return value if re.fullmatch(r"\"?'?\$\{?\w+\}?'?\"?", value) else STRUCK


def _found(texts: Sequence[str]) -> list[str]:
    contents = [text.encode("utf-8", "surrogatepass") for text in texts]
    count = len(contents)
    files = pa.record_batch(
        {
            "path": pa.array(["build-step"] * count, pa.string()),
            "size": pa.array([len(c) for c in contents], pa.int64()),
            "mode": pa.array([0] * count, pa.int32()),
            "content": pa.array(contents, pa.binary()),
        },
        schema=FILES,
    )
    struck = [bytearray(c) for c in contents]
    for row, start, end in sorted(DETECTOR.spans(files), reverse=True):
        struck[row][start:end] = STRUCK.encode()
    return [bytes(c).decode("utf-8", "replace") for c in struck]
