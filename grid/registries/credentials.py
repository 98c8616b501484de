"""Logins by name: ``env:NAME``, ``file:PATH``, ``docker`` (its configuration and helpers), or "": docker if it knows.

Docker's config.json: https://docs.docker.com/reference/cli/docker/login/ and the helper protocol of
https://github.com/docker/docker-credential-helpers. No value read here is ever part of a message.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from grid.errors import FailedToVerifyUsernameOrPwd
from grid.model import Secret
from grid.registries import Access

DOCKER_HUB = "docker.io"
HUB_KEY = "https://index.docker.io/v1/"
HELPER_SECONDS = 20.0
_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Login:
    """What a registry may be given. One of the three forms is filled."""

    username: str = ""
    password: Secret | None = None
    identity_token: Secret | None = None
    """An OAuth2 refresh token, exchanged at the token server."""
    bearer: Secret | None = None
    """A ready registry token, sent as it is."""

    def basic(self) -> Secret | None:
        """The value of a Basic Authorization header."""
        if self.password is None:
            return None
        pair = f"{self.username}:{self.password.reveal()}".encode()
        return Secret("Basic " + base64.b64encode(pair).decode())


def find_login(access: Access) -> Login | None:
    """The login that ``access.credential`` names; None for anonymous.

    Raises FailedToVerifyUsernameOrPwd if a login was named and cannot be had.
    """
    name = access.credential
    kind, _, rest = name.partition(":")
    if name in ("", "docker"):
        try:
            login = _docker_login(access.address)
        except FailedToVerifyUsernameOrPwd:
            if name:
                raise
            return None  # nobody asked for it: a helper that is broken must not stop a public pull
        if login is None and name:
            raise FailedToVerifyUsernameOrPwd(f"the docker configuration has no login for {access.address}")
        return login
    if kind == "env" and rest:
        text = os.environ.get(rest)
        if not text:
            raise FailedToVerifyUsernameOrPwd(f"the credential {name} is not set")
        return _parse(text)
    if kind == "file" and rest:
        try:
            text = Path(rest).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise FailedToVerifyUsernameOrPwd(f"the credential {name} cannot be read: {reason}") from None
        if not text:
            raise FailedToVerifyUsernameOrPwd(f"the credential {name} is empty")
        return _parse(text)
    raise FailedToVerifyUsernameOrPwd(
        f"the credential of {access.label} is not env:NAME, file:PATH or docker",
        remedy="credentials are given by name, never by value",
    )


def _parse(text: str) -> Login:
    username, colon, password = text.strip().partition(":")
    return Login(username, Secret(password)) if colon else Login(bearer=Secret(username))


def is_docker_hub(address: str) -> bool:
    """Whether an address is one of the names of Docker Hub."""
    return _host(address) == DOCKER_HUB


# --- docker's configuration ----------------------------------------------------------------------


def config_path() -> Path:
    """Where docker keeps its configuration."""
    folder = os.environ.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path("~/.docker").expanduser()) / "config.json"


def _docker_login(address: str) -> Login | None:
    path = config_path()
    try:
        config = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError):
        raise FailedToVerifyUsernameOrPwd(f"{path} cannot be read") from None
    if not isinstance(config, dict):
        raise FailedToVerifyUsernameOrPwd(f"{path} is not a docker configuration")
    key = HUB_KEY if is_docker_hub(address) else address
    helpers = _table(config, "credHelpers")
    helper = next((h for k, h in helpers.items() if _host(k) == _host(key)), None) or config.get("credsStore")
    if isinstance(helper, str) and helper:
        login = _from_helper(helper, key)
        if login is not None:
            return login
    for name, entry in _table(config, "auths").items():
        if _host(name) == _host(key) and isinstance(entry, dict):
            login = _from_entry(entry)
            if login is not None:
                return login
    return None


def _table(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _host(key: str) -> str:
    """``https://index.docker.io/v1/`` and ``host:port`` alike; a key with a deeper path is left as it is."""
    key = re.sub(r"^https?://", "", key)
    key = re.sub(r"/(?:v[12]/?)?$", "", key)
    return DOCKER_HUB if key in ("index.docker.io", "registry-1.docker.io") else key


def _from_entry(entry: dict[str, Any]) -> Login | None:
    def text(key: str) -> str:
        value = entry.get(key)
        return value if isinstance(value, str) else ""

    username, password = text("username"), text("password")
    if text("auth"):
        try:
            decoded = base64.b64decode(text("auth"), validate=False).decode()
        except (binascii.Error, UnicodeError):
            raise FailedToVerifyUsernameOrPwd("the docker configuration holds a login that is not base64") from None
        username, _, password = decoded.partition(":")
        password = password.strip("\0")
    if text("identitytoken"):
        return Login(username, identity_token=Secret(text("identitytoken")))
    if text("registrytoken"):
        return Login(bearer=Secret(text("registrytoken")))
    return Login(username, Secret(password)) if username else None


def _from_helper(helper: str, key: str) -> Login | None:
    program = f"docker-credential-{helper}"
    path = shutil.which(program) if _HELPER_NAME.fullmatch(helper) else None
    if path is None:
        raise FailedToVerifyUsernameOrPwd(f"the credential helper {program!r} is not on PATH")
    try:
        done = subprocess.run([path, "get"], input=key.encode(), capture_output=True, timeout=HELPER_SECONDS)
    except subprocess.TimeoutExpired:
        raise FailedToVerifyUsernameOrPwd(f"{program} did not answer within {HELPER_SECONDS:g} s") from None
    except OSError as error:
        raise FailedToVerifyUsernameOrPwd(f"{program} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        if b"credentials not found" in done.stdout + done.stderr:
            return None
        raise FailedToVerifyUsernameOrPwd(f"{program} failed with exit code {done.returncode}")
    try:
        answer = orjson.loads(done.stdout)
        username, secret = answer["Username"], answer["Secret"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise FailedToVerifyUsernameOrPwd(f"{program} did not answer in the helper protocol") from None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise FailedToVerifyUsernameOrPwd(f"{program} did not answer in the helper protocol")
    if username == "<token>":
        return Login(identity_token=Secret(secret))
    return Login(username, Secret(secret)) if username else None
