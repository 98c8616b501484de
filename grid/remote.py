"""Lakes in object stores, for DuckDB: it reads their files through the Arrow filesystem that wrote them.

So both find the same credentials in the same places, and DuckDB needs no extension, which it would fetch from the
network. Other clients have the store's own address in ``scangrid.duckdb``, and read it with their own extension and
secrets.
"""

from __future__ import annotations

import io
import time
from typing import Any

import duckdb
import pyarrow.fs as pafs
from fsspec.implementations.arrow import ArrowFSWrapper

from grid.store import WRITTEN, Lake

_SCHEME = "scangrid-lake://"
_TRUST = 5.0
"""Seconds for which what others write may go unseen."""
_SMALL = 256 << 10
"""Below this many bytes a file is fetched whole, once: DuckDB would ask for its end, its end again, and each column."""
_ROOM = 64 << 20
"""Bytes of small files that a connection keeps."""


class _Files(ArrowFSWrapper):  # type: ignore[misc]  # fsspec has no types
    protocol = _SCHEME.removesuffix("://")
    cachable = False  # fsspec would know filesystems again by their address in memory, which another may have by then

    def __init__(self, fs: pafs.FileSystem) -> None:
        super().__init__(fs)
        self._lists: dict[str, tuple[float, int, list[Any]]] = {}
        self._infos: dict[str, Any] = {}
        self._small: dict[str, bytes] = {}
        self._room = _ROOM

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(_SCHEME).rstrip("/")

    def ls(self, path: str, detail: bool = False, **more: Any) -> Any:
        """As listed a moment ago, unless this process has written since: a question names a table many times."""
        path = self._strip_protocol(path)
        at, written, entries = self._lists.get(path, (-_TRUST, -1, []))
        if time.monotonic() - at > _TRUST or written != WRITTEN.files:
            at, written = time.monotonic(), WRITTEN.files
            entries = super().ls(path, detail=True, **more)
            self._lists[path] = at, written, entries
            for entry in entries:
                if self._infos.get(entry["name"]) != entry:
                    self._infos[entry["name"]] = entry
                    self._small.pop(entry["name"], None)
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **more: Any) -> Any:
        """As listed: what has that name holds the same, but for a task that was done again."""
        path = self._strip_protocol(path)
        if path not in self._infos:
            self._infos[path] = super().info(path, **more)
        return self._infos[path]

    def modified(self, path: str) -> Any:
        """When it was written."""
        return self.info(path)["mtime"]

    def _open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        path = self._strip_protocol(path)
        size = self.info(path)["size"] if mode == "rb" else _SMALL
        if path not in self._small and size < min(_SMALL, self._room):
            self._room -= size
            with self.fs.open_input_stream(path) as file:
                self._small[path] = file.read()
        if path in self._small:
            return io.BytesIO(self._small[path])
        return super()._open(path, mode=mode, **more)


def attach(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Let a connection read a lake that is no folder of this machine, under its ``place``."""
    con.register_filesystem(_Files(lake.fs))


def place(lake: Lake) -> str:
    """Where such a lake lies for a connection that it is attached to."""
    return _SCHEME + lake.root
