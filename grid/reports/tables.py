"""Query results as a table on the screen, JSON, CSV or Parquet."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

MAX_ROWS = 1000
"""Rows a table on the screen shows at most; the other forms show all."""

STYLES = {
    "critical": "bold white on red",
    "high": "red",
    "medium": "yellow",
    "low": "blue",
    "negligible": "dim",
    "unknown": "dim",
}


def write(result: pa.Table, form: str, output: Path | None) -> None:
    """Write a result in ``form`` (table, json, csv, parquet) to a file, or to standard output."""
    if form == "table":
        if output is None:
            show(Console(highlight=False, width=None if sys.stdout.isatty() else 200), result)
        else:
            with output.open("w", encoding="utf-8") as file:
                show(Console(file=file, highlight=False, width=200), result)
        return
    if output is not None:
        with output.open("wb") as sink:
            _binary(result, form, sink)
    else:
        _binary(result, form, cast("BinaryIO", sys.stdout.buffer))


def _binary(result: pa.Table, form: str, sink: BinaryIO) -> None:
    match form:
        case "json":
            sink.write(orjson.dumps(result.to_pylist(), default=_plain, option=orjson.OPT_INDENT_2))
            sink.write(b"\n")
        case "csv":
            pacsv.write_csv(_flat(result), sink)
        case _:
            pq.write_table(result, sink, compression="zstd")


def _plain(value: object) -> str:
    """What JSON has no form for; bytes as hexadecimal digits."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _flat(result: pa.Table) -> pa.Table:
    """CSV has neither lists nor bytes: they become texts, separated by blanks and as hexadecimal digits."""
    for index, field in enumerate(result.schema):
        binary = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
        if binary or pa.types.is_nested(field.type):
            values = result.column(index).to_pylist()
            texts = [None if v is None else v.hex() if binary else " ".join(map(str, v)) for v in values]
            result = result.set_column(index, field.name, pa.array(texts, pa.string()))
    return result


def show(console: Console, result: pa.Table) -> None:
    """A table for people: numbers to the right, severities coloured, long results cut and said so."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for field in result.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        table.add_column(field.name, justify="right" if number else "left", overflow="fold")
    for row in result.slice(0, MAX_ROWS).to_pylist():
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    console.print(table)
    more = f", the first {MAX_ROWS} shown" if result.num_rows > MAX_ROWS else ""
    console.print(Text(f"{result.num_rows:,} row{'' if result.num_rows == 1 else 's'}{more}", style="dim"))


def _cell(name: str, value: object) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text(str(value).lower())
    if isinstance(value, float):
        return Text(f"{value:,.2f}".rstrip("0").rstrip("."))
    if isinstance(value, list):
        return Text(" ".join(map(str, value)))
    text = str(value)
    if name.endswith("digest") and text.startswith("sha256:"):
        return Text(text[:19] + "…")
    return Text(text, style=STYLES.get(text, "") if name == "severity" else "")
