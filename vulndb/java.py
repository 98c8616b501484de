"""The Java index: which artifact a jar is, by the SHA-1 of its bytes. Optional, made from a table that the site brings.

Repositories know every jar by its SHA-1, and many jars say nothing of themselves. The table is text with four columns
divided by tabs, in any order of rows: ``sha1 group artifact version``; compressed by gzip or not. It becomes sixteen
Parquet files by the first digit of the hash, each made by itself, so that memory does not grow with the table.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from grid.database import JAVA, JAVA_CURRENT
from grid.errors import FeedInvalid

_DIGITS = "0123456789abcdef"

_READ = """
CREATE TEMP VIEW stated AS
SELECT lower(trim(sha1)) AS sha1, trim(grp) AS "group", trim(artifact) AS artifact, trim(version) AS version
FROM read_csv($file$, delim = '\t', header = false, quote = '', escape = '', comment = '', strict_mode = false,
    null_padding = false, ignore_errors = true, auto_detect = false, max_line_size = 65536,
    columns = {'sha1': 'VARCHAR', 'grp': 'VARCHAR', 'artifact': 'VARCHAR', 'version': 'VARCHAR'})
WHERE regexp_full_match(lower(trim(sha1)), '[0-9a-f]{40}')
    AND regexp_full_match(trim(grp), '[A-Za-z0-9_][A-Za-z0-9_.+-]*')
    AND regexp_full_match(trim(artifact), '[A-Za-z0-9_][A-Za-z0-9_.+-]*')
    AND regexp_full_match(trim(version), '[A-Za-z0-9][A-Za-z0-9._+~-]*')
"""

# The same bytes were published under several names at times: the first in alphabetical order is as good as any.
_PART = """
COPY (
  SELECT sha1, min(struct_pack("group" := "group", artifact := artifact, version := version)) AS named
  FROM stated WHERE starts_with(sha1, '{digit}') GROUP BY sha1
  ORDER BY sha1) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""


def build(source: Path, root: Path) -> int:
    """Make the index of ``source`` and switch to it; how many jars it names.

    A reader sees the index before or the new one, whole. Raises FeedInvalid if the table has no usable line.
    """
    if not source.is_file():
        raise FeedInvalid(f"{source}: no such file")
    folder = root / JAVA
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as con:
            con.execute("SET memory_limit = '1GB'; SET preserve_insertion_order = false")
            con.execute(f"SET temp_directory = '{_text(work / 'spill')}'")
            try:
                con.execute(_READ.replace("$file$", f"'{_text(source)}'"))
                for digit in _DIGITS:
                    con.execute(_PART.format(digit=digit, path=_text(work / f"{digit}.parquet")))
                (rows,) = con.execute(f"SELECT count(*) FROM '{_text(work)}/*.parquet'").fetchall()[0]
            except duckdb.Error as error:
                raise FeedInvalid(f"{source}: {str(error).partition(chr(10))[0]}") from None
        if not rows:
            raise FeedInvalid(f"{source}: no line has a SHA-1, group, artifact and version")
        shutil.rmtree(work / "spill", ignore_errors=True)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        work.rename(folder / name)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _switch(folder, name)
    return int(rows)


def _text(path: Path) -> str:
    return str(path).replace("'", "''")


def _switch(folder: Path, name: str) -> None:
    pointer = folder / JAVA_CURRENT
    before = pointer.read_text("utf-8").strip() if pointer.exists() else ""
    temporary = folder / f".{name}"
    temporary.write_text(name, "utf-8")
    temporary.replace(pointer)
    for old in folder.iterdir():  # a reader may still be in the one before
        if old.is_dir() and old.name not in (name, before) and not old.name.startswith("."):
            shutil.rmtree(old, ignore_errors=True)
