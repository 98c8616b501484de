"""How feed files are brought: over HTTP, from a mirror's URL, or from a mirror's folder.

A mirror holds ``https://host/path`` at ``MIRROR/host/path``, and ``https://host/path?query`` at ``host/path@query``.
Requests are conditional, a broken download goes on by Range where it stopped, and what arrives replaces the last good
file only when it is whole.
"""

from __future__ import annotations

import base64
import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpx
import tenacity

from grid.errors import FeedInvalid, FeedUnavailable, UsageError
from vulndb.feed import Absent, FileState, Source, Unchanged, mirrored

SILENCE = 60.0
"""Seconds without a byte after which a connection counts as dead. There is no limit on the whole."""
ATTEMPTS = 5
LONGEST_WAIT = 60.0
"""Seconds; a Retry-After beyond it is clamped (servers have sent microseconds and days)."""
_ENOUGH_DOWN = 3
"""Hosts that cannot be reached, and none that can, after which the network counts as down."""
_CHUNK = 1 << 18
_RETRIED = {408, 425, 429, 500, 502, 503, 504}

Progress = Callable[[int, int | None], None]
Check = Callable[[Path], None]


class _Retry(Exception):
    """The same request may pass in a moment."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


def public(url: str) -> str:
    """A URL as it may be shown: without credentials and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (seconds or a date), clamped to 0 … LONGEST_WAIT; None if unusable."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None


