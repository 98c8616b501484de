"""The walk over all chains, and the rows it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from grid.images.chains import walk, wanted
from grid.images.columns import DISTRO, LANGUAGE, RECORD, STORED, Columns, Layer, LayerColumns, Work, by_component
from grid.images.content import Content, content_columns
from grid.images.distro import DistroFact, choose_distro
from grid.images.place import Placed, names, real_path, redirect, redirect_all
from grid.model import Distro
from grid.schema import CHAINS, HIDDEN

SQUASH_VERSION = "2"
"""Changes whenever the same facts would give other exceptions."""

BATCH_CHAINS = 200_000
BATCH_HIDDEN = 1_000_000
PAIRS_KEPT = 2_000_000
"""Results of (lower, upper) layer pairs that are kept: about 300 MB. The walk is depth-first, so most reuse is near."""

Dead = frozenset[int]
Claim = tuple[Placed, int, Placed, int, str]
Pair = tuple[tuple[tuple[int, str], ...], tuple[Claim, ...]]
NOTHING: Pair = ((), ())
NONE_DEAD: Dead = frozenset()
NO_CONTENT: Content = frozenset()


@dataclass(frozen=True, slots=True)
class Squashed:
    """Rows for the lake. Each chain stands in one batch, together with its exceptions."""

    chains: pa.Table
    """``grid.schema.CHAINS``."""
    hidden: pa.Table
    """``grid.schema.HIDDEN``."""


def squash(
    chains: pa.Table,
    facts: LayerColumns,
    namespace: Callable[[Distro], str | None],
    squash_id: str,
    *,
    systems: Collection[str] | None = None,
    version: str = SQUASH_VERSION,
    work: Work | None = None,
) -> Iterator[Squashed]:
    """What is visible in each chain, as exceptions; see the package's docstring for the rules.

    ``chains`` has ``chain_id, parent_id, layer_digest, depth`` and with every chain its parent; a boolean column
    ``wanted`` marks those that rows are to be made for (all, if it is not there). A parent squashed earlier is given
    again, not wanted: its exceptions are found anew from ``facts`` and not repeated in the result.
    ``namespace`` maps the distribution of a view to the OSV ecosystem of its OS packages. ``systems`` are the OS
    ecosystems, whose package records own files; by default those that ``grid.ecosystems`` calls so. ``version`` goes
    into the rows; ``work`` counts what was done.

    Yields batches in the order of a depth-first walk, at least one. The reasons of ``hidden`` rows:

    * ``hidden``: the fact is not in the merged view from this chain on (``by``: kind and path of the entry).
    * ``owned``: the language package is an OS package's own file from this chain on (``by``: the OS package).
    * ``unowned``: it was, but the OS package's record is gone while the file stays: it is to be matched again.

    Facts are those of packages, distros, secrets and malware; a record that only lists owned files has no row.
    Raises LakeInvalid if a chain's parent is missing.
    """
    if systems is None:
        from grid.ecosystems import ALL  # here, so that the walk itself needs no ecosystem

        systems = [e.name for e in ALL if e.system]
    digests = pc.unique(chains["layer_digest"].combine_chunks())
    run = _Run(chains, Columns(digests, facts, frozenset(systems), work or Work()), namespace, squash_id, version)
    return run.batches()


@dataclass(slots=True)
class _State:
    """The view of a chain, as far as it holds facts."""

    parent: _State | None
    top: Placed | None
    blocks: tuple[tuple[Placed, Dead], ...] = ()
    """Layers with visible facts, each with the facts that are not."""
    linked: tuple[Placed, ...] = ()
    """Layers with symbolic links."""
    owned: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """(placed, language record) → (placed, OS record) that owns it. Shared between states: replaced, never changed."""
    distros: dict[str, DistroFact] = field(default_factory=dict)
    """Visible, by path. Shared as ``owned`` is."""
    distro: int = 0
    content: Content = NO_CONTENT
    """What any of its layers says about the repositories in use."""

    def stack(self) -> tuple[Placed, ...]:
        """Its layers, base first."""
        layers = []
        at: _State | None = self
        while at is not None and at.top is not None:
            layers.append(at.top)
            at = at.parent
        return tuple(reversed(layers))


class _Run:
    def __init__(
        self,
        chains: pa.Table,
        columns: Columns,
        namespace: Callable[[Distro], str | None],
        squash_id: str,
        version: str,
    ) -> None:
        self.chains = chains
        self.columns = columns
        self.work = columns.work
        self.namespace = namespace
        self.squash_id = squash_id
        self.version = version
        self.pairs: dict[int, Pair] = {}
        self.meets: dict[int, bool] = {}
        self.plain: dict[int, Placed] = {}
        self.placed: dict[tuple[object, ...], Placed] = {}
        self.distros: dict[Distro | None, int] = {None: 0}
        self.rows: list[int] = []  # rows of ``chains`` answered since the last batch
        self.row_distros: list[int] = []
        self.row_content: list[tuple[Content, tuple[Placed, ...]]] = []
        self.hidden: tuple[list[int], list[int], list[str], list[str], list[str]] = ([], [], [], [], [])

    # --- the walk --------------------------------------------------------------------------------

    def batches(self) -> Iterator[Squashed]:
        order = walk(self.chains)
        asked = wanted(self.chains).tolist()
        numbers = pc.index_in(self.chains["layer_digest"], value_set=self.columns.digests).to_pylist()
        rows, depths = order.rows.tolist(), order.depths.tolist()
        stack = [_State(None, None)] * (max(depths, default=0) + 1)
        step, answered, distros = self._step, self.rows, self.row_distros
        for row, depth in zip(rows, depths, strict=True):
            state = stack[depth] = step(stack[depth - 1], numbers[row], row if asked[row] else -1)
            if asked[row]:
                answered.append(row)
                distros.append(state.distro)
                self.row_content.append((state.content, state.stack() if state.content else ()))
                if len(answered) >= BATCH_CHAINS or len(self.hidden[0]) >= BATCH_HIDDEN:
                    yield self._flush()
        self.work.chains += len(rows)
        if answered or not any(asked):
            yield self._flush()

    def _step(self, below: _State, number: int, row: int) -> _State:
        """The view of ``below`` with one more layer; exceptions are noted for ``row``, unless that is -1."""
        top = self.plain.get(number)
        if top is None or len(top.layer.through):
            top = self._place(below, self.columns[number])
        pairs, mine = self.pairs, top.number
        found: list[tuple[Placed, Dead, Pair]] = []
        for lower, dead in below.blocks:
            pair = pairs.get(lower.number << 32 | mine)
            if pair is None:
                pair = self._compare(lower, top)
            if pair is not NOTHING:
                found.append((lower, dead, pair))
        state = _State(below, top, below.blocks, below.linked, below.owned, below.distros, below.distro)
        state.content = below.content | top.layer.content if top.layer.content else below.content
        if top.links:
            state.linked = (*below.linked, top)
        if found or top.facts:
            self._merge(state, top, found, row)
        return state

    def _compare(self, lower: Placed, top: Placed) -> Pair:
        hides = top.hides(lower, self.work) if lower is not top else ()
        claims: tuple[Claim, ...] = ()
        if (len(lower.owned) and len(top.languages)) or (len(top.owned) and len(lower.languages)):
            claims = lower.claims(top)
        self.work.pairs += 1
        pair = (hides, claims) if hides or claims else NOTHING
        if len(self.pairs) >= PAIRS_KEPT:
            self.pairs.clear()
        self.pairs[lower.number << 32 | top.number] = pair
        return pair

    def _merge(self, state: _State, top: Placed, found: list[tuple[Placed, Dead, Pair]], row: int) -> None:
        """The step where something happens: facts come or go."""
        gone: dict[int, Dead] = {}  # placed → its dead facts, where they are more than before
        lost: set[tuple[int, int]] = set()  # OS records that own files, gone now
        distros, owned = state.distros, state.owned
        for lower, dead, (hides, _) in found:
            fresh = [(fact, by) for fact, by in hides if fact not in dead]
            if not fresh:
                continue
            gone[lower.number] = dead.union(fact for fact, _ in fresh)
            for fact, by in fresh:
                flags = int(lower.flags[fact])
                if flags & STORED:
                    self._note(row, lower, fact, "hidden", by)
                if flags & DISTRO:
                    distros = {path: f for path, f in distros.items() if path != lower.real(fact)}
                if flags & RECORD:
                    lost.add((lower.number, fact))
                if flags & LANGUAGE and (lower.number, fact) in owned:
                    owned = {key: by for key, by in owned.items() if key != (lower.number, fact)}
        if gone:
            blocks = []
            for lower, dead in state.blocks:
                dead = gone.get(lower.number, dead)
                if len(dead) < lower.facts:
                    blocks.append((lower, dead))
            state.blocks = tuple(blocks)
        if top.facts:  # a layer that came before, and lower, is whole again
            state.blocks = (*(b for b in state.blocks if b[0] is not top), (top, NONE_DEAD))
            if top.distros:
                distros = {**distros, **top.distros}
        claims = [claim for _, _, (_, claims) in found for claim in claims]
        if len(top.languages) and len(top.owned):
            claims.extend((self.pairs.get(top.number << 32 | top.number) or self._compare(top, top))[1])
        if claims or lost:
            owned = self._own(state, owned, claims, lost, row)
        state.owned = owned
        if distros is not state.distros:
            state.distros = distros
            state.distro = self._distro(distros)

    def _own(
        self,
        state: _State,
        owned: dict[tuple[int, int], tuple[int, int]],
        claims: list[Claim],
        lost: set[tuple[int, int]],
        row: int,
    ) -> dict[tuple[int, int], tuple[int, int]]:
        """Who owns which language record now."""
        dead = {placed.number: facts for placed, facts in state.blocks}
        orphans = {key for key, record in owned.items() if record in lost}
        if not claims and not orphans:
            return owned
        owned = dict(owned)

        def hand_over(claims: Iterable[Claim]) -> None:
            for ours, fact, theirs, record, owner in claims:
                key = (ours.number, fact)
                if fact in dead.get(ours.number, (fact,)) or record in dead.get(theirs.number, (record,)):
                    continue
                if key in orphans:
                    orphans.discard(key)
                elif key in owned:
                    continue
                else:
                    self._note(row, ours, fact, "owned", owner)
                owned[key] = (theirs.number, record)

        hand_over(claims)
        for ours, _ in state.blocks if orphans else ():  # a record of another layer may own them too
            if any(number == ours.number for number, _ in orphans):
                for theirs, _ in state.blocks:
                    hand_over(c for c in theirs.claims(ours) if (c[0].number, c[1]) in orphans)
        for ours, _ in state.blocks:
            for key in sorted(k for k in orphans if k[0] == ours.number):
                del owned[key]
                self._note(row, ours, key[1], "unowned", "its OS package's record is gone")
        return owned

    def _distro(self, facts: dict[str, DistroFact]) -> int:
        chosen = choose_distro(facts)
        return self.distros.setdefault(chosen, len(self.distros))

    # --- where a layer's entries really are ------------------------------------------------------

    def _place(self, below: _State, layer: Layer) -> Placed:
        plain = self.plain.get(layer.number)
        if plain is None:
            plain = self.plain[layer.number] = Placed(layer.number, layer)
        if not (layer.followed or any(self._meet(lower, layer) for lower in below.linked)):
            return plain
        self.work.resolved += 1

        def lower_link(real: str) -> str | None:
            return self._link_at(below, real)

        # whiteouts first: they act on the view below, but in directories that this layer names its own
        opened = redirect_all(layer.opened, lower_link)
        covers = Placed(-1, layer, None, opened) if opened else plain
        own: dict[str, str] = {}
        redirects: dict[str, str] = {}
        place = ""

        def link_at(real: str) -> str | None:
            target = own.get(real)
            if target is not None:
                return target
            if any(by_component(name) < place and layer.has_dir(name) for name in names(redirects, real)):
                return None
            return None if covers.covered(real) else lower_link(real)

        turns = [(by_component(path), 0, path) for path in layer.targets]
        turns += [(by_component(path), 1, path) for path in layer.implied]
        for key, is_parent, path in sorted(turns):
            place = key
            if is_parent:
                redirect(path, redirects, link_at)
            else:
                own[real_path(redirects, path)] = layer.targets[path]
        place = "\uffff"
        folded = redirect_all(layer.folded, link_at)
        if not (redirects or opened or folded):
            return plain
        followed = (layer.number, *(tuple(sorted(r.items())) for r in (redirects, opened, folded)))
        placed = self.placed.get(followed)
        if placed is None:
            number = len(self.columns.digests) + len(self.placed)
            placed = self.placed[followed] = Placed(number, layer, redirects, opened, folded)
        return placed

    def _meet(self, lower: Placed, layer: Layer) -> bool:
        """Whether a link of ``lower`` may stand where ``layer`` has a directory without an entry."""
        key = lower.number << 32 | layer.number
        meets = self.meets.get(key)
        if meets is None:
            links, through = lower.link_hashes, layer.through
            few, many = (links, through) if len(links) <= len(through) else (through, links)
            meets = bool((many.take(many.searchsorted(few), mode="clip") == few).any())
            if len(self.meets) >= PAIRS_KEPT:
                self.meets.clear()
            self.meets[key] = meets
        return meets

    def _link_at(self, state: _State | None, real: str) -> str | None:
        """Target of the symbolic link at ``real`` in the view of ``state``; None if there is none."""
        if state is None or not any(real in placed.links for placed in state.linked):
            return None
        while state is not None and state.top is not None:
            target = state.top.links.get(real)
            if target is not None:
                return target
            if state.top.over(real) is not None:
                return None
            state = state.parent
        return None

    # --- rows ------------------------------------------------------------------------------------

    def _note(self, row: int, placed: Placed, fact: int, reason: str, by: str) -> None:
        if row < 0:
            return
        rows, layers, paths, reasons, causes = self.hidden
        rows.append(row)
        layers.append(placed.layer.number)
        paths.append(placed.raw(fact))
        reasons.append(reason)
        causes.append(by)

    def _flush(self) -> Squashed:
        now = datetime.now(UTC)
        chains = self.chains.take(pa.array(self.rows, pa.int64()))
        known = list(self.distros)
        spaces = [None if d is None else self.namespace(d) for d in known]
        at = pa.array(self.row_distros, pa.int32())
        count = len(self.rows)

        def constant(value: object, name: str) -> pa.Array:
            return pa.repeat(pa.scalar(value, CHAINS.arrow.field(name).type), count)

        out = {
            **{name: chains[name] for name in ("chain_id", "parent_id", "layer_digest", "depth")},
            "version": constant(self.version, "version"),
            "squash_id": constant(self.squash_id, "squash_id"),
            "distro_id": pa.array([d and d.id for d in known], pa.string()).take(at),
            "distro_version": pa.array([(d and d.version_id) or None for d in known], pa.string()).take(at),
            "distro_name": pa.array([(d and d.pretty_name) or None for d in known], pa.string()).take(at),
            "os_namespace": pa.array(spaces, pa.string()).take(at),
            **content_columns(
                [
                    (c, [(self.columns.digest(p.layer.number), p.layer.content) for p in stack])
                    for c, stack in self.row_content
                ]
            ),
            "squashed_at": constant(now, "squashed_at"),
        }
        rows, layers, paths, reasons, causes = self.hidden
        exceptions = {
            "chain_id": self.chains["chain_id"].take(pa.array(rows, pa.int64())),
            "squash_id": pa.repeat(pa.scalar(self.squash_id), len(rows)),
            "layer_digest": self.columns.digests.take(pa.array(layers, pa.int64())),
            "path": pa.array(paths, pa.string()),
            "reason": pa.array(reasons, pa.string()),
            "by": pa.array(causes, pa.string()),
        }
        self.rows.clear()
        self.row_distros.clear()
        self.row_content.clear()
        for noted in self.hidden:
            noted.clear()
        out |= {c.name: pa.nulls(count, c.type) for c in CHAINS.columns if c.name not in out}  # the store fills them in
        return Squashed(
            pa.table(out).select(CHAINS.arrow.names).cast(CHAINS.arrow),
            pa.table(exceptions).select(HIDDEN.arrow.names).cast(HIDDEN.arrow),
        )
