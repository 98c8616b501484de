"""One HTTP exchange: connections, proxies, certificates, redirects, retries, and what their failures are called.

``httpx.HTTPTransport`` is used without ``httpx.Client``: half the processor time a request, and no log line
that prints a signed URL. Each transport holds one connection and is lent to one exchange at a time, so
threads share no pool lock.
"""

from __future__ import annotations

import email.utils
import ipaddress
import logging
import socket
import ssl
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
import tenacity

from grid.errors import GridError, NetworkConnectError, RegistryError, TlsError
from grid.model import Secret
from grid.registries import Access

T = TypeVar("T")
Content = bytes | Callable[[], Iterable[bytes]]
"""The body of a request, or what begins it anew (after a redirect, with another token); then say its Content-Length."""
REDIRECTS = 5
_METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA_ADDRESSES = frozenset({"100.100.100.200", "fd00:ec2::254", "168.63.129.16", "192.0.0.192"})

# Debug logging of the HTTP stack prints headers and signed URLs; no switch of ours may turn that on.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


# --- retries -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long what can pass is tried again. Only ``retryable`` errors are."""

    tries: int = 4
    first: float = 0.5
    """Upper bound in seconds of the first random wait; it doubles each time."""
    longest: float = 15.0
    total: float = 150.0
    """Seconds of waiting after which an error stands, so that a long Retry-After defers instead of blocking."""

    def run(self, call: Callable[[], T]) -> T:
        """``call()``, again and again while its error may pass."""
        try:
            return call()  # nearly always: no retry machinery in the hot path
        except GridError as error:
            if not error.retryable or self.tries <= 1:
                raise
            first: GridError | None = error

        def again() -> T:
            nonlocal first
            if first is not None:
                error, first = first, None
                raise error
            return call()

        waited = 0.0
        backoff = tenacity.wait_random_exponential(multiplier=self.first, max=self.longest)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            asked = error.retry_after if isinstance(error, GridError) else None
            return max(asked, 0.0) if asked is not None else float(backoff(state))

        def enough(state: tenacity.RetryCallState) -> bool:
            nonlocal waited
            waited += state.upcoming_sleep
            return state.attempt_number >= self.tries or waited > self.total

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, GridError) and e.retryable),
            wait=wait,
            stop=enough,
            sleep=time.sleep,
            reraise=True,
        )(again)