class HttpTransport:
    """The transport of ``scangrid db update``.

    ``mirror`` is None for the public servers, else a URL or a folder. Use it as a context manager.
    """

    def __init__(
        self,
        mirror: str | None = None,
        *,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._folder: Path | None = None
        self._base = ""
        if mirror and urlsplit(mirror).scheme in ("http", "https"):
            self._base = mirror.rstrip("/")
        elif mirror:
            self._folder = Path(mirror).expanduser()
            if not self._folder.is_dir():
                raise UsageError(
                    f"the mirror {mirror!r} is neither a URL nor a folder",
                    remedy="name an http(s) URL or an existing folder",
                )
        self._client = client or httpx.Client(
            follow_redirects=True,
            max_redirects=5,
            timeout=httpx.Timeout(SILENCE, connect=20.0),
            headers={"User-Agent": "scangrid", "Accept-Encoding": "identity"},
        )
        self._sleep = sleep
        self._attempts = attempts
        self._down: dict[str, str] = {}
        """Host → why no connection to it came about, for all that is left to ask of it would fail as slowly."""
        self._reached = False

    def __enter__(self) -> HttpTransport:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, source: Source, target: Path, known: FileState | None, progress: Progress, check: Check) -> FileState:
        """Bring one file to ``target``, atomically and only if ``check`` accepts it.

        Raises Unchanged, Absent, FeedUnavailable (network, server) or FeedInvalid (size, checksum, content).
        A host that could not be reached is not tried again.
        """
        if self._folder is not None:
            return self._copy(source, target, known, progress, check)
        address = f"{self._base}/{mirrored(source.url)}" if self._base else source.url
        host = urlsplit(address).netloc
        if (reason := self._hopeless(host)) is not None:
            raise FeedUnavailable(f"{public(address)}: {reason}")
        if known is not None and known.origin != public(address):
            known = None
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((_Retry, httpx.TransportError)),
            stop=tenacity.stop_after_attempt(self._attempts),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._download, address, source, target, known, progress, check)
        except _Retry as error:
            raise FeedUnavailable(f"{public(address)}: {error}", retry_after=error.after) from error
        except httpx.HTTPError as error:
            reason = type(error).__name__ if not str(error) else str(error)
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                self._down[host] = reason
            raise FeedUnavailable(f"{public(address)}: {reason}") from error
        except httpx.InvalidURL as error:
            raise UsageError(f"{public(address)!r} is not a URL") from error

    def _hopeless(self, host: str) -> str | None:
        """Why there is no use in asking a host: it could not be reached before, or none of several could."""
        if host not in self._down and not self._reached and len(self._down) >= _ENOUGH_DOWN:
            return f"not asked, for none of {len(self._down)} other hosts could be reached"
        return self._down.get(host)

    # --- HTTP ------------------------------------------------------------------------------------

    def _download(
        self, address: str, source: Source, target: Path, known: FileState | None, progress: Progress, check: Check
    ) -> FileState:
        part = target.with_name(f"{target.name}.part")
        validator_file = target.with_name(f"{target.name}.part.etag")
        headers, offset = self._conditions(known, part, validator_file)
        with self._client.stream("GET", address, headers=headers) as response:
            if urlsplit(address).scheme == "https" and response.url.scheme != "https":
                raise FeedInvalid(f"{public(address)} redirects to a place without TLS")
            self._reached = True
            status = response.status_code
            if status == 304 and known is not None:
                raise Unchanged
            if status == 416:  # what we had is not a part of it any more
                part.unlink(missing_ok=True)
                raise _Retry("the server refused to go on where the download stopped")
            if status in (404, 410):
                raise Absent
            if status in _RETRIED:
                raise _Retry(f"HTTP {status}", retry_after(response.headers.get("retry-after")))
            if status not in (200, 206):
                raise FeedUnavailable(f"{public(address)}: HTTP {status}")
            total = _total(response, offset)
            if status == 200:
                offset = 0
            elif not _continues(response, offset):
                part.unlink(missing_ok=True)
                raise _Retry("the server sent another range than asked for")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise FeedInvalid(f"{public(address)} is sent compressed although that was not asked for")
            if total is not None and total > source.max_bytes:
                raise FeedInvalid(f"{public(address)} has {total} bytes, at most {source.max_bytes} are allowed")
            etag, modified = response.headers.get("etag", ""), response.headers.get("last-modified", "")
            strong = etag if etag and not etag.startswith("W/") else modified
            validator_file.write_text(strong)
            self._receive(response, part, offset, total, source, address, progress)
            expected = _md5(response)
        return self._accept(part, target, check, source, expected, FileState(
            source.url, 0, "", etag, modified, public(address)
        ))  # fmt: skip

    def _conditions(self, known: FileState | None, part: Path, validator_file: Path) -> tuple[dict[str, str], int]:
        headers: dict[str, str] = {}
        try:
            offset, validator = part.stat().st_size, validator_file.read_text()
        except OSError:
            offset, validator = 0, ""
        if offset and validator:
            return {"Range": f"bytes={offset}-", "If-Range": validator}, offset
        part.unlink(missing_ok=True)
        if known is not None:
            if known.etag:
                headers["If-None-Match"] = known.etag
            if known.last_modified:
                headers["If-Modified-Since"] = known.last_modified
        return headers, 0

    def _receive(
        self,
        response: httpx.Response,
        part: Path,
        offset: int,
        total: int | None,
        source: Source,
        address: str,
        progress: Progress,
    ) -> None:
        done = offset
        with part.open("r+b" if offset else "wb") as stream:
            stream.seek(offset)
            stream.truncate()
            progress(done, total)
            for chunk in response.iter_raw(_CHUNK):
                done += len(chunk)
                if done > source.max_bytes:
                    part.unlink(missing_ok=True)
                    raise FeedInvalid(f"{public(address)} has more than {source.max_bytes} bytes")
                stream.write(chunk)
                progress(done, total)
            stream.flush()
            os.fsync(stream.fileno())
        if total is not None and done < total:
            raise _Retry(f"the connection ended after {done} of {total} bytes")

    def _accept(
        self, part: Path, target: Path, check: Check, source: Source, md5: bytes | None, state: FileState
    ) -> FileState:
        """Judge a whole file and put it in place; a bad one is removed, and the old one stays."""
        with _removed_on_error(part):
            digest = hashlib.sha256()
            weak = hashlib.md5(usedforsecurity=False)
            size = 0
            with part.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
                    weak.update(chunk)
                    size += len(chunk)
            if md5 is not None and weak.digest() != md5:
                raise _Retry("the file does not have the checksum that the server gives")
            check(part)
            part.replace(target)
        target.with_name(f"{target.name}.part.etag").unlink(missing_ok=True)
        return FileState(source.url, size, digest.hexdigest(), state.etag, state.last_modified, state.origin)

    # --- folder ----------------------------------------------------------------------------------

    def _copy(
        self, source: Source, target: Path, known: FileState | None, progress: Progress, check: Check
    ) -> FileState:
        assert self._folder is not None
        host, _, path = mirrored(source.url).partition("/")
        names = [host, *unquote(path).strip("/").split("/")]
        if any(name in ("", ".", "..") for name in names):
            raise FeedInvalid(f"{source.url} has no place in a folder")
        origin = self._folder.joinpath(*names)
        try:
            found = origin.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise Absent from None
        etag = f'"{found.st_size:x}-{found.st_mtime_ns:x}"'
        place = origin.resolve().as_uri()
        if known is not None and known.etag == etag and known.origin == place:
            raise Unchanged
        if found.st_size > source.max_bytes:
            raise FeedInvalid(f"{origin} has {found.st_size} bytes, at most {source.max_bytes} are allowed")
        part = target.with_name(f"{target.name}.part")
        progress(0, found.st_size)
        with _removed_on_error(part):
            shutil.copyfile(origin, part)
        progress(found.st_size, found.st_size)
        modified = formatdate(found.st_mtime, usegmt=True)
        return self._accept(part, target, check, source, None, FileState(source.url, 0, "", etag, modified, place))


def _wait(state: tenacity.RetryCallState) -> float:
    """What the server asked for, else twice as long each time, with jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Retry) and error.after is not None:
        return error.after
    return float(min(2.0**state.attempt_number, LONGEST_WAIT)) * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)


def _total(response: httpx.Response, offset: int) -> int | None:
    length = response.headers.get("content-length", "")
    if not length.isdigit():
        return None
    return int(length) + (offset if response.status_code == 206 else 0)


def _continues(response: httpx.Response, offset: int) -> bool:
    return str(response.headers.get("content-range", "")).startswith(f"bytes {offset}-")


def _md5(response: httpx.Response) -> bytes | None:
    """The whole file's MD5 where the server gives it (Google's bucket does): against damage, not against forgery."""
    for item in response.headers.get("x-goog-hash", "").split(","):
        name, _, value = item.strip().partition("=")
        if name == "md5":
            try:
                return base64.b64decode(value, validate=True)
            except ValueError:
                return None
    return None


@contextmanager
def _removed_on_error(part: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def osv_path(ecosystem: str) -> str:
    """An ecosystem's name as it stands in a URL: ``Rocky Linux`` → ``Rocky%20Linux``."""
    return quote(ecosystem, safe="")
