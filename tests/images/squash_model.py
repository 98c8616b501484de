"""What squash is judged by: layers really unpacked, in memory or on disk, one entry after the other.

Nothing here is shared with ``grid.images``. A file's content is (layer, path), so that what is left after unpacking
says whose file it is.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from squash_tables import Entry

Node = tuple[str, object]  # ("dir", {name: node}), ("link", target) or ("file", content)
Content = tuple[int, str]


class Loop(Exception):
    pass


class Tree:
    """A root file system in memory."""

    def __init__(self) -> None:
        self.root: dict[str, Node] = {}
        self.walked: set[tuple[str, ...]] = set()
        """Links that the layer at hand went through, and the directories they are in."""

    def node(self, parts: Sequence[str]) -> Node | None:
        here: Node | None = ("dir", self.root)
        for part in parts:
            if here is None or here[0] != "dir":
                return None
            here = here[1].get(part)  # type: ignore[attr-defined]
        return here

    def enter(self, parts: Sequence[str], own: frozenset[tuple[str, ...]] = frozenset()) -> list[str]:
        """Follow links through every part; those whose name in the layer is in ``own`` are directories there."""
        real: list[str] = []
        links = 0
        for n in range(len(parts)):
            if tuple(parts[: n + 1]) in own:
                real = [*real, parts[n]]
                continue
            todo = [parts[n]]
            while todo:
                part = todo.pop(0)
                if part in ("", "."):
                    continue
                if part == "..":
                    real = real[:-1]
                    continue
                node = self.node([*real, part])
                if node is None or node[0] != "link":
                    real = [*real, part]
                    continue
                links += 1
                if links > 40:
                    raise Loop
                target = str(node[1])
                self.walked.update(tuple([*real, part][: n + 1]) for n in range(len(real) + 1))
                if target.startswith("/"):
                    real = []
                todo = [*target.split("/"), *todo]
        return real

    def delete(self, parts: Sequence[str]) -> None:
        parent = self.node(parts[:-1])
        if parent is not None and parent[0] == "dir":
            parent[1].pop(parts[-1], None)  # type: ignore[attr-defined]

    def put(self, parts: Sequence[str], node: Node) -> None:
        here = self.root
        for part in parts[:-1]:
            here = here.setdefault(part, ("dir", {}))[1]  # type: ignore[assignment]
        here[parts[-1]] = node

    def contents(self) -> set[Content]:
        found = set()
        todo: list[Node] = [("dir", self.root)]
        while todo:
            kind, value = todo.pop()
            if kind == "dir":
                todo.extend(value.values())  # type: ignore[attr-defined]
            elif kind == "file" and value is not None:
                found.add(value)
        return found  # type: ignore[return-value]


def split(path: str) -> list[str]:
    return path.split("/") if path else []


def unpack(tree: Tree, layer: int, entries: Sequence[Entry]) -> list[Entry]:
    """Lay a layer on the tree; returns the entries that could be applied.

    Left out are those that no tool could unpack (a file as parent, a circle of links) and those that would replace
    what the same layer has just written or gone through, which no builder makes.
    """
    while True:
        attempt = copy.deepcopy(tree)
        applied = _apply(attempt, layer, entries)
        if len(applied) == len(entries):
            tree.root = attempt.root
            return applied
        entries = applied


def _apply(tree: Tree, layer: int, entries: Sequence[Entry]) -> list[Entry]:
    own = frozenset(tuple(split(e.path)) for e in entries if e.kind == "dir")
    applied, removals = [], []
    for entry in entries:
        parts = split(entry.path)
        try:
            if entry.kind == "whiteout":
                removals.append([*tree.enter(parts[:-1], own), parts[-1]])
            elif entry.kind == "opaque":
                inside = tree.enter(parts, own)
                node = tree.node(inside)
                if node is not None and node[0] == "dir":
                    removals.extend([*inside, name] for name in node[1])  # type: ignore[attr-defined]
            else:
                continue
            applied.append(entry)
        except Loop:
            continue
    for parts in removals:
        tree.delete(parts)
    tree.walked = set()
    written: set[tuple[str, ...]] = set()
    for entry in entries:
        if entry.kind in ("whiteout", "opaque"):
            continue
        parts = split(entry.path)
        try:
            parent = tree.enter(parts[:-1])
        except Loop:
            continue
        above = [tree.node(parent[:n]) for n in range(len(parent) + 1)]
        if any(node is not None and node[0] != "dir" for node in above):
            continue
        real = [*parent, parts[-1]]
        there = tree.node(real)
        merges = entry.kind == "dir" and there is not None and there[0] == "dir"
        if tuple(real) in written | tree.walked and not merges:
            continue
        applied.append(entry)
        written.update(tuple(real[:n]) for n in range(1, len(real) + 1))
        if entry.kind == "dir":
            if not merges:
                tree.put(real, ("dir", {}))
        elif entry.kind == "symlink":
            tree.put(real, ("link", entry.target))
        else:
            tree.put(real, ("file", (layer, entry.path) if entry.kind == "file" else None))
    return sorted(applied, key=entries.index)


class Disk:
    """The same on a real file system; takes only what ``unpack`` has let through."""

    def __init__(self, root: Path) -> None:
        self.root = os.fspath(root)
        self.linked: set[str] = set()

    def enter(self, parts: Sequence[str], own: frozenset[str] = frozenset()) -> str:
        here = self.root
        for n in range(len(parts)):
            if "/".join(parts[: n + 1]) in own:
                here = os.path.join(here, parts[n])
                continue
            todo = [parts[n]]
            while todo:
                part = todo.pop(0)
                if part == "..":
                    here = here if here == self.root else os.path.dirname(here)
                elif part not in ("", "."):
                    step = os.path.join(here, part)
                    if os.path.islink(step):
                        target = os.readlink(step)
                        here = self.root if target.startswith("/") else here
                        todo = [*target.split("/"), *todo]
                    else:
                        here = step
        return here

    def remove(self, path: str) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path) and not os.path.islink(os.path.dirname(path)):
            os.unlink(path)

    def unpack(self, layer: int, entries: Sequence[Entry]) -> None:
        own = frozenset(e.path for e in entries if e.kind == "dir")
        doomed = []
        for entry in entries:
            parts = split(entry.path)
            if entry.kind == "whiteout":
                parent = self.enter(parts[:-1], own)
                if not os.path.islink(parent):
                    doomed.append(os.path.join(parent, parts[-1]))
            elif entry.kind == "opaque":
                inside = self.enter(parts, own)
                if os.path.isdir(inside) and not os.path.islink(inside):
                    doomed.extend(os.path.join(inside, name) for name in os.listdir(inside))
        for path in doomed:
            self.remove(path)
        for entry in entries:
            if entry.kind in ("whiteout", "opaque"):
                continue
            parts = split(entry.path)
            parent = self.enter(parts[:-1])
            os.makedirs(parent, exist_ok=True)
            real = os.path.join(parent, parts[-1])
            if entry.kind == "dir" and os.path.isdir(real) and not os.path.islink(real):
                continue
            self.remove(real)
            if entry.kind == "dir":
                os.mkdir(real)
            elif entry.kind == "symlink":
                os.symlink(str(entry.target), real)
            elif entry.kind == "hardlink":
                Path(real).touch()
            else:
                Path(real).write_text(f"{layer} {entry.path}")

    def contents(self) -> set[Content]:
        found = set()
        for parent, _, names in os.walk(self.root):
            for name in names:
                path = Path(parent, name)
                if not path.is_symlink() and (text := path.read_text()):
                    layer, _, name_in_layer = text.partition(" ")
                    found.add((int(layer), name_in_layer))
        return found
