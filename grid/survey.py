"""What the estate holds tonight: list the images, look each one up, resolve the new ones.

An image whose digest the lake knows costs one HEAD request. A new one is counted against its registry's limit
before its manifest is asked for; what the limit does not grant is deferred.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import pyarrow as pa

from grid.errors import GridError, RateLimited, all_errors
from grid.estate import Estate, RegistryRules
from grid.events import Emit, ImageListed, ImageResolved, Warned
from grid.images import chain_ids
from grid.limiter import Limiter
from grid.model import LOCAL_TRANSPORTS, Image, Platform, Reference, is_digest
from grid.registries import Access, Registry, connect
from grid.schema import IMAGE_LAYERS, MANIFESTS
from grid.store import Lake

FLUSH_IMAGES = 500
"""New images are written to the lake this many at a time: a crash loses at most these manifests."""

Redact = Callable[[list[str]], list[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """One image that the estate lists: a tag, or a digest that somebody named."""

    access: Access
    repository: str
    tag: str
    digest: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.access.label, self.repository, self.tag or self.digest)


@dataclass(frozen=True, slots=True)
class Resolved:
    """One platform's image of a resolved digest, as the ``manifests`` table has it."""

    digest: str
    config_digest: str | None
    media_type: str | None
    os: str | None
    arch: str | None
    created: datetime | None
    size_bytes: int
    layer_count: int
    status: str
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A target and how looking it up ended: its images, or a failure, or deferred."""

    target: Target
    ref_digest: str = ""
    images: tuple[Resolved, ...] = ()
    status: str = "ok"
    error_code: str = ""
    error_message: str = ""


class Registries:
    """The registries of one sweep, each opened once: its tokens and connections serve listing and looking up."""

    def __init__(self) -> None:
        self._open: dict[Access, Registry] = {}

    def __getitem__(self, access: Access) -> Registry:
        if access not in self._open:
            self._open[access] = connect(access)
        return self._open[access]

    def __enter__(self) -> Registries:
        return self

    def __exit__(self, *exc: object) -> None:
        for registry in self._open.values():
            registry.close()


def access_of(rules: RegistryRules) -> Access:
    """How a registry of the estate is reached."""
    return Access(
        kind=rules.kind,
        address=rules.address,
        name=rules.name,
        credential=rules.credential,
        plain_http=rules.http,
        ca_file=rules.ca_file,
        timeout=rules.timeout,
    )


def targets_of(reference: Reference, access: Access | None = None, opened: Registries | None = None) -> list[Target]:
    """The targets that one reference means: a local source without a tag means all of its images."""
    if opened is None:
        with Registries() as opened:
            return targets_of(reference, access, opened)
    local = reference.transport in LOCAL_TRANSPORTS
    address = reference.path if local else reference.registry
    access = access or Access(kind=reference.transport, address=address)
    if not local or reference.tag or reference.digest:
        wanted = Target(access, reference.repository, reference.tag, reference.digest)
        if not local or reference.repository or reference.digest:
            return [wanted]
    registry = opened[access]
    named = [Target(access, r, t) for r in registry.repositories() for t in registry.tags(r)]
    if not reference.tag:
        return named
    # a bare word is a tag without a name, or the name of a repository
    return [t for t in named if t.key == wanted.key] or [t for t in named if t.repository == reference.tag] or [wanted]


def list_targets(
    estate: Estate, previous: Mapping[str, list[tuple[str, str]]], opened: Registries, emit: Emit
) -> tuple[list[Target], list[Listed]]:
    """All images of the estate, and those whose registry or repository could not be listed.

    ``previous``: registry label → (repository, tag) of the last sweep, so that what cannot be listed tonight is
    reported as failed instead of vanishing.
    """
    targets: dict[tuple[str, str, str], Target] = {}
    failures: list[Listed] = []

    def add(target: Target) -> None:
        if target.key not in targets:
            targets[target.key] = target
            emit(ImageListed(target.access.label))

    def failed(access: Access, repository: str, error: GridError) -> None:
        emit(Warned(f"{error.code}: {error.at(access.label)}"))
        known = [(r, t) for r, t in previous.get(access.label, []) if not repository or r == repository]
        for lost_repository, tag in known or [(repository, "")]:
            failures.append(
                Listed(
                    Target(access, lost_repository, tag), status="failed",
                    error_code=error.code, error_message=f"could not be listed: {error.message}",
                )
            )  # fmt: skip

    for rules in estate.registries:
        access = access_of(rules)
        try:
            registry = opened[access]
            for repository in _repositories(rules, registry):
                try:
                    for tag in registry.tags(repository):
                        if rules.wants_tag(tag):
                            add(
                                Target(access, repository, "" if is_digest(tag) else tag, tag if is_digest(tag) else "")
                            )
                except GridError as error:
                    failed(access, repository, error)
        except GridError as error:
            failed(access, "", error)
    by_address = {r.address: access_of(r) for r in estate.registries if r.kind == "docker"}
    for text in estate.images:
        reference = Reference.parse(text)
        try:
            for target in targets_of(reference, by_address.get(reference.registry), opened):
                add(target)
        except GridError as error:
            failed(Access(kind=reference.transport, address=reference.path), "", error)
    return list(targets.values()), failures


def _repositories(rules: RegistryRules, registry: Registry) -> Iterator[str]:
    if rules.kind == "docker" and not rules.lists:
        yield from (p for p in rules.repositories if not p.startswith("!"))
        return
    yield from (name for name in registry.repositories() if rules.wants_repository(name))


def known_manifests(lake: Lake, policy: str) -> dict[str, tuple[Resolved, ...]]:
    """What the lake knows: what a tag may point at → the images it resolves to under a platform policy."""
    rows = lake.read("manifests", filter={"platforms": policy}).to_pylist()
    known: dict[str, list[Resolved]] = {}
    for row in rows:
        known.setdefault(row["ref_digest"], []).append(Resolved(**{name: row[name] for name in Resolved.__slots__}))
    return {ref: tuple(sorted(images, key=lambda i: i.digest)) for ref, images in known.items()}


@dataclass(slots=True)
class _Resolver:
    """Looks targets up from many threads; each new digest is asked for once, however many tags name it."""

    lake: Lake
    platforms: tuple[Platform, ...]
    policy: str
    limiter: Limiter
    emit: Emit
    redact: Redact
    known: dict[str, tuple[Resolved, ...]]
    lock: threading.Lock = field(default_factory=threading.Lock)
    flights: dict[str, Future[tuple[Resolved, ...] | None]] = field(default_factory=dict)
    fresh: list[tuple[str, Image]] = field(default_factory=list)

    def look_up(self, registry: Registry, target: Target) -> Listed:
        try:
            ref = target.digest or registry.digest(target.repository, target.tag)
            images = self.known.get(ref)
            known = images is not None
            if images is None:
                images = self._resolve(registry, target, ref)
                if images is None:
                    self.emit(ImageResolved(False, "deferred"))
                    return Listed(
                        target, ref, status="deferred", error_code="RateLimited",
                        error_message="images_per_hour is used up: the next sweep takes this image first",
                    )  # fmt: skip
            self.emit(ImageResolved(known, "ok"))
            return Listed(target, ref, images)
        except RateLimited as error:
            self.limiter.pause(target.access.label, error.retry_after or 60.0)
            self.emit(ImageResolved(False, "deferred"))
            return Listed(target, status="deferred", error_code=error.code, error_message=error.message)
        except GridError as error:
            self.emit(ImageResolved(False, "failed"))
            return Listed(target, status="failed", error_code=error.code, error_message=error.message)

    def _resolve(self, registry: Registry, target: Target, ref: str) -> tuple[Resolved, ...] | None:
        with self.lock:
            flight = self.flights.get(ref)
            mine = flight is None
            if flight is None:
                flight = self.flights[ref] = Future()
        if not mine:
            return flight.result()
        try:
            if not self.limiter.take(target.access.label, 1):
                with self.lock:
                    del self.flights[ref]
                flight.set_result(None)
                return None
            resolved = self._ask(registry, target, ref)
        except BaseException as error:
            with self.lock:
                self.flights.pop(ref, None)
            flight.set_exception(error)
            flight.exception()  # somebody has looked: no warning about an error nobody retrieved
            raise
        images = tuple(_known(image) for image in resolved)
        with self.lock:
            if all(_lasts(i) for i in images):
                self.known[ref] = images
            self.fresh += [(ref, image) for image in resolved]
            due = self._take_fresh(FLUSH_IMAGES)
        flight.set_result(images)
        self.write(due)
        return images

    def _ask(self, registry: Registry, target: Target, ref: str) -> list[Image]:
        """Resolve; a fault of the content itself is an answer too: it need not be paid for every night."""
        try:
            return registry.resolve(target.repository, ref, self.platforms)
        except GridError as error:
            if not error.final:
                raise
            nowhere = Platform("", "")
            return [Image(ref, ref, nowhere, status="failed", error_code=error.code, error_message=error.message)]

    def _take_fresh(self, least: int) -> list[tuple[str, Image]]:
        if len(self.fresh) < least:
            return []
        due, self.fresh = self.fresh, []
        return due

    def finish(self) -> None:
        with self.lock:
            due = self._take_fresh(1)
        self.write(due)

    def write(self, fresh: list[tuple[str, Image]]) -> None:
        """Layers first: a manifest row promises that its layers are listed."""
        # a failure of this evening may pass tomorrow: only what the content itself settles is kept
        lasting = [(ref, i) for ref, i in fresh if _lasts(i)]
        if not lasting:
            return
        name = hashlib.sha256("\n".join(sorted(f"{r} {i.digest}" for r, i in lasting)).encode()).hexdigest()[:32]
        now = datetime.now(UTC)
        layers = [row for _, image in lasting for row in _layer_rows(image, self.redact)]
        if layers:
            self.lake.write("image_layers", name, pa.Table.from_pylist(layers, schema=IMAGE_LAYERS.arrow))
        rows = [_manifest_row(ref, self.policy, image, now, self.redact) for ref, image in lasting]
        self.lake.write("manifests", name, pa.Table.from_pylist(rows, schema=MANIFESTS.arrow))


def survey(
    targets: Iterable[Target],
    *,
    platforms: tuple[Platform, ...],
    policy: str,
    lake: Lake,
    limiter: Limiter,
    opened: Registries,
    connections: Mapping[str, int],
    emit: Emit,
    redact: Redact,
) -> list[Listed]:
    """Look every target up, many at once a registry; results in the order of ``targets``."""
    resolver = _Resolver(lake, platforms, policy, limiter, emit, redact, known_manifests(lake, policy))
    by_access: dict[Access, list[tuple[int, Target]]] = {}
    for index, target in enumerate(targets):
        by_access.setdefault(target.access, []).append((index, target))
    results: dict[int, Listed] = {}
    work: list[Callable[[], None]] = []

    def worker(registry: Registry, queue: Iterator[tuple[int, Target]], gate: threading.Lock) -> None:
        while True:
            with gate:
                job = next(queue, None)
            if job is None:
                return
            results[job[0]] = resolver.look_up(registry, job[1])

    for access, wanted in by_access.items():
        threads = min(connections.get(access.label, 8), len(wanted))
        work += [partial(worker, opened[access], iter(wanted), threading.Lock())] * threads
    try:
        if work:
            with ThreadPoolExecutor(len(work), thread_name_prefix="survey") as pool:
                for future in [pool.submit(job) for job in work]:
                    future.result()
    finally:
        resolver.finish()
    return [results[index] for index in sorted(results)]


_FINAL = frozenset(kind.__name__ for kind in all_errors() if kind.final)


def _lasts(image: Image | Resolved) -> bool:
    """Whether what became of the image is settled by its content, and so worth keeping."""
    return image.status != "failed" or image.error_code in _FINAL


def _known(image: Image) -> Resolved:
    return Resolved(
        digest=image.digest,
        config_digest=image.config_digest or None,
        media_type=image.media_type or None,
        os=image.platform.os or None,
        arch="/".join(filter(None, (image.platform.arch, image.platform.variant))) or None,
        created=_time(image.created),
        size_bytes=image.size,
        layer_count=len(image.layers),
        status=image.status,
        error_code=image.error_code or None,
        error_message=image.error_message or None,
    )


def _time(text: str) -> datetime | None:
    """RFC 3339 with up to nine digits of a second; absurd dates are no date."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _manifest_row(ref: str, policy: str, image: Image, now: datetime, redact: Redact) -> dict[str, object]:
    known = _known(image)
    row: dict[str, object] = {name: getattr(known, name) for name in Resolved.__slots__}
    base = image.base
    row |= {"base_layers": base.layers or None, "base_evidence": base.evidence or None}
    row |= {"base_name": redact([base.name])[0] or None, "base_digest": base.digest or None}
    return row | {"ref_digest": ref, "platforms": policy, "resolved_at": now}


def _layer_rows(image: Image, redact: Redact) -> Iterator[dict[str, object]]:
    chains = chain_ids([layer.digest for layer in image.layers])
    steps = redact([layer.created_by for layer in image.layers])
    for ordinal, (layer, chain, step) in enumerate(zip(image.layers, chains, steps, strict=True)):
        yield {
            "digest": image.digest,
            "ordinal": ordinal,
            "layer_digest": layer.digest,
            "chain_id": chain,
            "diff_id": layer.diff_id or None,
            "created_by": step or None,
            "media_type": layer.media_type or None,
            "size_bytes": layer.size,
        }
