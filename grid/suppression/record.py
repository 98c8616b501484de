"""What was said for a sweep, in the lake.

What is said against secrets stands by itself, for they are found without any database; the views compare it with what
the layers hold (``sql/_secret_verdicts.sql``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa

from grid.events import Emit, Warned
from grid.schema import SECRET_STATEMENTS
from grid.suppression.statement import Statement


class Lake(Protocol):
    """What is needed of ``grid.store.Lake``, which stands above."""

    def read(self, table: str, columns: list[str] | None = None, filter: dict[str, Any] | None = None) -> pa.Table: ...

    def write(self, table: str, name: str, rows: pa.Table) -> int: ...


_TABLE = SECRET_STATEMENTS.name


def warn(statements: Sequence[Statement], emit: Emit) -> None:
    """Tell of the statements that do not apply."""
    today = datetime.now(UTC).date()
    for state, sentence in (("expired", "have expired"), ("invalid", "cannot be applied")):
        bad = [s for s in statements if s.state(today) == state]
        if bad:
            told = ", ".join(f"{s.origin}{f' ({s.problem})' if s.problem else ''}" for s in bad[:3])
            more = f" and {len(bad) - 3} more: select * from statements" if len(bad) > 3 else ""
            emit(Warned(f"{len(bad)} of {len(statements)} suppressing statements {sentence}: {told}{more}"))


def secrets(lake: Lake, sweep_id: str, statements: Sequence[Statement]) -> None:
    """Write down those that may be about secrets, in the order in which they decide, instead of earlier ones."""
    now = datetime.now(UTC)
    rows = [
        s.row() | {"number": number, "state": s.state(now.date())}
        for number, s in enumerate((s for s in statements if s.secrets), 1)
    ]
    if not rows:
        if not lake.read(_TABLE, ["sweep_id"], {"sweep_id": [sweep_id]}).num_rows:
            return
        rows = [{"number": 0, "kind": "none", "origin": "", "state": "none"}]
    mark = {"sweep_id": sweep_id, "said_at": now}
    table = pa.Table.from_pylist([row | mark for row in rows], schema=SECRET_STATEMENTS.arrow)
    lake.write(_TABLE, f"{sweep_id}-{now:%Y%m%dT%H%M%S%f}", table)


def last(lake: Lake, sweep_id: str) -> list[Statement]:
    """What was said when the sweep was matched last."""
    matches = lake.read("matches", ["match_id"], {"sweep_id": sweep_id})["match_id"].to_pylist()
    found = lake.read("statements", filter={"match_id": matches}).sort_by("number").to_pylist() if matches else []
    secret = lake.read(_TABLE, filter={"sweep_id": [sweep_id]}).sort_by("number").to_pylist()
    newest = max((row["said_at"] for row in secret), default=None)
    kept = [row | {"status": "accepted"} for row in secret if row["number"] and row["said_at"] == newest]
    return [Statement.of_row(row) for row in (*found, *kept)]
