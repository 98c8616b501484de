"""Authorization for a registry: challenges, Basic, and Bearer tokens from a token server.

The protocol: RFC 9110 §11 (challenges), https://distribution.github.io/distribution/spec/auth/token/ and
``…/auth/oauth/`` (identity tokens).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import orjson

from grid.errors import (
    FailedToVerifyUsernameOrPwd,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
)
from grid.model import Secret
from grid.registries.credentials import Login
from grid.registries.wire import Reply, Wire, retry_after

CLIENT_ID = "scangrid"
DEFAULT_LIFETIME = 60.0
_TOKENS_KEPT = 10_000
_ANSWER_BYTES = 1 << 20

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAM = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_SCHEME = re.compile(rf"\s*({_WORD[:-1]}{{1,64}})(?=\s|,|$)")
_TOKEN68 = re.compile(r"\s+([A-Za-z0-9._~+/-]+=*)\s*(?=,|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a 401 offers."""

    scheme: str
    """In lower case."""
    params: dict[str, str] = field(default_factory=dict)
    """Names in lower case, values unquoted."""


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """All challenges of the ``WWW-Authenticate`` headers; what cannot be parsed is skipped."""
    found: list[Challenge] = []
    for value in values:
        at = 0
        while at < len(value):
            if value[at] in ", \t":
                at += 1
            elif found_param := _PARAM.match(value, at):
                if found:
                    name, quoted, bare = found_param.groups()
                    text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
                    found[-1].params.setdefault(name.lower(), text)
                at = found_param.end()
            elif found_scheme := _SCHEME.match(value, at):
                found.append(Challenge(found_scheme[1].lower()))
                at = found_scheme.end()
                if blob := _TOKEN68.match(value, at):
                    at = blob.end()
            else:  # damaged: go on behind the next comma
                comma = value.find(",", at)
                at = len(value) if comma < 0 else comma + 1
    return found


@dataclass(slots=True)
class _Token:
    value: Secret
    good_until: float


