"""What is parsed on its own: a feed, or a part of one. Its rows are kept, and made anew only when they would differ.

A part's rows lie in ``workspace/<feed>/.staged/<part>-<key>/``, where the key is a hash over its files, its parser and
the version schemes. So an update in which one small feed has changed parses that one, and a part can be parsed
anywhere: in this process, in others, on Ray (``vulndb.workers``).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import orjson

from grid.ecosystems import ALL
from grid.errors import GridError
from vulndb.feed import Feed, FileState, Workspace
from vulndb.publish import sync_folder, write_durably
from vulndb.records import Skipped
from vulndb.stage import STAGE_VERSION, Stage

STAGED = ".staged"
_SUMMARY = "staged.json"
_TICK = 2_000
_REASON = 300
"""Characters of an error that is passed on."""

Tick = Callable[[int], None]
"""Told how many records have been read, now and then."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a part came to."""

    advisories: int
    """Records that say something."""
    ranges: int
    """Rows of ``ranges`` and ``exact``."""
    notes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    """Processor time."""


@dataclass(frozen=True, slots=True)
class Part:
    """One unit of parsing; it can be pickled."""

    feed: Feed
    name: str
    """"" where a feed is one part; OSV has one for each ecosystem."""
    workspace: Path
    files: tuple[FileState, ...]

    @property
    def label(self) -> str:
        return f"{self.feed.name} {self.name}".rstrip()

    @property
    def bytes(self) -> int:
        return sum(state.bytes for state in self.files)

    @property
    def folder(self) -> Path:
        """Where its rows are, once it is ``ready``."""
        document = [
            STAGE_VERSION, self.feed.name, self.feed.version, self.feed.verdicts,
            sorted((state.url, state.sha256) for state in self.files), _schemes(),
        ]  # fmt: skip
        key = hashlib.sha256(orjson.dumps(document)).hexdigest()[:20]
        return self.workspace / STAGED / f"{quote(self.name, safe=' ') or 'all'}-{key}"

    def ready(self) -> Summary | None:
        """What it came to, if its rows are there."""
        folder = self.folder
        try:
            raw = orjson.loads((folder / _SUMMARY).read_bytes())
            if any((folder / name).stat().st_size != size for name, size in raw.pop("files").items()):
                return None
            return Summary(**raw)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def _schemes() -> list[tuple[str, str, int]]:
    """How versions are encoded, by namespace."""
    return sorted((namespace, e.name, e.key_version) for e in ALL for namespace in e.osv)


def parts_of(feed: Feed, workspace: Workspace) -> list[Part]:
    """The parts of what has been fetched; none of a feed without files. A feed may say them itself (``parts``)."""
    files = {state.url: state for state in workspace.files.values() if not state.aside}
    split: Callable[[Iterable[str]], dict[str, list[str]]] | None = getattr(feed, "parts", None)
    groups = split(files) if split is not None else {"": list(files)}
    return [
        Part(feed, name, workspace.folder, tuple(files[url] for url in sorted(urls)))
        for name, urls in sorted(groups.items())
        if urls
    ]


def stage_part(part: Part, tick: Tick = lambda count: None) -> Summary:
    """Parse a part and put its rows where they belong. Raises what its feed's ``parse`` raises."""
    target = part.folder
    temporary = target.with_name(f".tmp-{os.getpid()}-{os.urandom(4).hex()}")
    started = time.process_time()
    try:
        with Stage(temporary) as stage:
            count = 0
            for record in part.feed.parse(Workspace(part.workspace, {state.url: state for state in part.files})):
                stage.add(part.feed.name, record, verdicts=part.feed.verdicts)
                if not isinstance(record, Skipped):
                    count += 1
                    if count % _TICK == 0:
                        tick(count)
        name = part.feed.name
        seconds = round(time.process_time() - started, 3)
        summary = Summary(stage.advisories[name], stage.ranges[name], dict(stage.notes), seconds)
        sizes = {path.name: path.stat().st_size for path in temporary.iterdir()}
        write_durably(temporary / _SUMMARY, orjson.dumps({**asdict(summary), "files": sizes}))
        shutil.rmtree(target, ignore_errors=True)  # damaged, or it would not be made anew
        temporary.rename(target)
        sync_folder(target.parent)
        return summary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def try_part(part: Part, tick: Tick = lambda count: None) -> Summary | str:
    """``stage_part``, or why it could not be: what is wrong with one feed must not stop the others."""
    try:
        return stage_part(part, tick)
    except GridError as error:
        return str(error)[:_REASON]
    except MemoryError:
        return "there was not enough memory to read it"
    except Exception as error:
        return f"it could not be read: {type(error).__name__}: {error}"[:_REASON]


def forget_others(workspace: Path, kept: Iterable[Part]) -> None:
    """Remove staged rows of a feed that no part of ``kept`` has, and what a killed update has left."""
    names = {part.folder.name for part in kept}
    folder = workspace / STAGED
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path, ignore_errors=True)


def total(summaries: Iterable[Summary]) -> Counter[str]:
    """All their notes."""
    notes: Counter[str] = Counter()
    for summary in summaries:
        notes.update(summary.notes)
    return notes
