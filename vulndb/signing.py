"""Signatures of bundles: who made this database, beside whether it is whole.

What is signed is ``manifest.json``, which holds the SHA-256 of every table. Keys are PEM files as OpenSSL makes them,
Ed25519 or ECDSA over P-256; a signature is base64 text, the form of ``cosign sign-blob``. So it can be made and checked
without us:

    openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out key.pub
    base64 -d manifest.sig > raw && openssl pkeyutl -verify -pubin -inkey key.pub -rawin -in manifest.json -sigfile raw
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256

from grid.errors import DatabaseInvalid, UsageError

PASSPHRASE = "SCANGRID_DB_KEY_PASSPHRASE"  # noqa: S105  (its name)
"""Environment variable for a private key that is encrypted."""
TRUST = "SCANGRID_DB_TRUST"
"""Environment variable: the public key whose signature every imported bundle must carry."""
MAX_SIGNATURE = 1024
_MAX_KEY = 64 << 10
_FORMS = "a PEM file with an Ed25519 or ECDSA P-256 key: openssl genpkey -algorithm ed25519"


def sign(manifest: bytes, key: Path) -> bytes:
    """The signature of a manifest, base64. Raises UsageError for a key that is none."""
    passphrase = os.environ.get(PASSPHRASE)
    try:
        private = serialization.load_pem_private_key(_read(key), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # the library's words may quote the file
        raise UsageError(
            f"{key} is no private key, or its passphrase is not the one in {PASSPHRASE}", remedy=_FORMS
        ) from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        signature = private.sign(manifest)
    elif isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1":
        signature = private.sign(manifest, ec.ECDSA(SHA256()))
    else:
        raise UsageError(f"{key} is a key of another kind", remedy=_FORMS)
    return base64.b64encode(signature)


def verify(manifest: bytes, signature: bytes | None, key: Path) -> None:
    """Raises DatabaseInvalid unless the owner of ``key`` (a public one) signed the manifest."""
    public = _public(key)
    if signature is None:
        raise DatabaseInvalid("the bundle is not signed", remedy="export it with --sign KEY")
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(raw, manifest)
        else:
            public.verify(raw, manifest, ec.ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise DatabaseInvalid(f"the bundle is not signed by the owner of {key.name}") from None


def trusted(named: Path | None) -> Path | None:
    """The public key that must have signed: the one named, else the site's; None if none need have."""
    if named is not None:
        return named
    told = os.environ.get(TRUST, "")
    return Path(told).expanduser() if told else None


def fingerprint(key: Path) -> str:
    """Short text that tells public keys apart."""
    public = _public(key)
    raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"SHA256:{base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip('=')}"


def _public(key: Path) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    try:
        public = serialization.load_pem_public_key(_read(key))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{key} is no public key", remedy="openssl pkey -in key.pem -pubout -out key.pub") from None
    if isinstance(public, ed25519.Ed25519PublicKey) or (
        isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1"
    ):
        return public
    raise UsageError(f"{key} is a key of another kind", remedy=_FORMS)


def _read(key: Path) -> bytes:
    try:
        with key.open("rb") as stream:
            return stream.read(_MAX_KEY)
    except OSError as error:
        raise UsageError(f"the key {key} cannot be read: {error.strerror}") from error
