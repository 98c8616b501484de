"""What tables are made of: types, columns, and the table itself. No logic beyond an Arrow schema."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TEXT = pa.string()
LABEL = pa.string()
INT = pa.int64()
SMALL = pa.int32()
FLOAT = pa.float64()
FLAG = pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
BYTES = pa.binary()
TEXTS = pa.list_(pa.field("element", pa.string(), nullable=False))
IDS = pa.list_(pa.field("element", pa.int64(), nullable=False))
NUMBERS = pa.list_(pa.field("element", pa.int32(), nullable=False))
RATINGS = pa.list_(pa.field("element", pa.struct({"source": TEXT, "severity": TEXT, "score": FLOAT, "vector": TEXT})))


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, type and what it means."""

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns, its order and whose commit makes its rows count."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...] = ()
    detector: str = ""
    """The detector whose committed ``layer_scans`` row makes a row of this table count; "" for none."""

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    def only(self, *names: str) -> pa.Schema:
        return pa.schema([self.arrow.field(name) for name in names])


def layer_table(detector: str, name: str, doc: str, *columns: Column, sort: str = "path") -> Table:
    """A facts table: rows belong to one layer, and count only while their scan is the layer's current one."""
    head = (
        Column("layer_digest", LABEL, "the layer blob the fact was read from"),
        Column("task_id", LABEL, "the layer task that wrote the row: rows count only if `layer_scans` commits it"),
    )
    return Table(name, doc, head + columns, ("layer_digest", sort), detector)