def retry_after(value: str | None) -> float | None:
    """The seconds a Retry-After header (seconds or HTTP date) asks for, clamped to 1…120; None if there is none."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(seconds, 1.0), 120.0) if seconds == seconds else None  # NaN is not equal to itself


# --- exchanges -----------------------------------------------------------------------------------


class Reply:
    """A response whose body has not been read. Use it as a context manager: leaving gives the connection back."""

    __slots__ = ("_give_back", "_response", "elsewhere", "headers", "host", "status", "url")

    def __init__(
        self, response: httpx.Response, url: str, host: str, elsewhere: bool, give_back: Callable[[], None]
    ) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.url = url
        """Where it came from at last. May be signed: never print it."""
        self.host = host
        self.elsewhere = elsewhere
        """Whether a redirect led to another host than the one asked."""
        self._response = response
        self._give_back = give_back

    def body(self, limit: int) -> bytes | None:
        """The whole body, or None if it is longer than ``limit`` bytes. Raises NetworkConnectError."""
        parts: list[bytes] = []
        size = 0
        try:
            for part in self._response.iter_bytes():
                size += len(part)
                if size > limit:
                    return None
                parts.append(part)
        except httpx.DecodingError:
            raise RegistryError(f"{self.host} sent a body that its Content-Encoding does not fit") from None
        except httpx.HTTPError as error:
            raise _network_error(error, self.host) from None
        return b"".join(parts)

    def pieces(self) -> Iterator[bytes]:
        """The body's bytes as they arrive, undecoded. Raises NetworkConnectError."""
        try:
            yield from self._response.iter_raw()
        except httpx.HTTPError as error:
            raise _network_error(error, self.host) from None

    def drop(self) -> None:
        """Throw a short body away, so that the connection can be used again."""
        try:
            for seen, _ in enumerate(self._response.iter_bytes()):
                if seen >= 4:
                    break
        except httpx.HTTPError:
            pass
        self.close()

    def close(self) -> None:
        self._response.close()
        self._give_back()

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Wire:
    """All HTTP of one registry: its own host, its token server and its blob storage."""

    def __init__(self, access: Access, base: str) -> None:
        self._access = access
        self._home = urlsplit(base)
        self._timeout = httpx.Timeout(
            access.timeout, connect=min(access.timeout, 10.0), pool=None
        ).as_dict()  # of silence: each read starts anew
        self._idle: dict[tuple[str, str, int | None], deque[httpx.HTTPTransport]] = {}
        self._vetted: set[str] = set()
        self._closed = False

    def open(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        authorization: Secret | None = None,
        content: Content | None = None,
        follow: bool = True,
    ) -> Reply:
        """Send a request and follow its redirects; ``authorization`` goes to the first host only.

        Raises NetworkConnectError, TlsError; RegistryError for a redirect that must not be followed.
        """
        fixed = [("Accept-Encoding", "identity"), ("User-Agent", "scangrid"), *headers]
        asked = url
        for _ in range(REDIRECTS + 1):
            mine = same_origin(url, asked)
            sent = [*fixed, ("Authorization", authorization.reveal())] if authorization and mine else fixed
            reply = self._send(method, url, sent, content, elsewhere=not mine)
            location = reply.headers.get("location")
            if not follow or reply.status not in (301, 302, 303, 307, 308) or not location:
                return reply
            target = urljoin(url, location)
            reply.drop()
            self.vet(target)
            url = target
        raise RegistryError(f"{self._home.netloc} redirects more than {REDIRECTS} times")

    def vet(self, url: str) -> None:
        """Refuse a URL that the registry named (redirect, token server) and that no client should be sent to."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host:
            raise RegistryError(f"{self._home.netloc} refers to a URL that is not http or https")
        if host in self._vetted:
            pass
        elif host != self._home.hostname:
            if _forbidden(host) or (self._proxy(parts.scheme, host, parts.port) is None and _resolves_inside(host)):
                raise RegistryError(f"{self._home.netloc} refers to {host}, a link-local or metadata address: refused")
            self._vetted.add(host)
        if parts.scheme == "http" and self._home.scheme == "https":
            raise RegistryError(f"{self._home.netloc} refers to {host} without TLS: refused")

    def close(self) -> None:
        self._closed = True
        for stack in self._idle.values():
            while stack:
                stack.pop().close()

    def _send(
        self, method: str, url: str, headers: list[tuple[str, str]], content: Content | None, elsewhere: bool
    ) -> Reply:
        body = content() if callable(content) else content
        try:
            request = httpx.Request(method, url, headers=headers, content=body, extensions={"timeout": self._timeout})
        except (httpx.InvalidURL, UnicodeError, ValueError):
            raise RegistryError(f"{self._home.netloc} refers to a URL that cannot be parsed") from None
        target = request.url
        stack = self._idle.setdefault((target.scheme, target.host, target.port), deque())
        try:
            transport = stack.pop()
        except IndexError:
            transport = self._transport(target)

        def give_back() -> None:
            nonlocal transport
            if transport is not None:
                lent, transport = transport, None  # type: ignore[assignment]
                if self._closed:
                    lent.close()
                else:
                    stack.append(lent)

        host = target.host
        try:
            response = transport.handle_request(request)
            if method == "HEAD":
                response.read()  # reach its end, or the connection cannot be used again
        except httpx.HTTPError as error:
            give_back()
            raise _network_error(error, target.netloc.decode()) from None
        except BaseException:
            give_back()
            raise
        return Reply(response, url, host, elsewhere, give_back)

    def _transport(self, url: httpx.URL) -> httpx.HTTPTransport:
        lax = self._access.insecure_skip_verify and url.host == self._home.hostname
        verify = _tls(self._access.ca_file, lax) if url.scheme == "https" else False
        proxy = self._proxy(url.scheme, url.host, url.port)
        try:
            return httpx.HTTPTransport(
                verify=verify,
                proxy=proxy,
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=45.0),
            )
        except (ValueError, ImportError, httpx.InvalidURL):
            raise NetworkConnectError(f"the proxy set for {url.scheme} cannot be used") from None

    def _proxy(self, scheme: str, host: str, port: int | None) -> str | None:
        if _loopback(host):
            return None
        if urllib.request.proxy_bypass(f"{host}:{port}" if port else host):
            return None
        proxies = urllib.request.getproxies()
        proxy = proxies.get(scheme) or proxies.get("all")
        return proxy if not proxy or "://" in proxy else f"http://{proxy}"


# --- hosts and certificates ----------------------------------------------------------------------


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have one scheme, host and port."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _forbidden(host: str) -> bool:
    host = host.strip("[]").rstrip(".").lower().partition("%")[0]
    if host in _METADATA_HOSTS:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return address.is_link_local or address.is_unspecified or str(address) in _METADATA_ADDRESSES


def _resolves_inside(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False  # connecting will say so
    return any(_forbidden(str(address[4][0])) for address in found)


@lru_cache(maxsize=16)
def _tls(ca_file: str, insecure: bool) -> ssl.SSLContext:
    """Mozilla's roots, the system's, and the user's own CA."""
    context = httpx.create_ssl_context(verify=not insecure)
    if insecure:
        return context
    try:
        context.load_default_certs()
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise TlsError(f"the CA bundle {ca_file} cannot be read") from None
    return context


def _network_error(error: httpx.HTTPError, host: str) -> GridError:
    """Our name for a failure below HTTP. The text never holds a URL, which may be signed."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TlsError(f"{host}: the certificate is not trusted: {cause.verify_message}")
    if isinstance(error, httpx.ConnectError):
        for cause in causes:
            if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                break
            if isinstance(cause, ssl.SSLError):
                return TlsError(f"{host}: TLS failed: {(cause.reason or 'handshake').replace('_', ' ').lower()}")
    if isinstance(error, httpx.TimeoutException):
        doing = "connecting" if isinstance(error, httpx.ConnectTimeout) else "waiting for data"
        return NetworkConnectError(f"{host}: timed out {doing}")
    if isinstance(error, httpx.ProxyError):
        return NetworkConnectError(f"{host}: the proxy refused the connection")
    if isinstance(error, httpx.UnsupportedProtocol):
        return RegistryError(f"{host}: not an http or https address")
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return NetworkConnectError(f"{host}: the name does not resolve")
        if isinstance(cause, OSError) and cause.strerror:
            return NetworkConnectError(f"{host}: {cause.strerror.lower()}")
    return NetworkConnectError(f"{host}: the connection broke ({type(error).__name__})")