class Authenticator:
    """Knows what to send to one registry. Safe for many threads; a token is fetched once for all of them."""

    def __init__(self, wire: Wire, base: str, login: Callable[[], Login | None]) -> None:
        self._wire = wire
        self._home = urlsplit(base)
        self._find_login = login
        self._login: Login | None = None
        self._login_known = False
        self._basic = False
        self._server: tuple[str, str] | None = None
        """Realm and service of the token server, once a challenge has named them."""
        self._tokens: dict[tuple[str, str, str], _Token] = {}
        self._locks: dict[tuple[str, str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def authorization(self, scope: str) -> Secret | None:
        """The header for a request in this scope, a token server asked if need be; None to go without."""
        if self._basic:
            login = self._known_login()
            return login.basic() if login is not None else None
        if self._server is None:
            return None
        return self._bearer(*self._server, scope)

    @property
    def has_login(self) -> bool:
        """Whether requests are made in somebody's name."""
        return self._login is not None

    def learn(self, values: Iterable[str]) -> None:
        """Take in the challenges of a 401; raises FailedToVerifyUsernameOrPwd if none can be met."""
        challenges = parse_challenges(values)
        refused: RegistryError | None = None
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.params.get("realm"):
                try:
                    self._vet_realm(challenge.params["realm"])
                except RegistryError as error:
                    refused = error
                    continue
                self._server, self._basic = (challenge.params["realm"], challenge.params.get("service", "")), False
                return
        if any(challenge.scheme == "basic" for challenge in challenges):
            login = self._known_login()
            if login is None or login.basic() is None:
                raise FailedToVerifyUsernameOrPwd(f"{self._home.netloc} wants a user name and password")
            self._basic = True
            return
        raise refused or FailedToVerifyUsernameOrPwd(
            f"{self._home.netloc} refuses anonymous access and offers no way to log in that we know"
        )

    def renew(self, scope: str, reply: Reply, sent: Secret | None) -> bool:
        """After a 401 or 403: whether it makes sense to ask again, with other authorization than ``sent``."""
        if reply.status == 401 and (sent is None or self._server is not None or not self._basic):
            self.learn(reply.headers.get_list("www-authenticate"))
        if sent is None:
            return reply.status == 401
        if self._basic:
            with self._lock:
                self._login_known = False  # a credential helper may hand out short-lived passwords
            fresh = self.authorization(scope)
            return fresh is not None and fresh.reveal() != sent.reveal()
        login = self._known_login()
        if self._server is None or (login is not None and login.bearer is not None):
            return False
        key = (*self._server, scope)
        with self._lock:  # unless another thread has renewed it in the meantime
            token = self._tokens.get(key)
            if token is not None and token.value.reveal() == sent.reveal():
                del self._tokens[key]
        return True

    # --- bearer tokens ---

    def _bearer(self, realm: str, service: str, scope: str) -> Secret:
        key = (realm, service, scope)
        token = self._tokens.get(key)
        if token is not None and token.good_until > time.monotonic():
            return token.value
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            token = self._tokens.get(key)
            if token is None or token.good_until <= time.monotonic():
                token = self._fetch(realm, service, scope)
                with self._lock:
                    if len(self._tokens) >= _TOKENS_KEPT:
                        self._tokens.clear()
                        self._locks.clear()
                    self._tokens[key] = token
        return token.value

    def _fetch(self, realm: str, service: str, scope: str) -> _Token:
        login = self._known_login()
        if login is not None and login.bearer is not None:
            return _Token(Secret(f"Bearer {login.bearer.reveal()}"), time.monotonic() + 3600)
        self._vet_realm(realm)
        fields = [(k, v) for k, v in (("service", service), ("scope", scope)) if v]
        host = urlsplit(realm).netloc
        if login is not None and login.identity_token is not None:
            form = [
                ("grant_type", "refresh_token"),
                *fields,
                ("client_id", CLIENT_ID),
                ("refresh_token", login.identity_token.reveal()),
            ]
            headers = [("Content-Type", "application/x-www-form-urlencoded")]
            reply = self._wire.open("POST", realm, headers, content=urlencode(form).encode(), follow=False)
        else:
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(fields)}" if fields else realm
            basic = login.basic() if login is not None else None
            reply = self._wire.open("GET", url, authorization=basic)
        with reply:
            if reply.status == 429:
                raise RateLimited(
                    f"the token server {host} answered 429", retry_after=retry_after(reply.headers.get("retry-after"))
                )
            if reply.status >= 500 or reply.status == 408:
                raise RegistryUnavailable(f"the token server {host} answered {reply.status}")
            if reply.status in (400, 401, 403, 404):
                who = "the login" if login is not None else "anonymous access"
                raise FailedToVerifyUsernameOrPwd(f"the token server {host} refused {who} ({reply.status})")
            body = reply.body(_ANSWER_BYTES) if reply.status == 200 else None
        return _read_token(body, host)

    def _vet_realm(self, realm: str) -> None:
        parts = urlsplit(realm)
        if parts.scheme == "http" and self._home.scheme == "http" and parts.hostname == self._home.hostname:
            return
        if parts.scheme != "https":
            raise RegistryError(f"{self._home.netloc} names a token server without TLS: no login is sent there")
        self._wire.vet(realm)

    def _known_login(self) -> Login | None:
        with self._lock:
            known, login = self._login_known, self._login
        if known:
            return login
        login = self._find_login()  # may run a credential helper: not under the lock
        with self._lock:
            self._login, self._login_known = login, True
        return login


def _read_token(body: bytes | None, host: str) -> _Token:
    try:
        answer = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        answer = None
    token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise RegistryError(f"the token server {host} gave no token")
    seconds = answer.get("expires_in")
    lifetime = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else DEFAULT_LIFETIME
    margin = min(10.0, lifetime / 5)  # so that it does not run out on the way
    return _Token(Secret(f"Bearer {token}"), time.monotonic() + lifetime - margin)
