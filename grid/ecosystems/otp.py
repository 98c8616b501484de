"""The applications of Erlang/OTP and Elixir themselves (``ssl``, ``kernel``, ``mix`` …), as an inventory.

hex.pm does not hold them and OSV has no ecosystem for them; what is installed from hex.pm is in ``hex.py``.
"""

from __future__ import annotations

from grid.ecosystems import Ecosystem, language
from grid.ecosystems._beam import SUFFIX, read_otp
from grid.keys.rpm import key
from grid.model import Wants

ECOSYSTEM = Ecosystem(
    name="otp",
    version=1,
    key=key,
    namespace=language(None),
    osv=(),
    wants=Wants(suffixes=(SUFFIX,), max_bytes=1 << 20),
    read=read_otp,
)
