"""Everything that can go wrong, as one tree, and as codes that users can rely on.

    GridError
    ├── UsageError        the user's mistake: exit code 2
    ├── RegistryError     the registry, the network or what the registry served about an image
    ├── LayerError        the bytes of one layer
    ├── DatabaseError     the vulnerability database or a feed
    └── LakeError         the Parquet lake

The class name is the code that stands in ``error_code`` columns and messages. Two flags say what
to do about it: ``retryable`` (the same request may pass in a moment) and ``final`` (a property of
content named by digest: it is recorded and not tried again until a detector or a limit changes).
"""

from __future__ import annotations

from collections.abc import Iterator


class GridError(Exception):
    """Something scangrid could not do."""

    retryable = False
    final = False
    of_limit = False
    """Final only under the limits it was met with: higher ones are a reason to try again."""
    remedy = ""

    def __init__(
        self, message: str, *, remedy: str | None = None, where: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        """The registry, image or layer it happened to; filled in at the boundary that knows."""
        self.retry_after = retry_after
        """Seconds the other side asked us to wait, already clamped to something sane."""
        if remedy is not None:
            self.remedy = remedy

    @property
    def code(self) -> str:
        """The stable name of the error: its class name."""
        return type(self).__name__

    def at(self, where: str) -> GridError:
        """Attach the place, unless a boundary nearer to the fault has done so."""
        if not self.where:
            self.where = where
        return self

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def __reduce__(self) -> tuple[object, ...]:  # Ray pickles exceptions; keyword arguments need help
        return (_rebuild, (type(self), self.message, self.remedy, self.where, self.retry_after))


def _rebuild(kind: type[GridError], message: str, remedy: str, where: str, retry_after: float | None) -> GridError:
    return kind(message, remedy=remedy, where=where, retry_after=retry_after)


# --- the user's mistakes -------------------------------------------------------------------------


class UsageError(GridError):
    """The command or its arguments do not make sense."""


class ReferenceInvalid(UsageError):
    """An image reference cannot be parsed or names something that does not exist locally."""

    remedy = "use oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE[:REF] or docker://host/repo[:tag|@digest]"


class EstateInvalid(UsageError):
    """estate.yaml is missing, is not YAML or breaks its schema; the message names the line."""


class SuppressionInvalid(UsageError):
    """A VEX document or an ignore file is missing, cannot be parsed or breaks its format; the message names it."""


class QueryInvalid(UsageError):
    """DuckDB refused the SQL."""


class RuleInvalid(UsageError):
    """A detection rule breaks its schema or cannot be compiled; the message names file and rule."""


class DetectorUnavailable(UsageError):
    """A detector needs a library that this platform does not have."""


class VersionInvalid(GridError):
    """A version that its scheme cannot parse; it is matched by exact lists only, and noted."""


# --- registries ----------------------------------------------------------------------------------


class RegistryError(GridError):
    """The registry answered in a way that fits no other code."""


class NetworkConnectError(RegistryError):
    """The registry cannot be reached, or the connection broke more often than we retry."""

    retryable = True
    remedy = "check the host, the port, the proxy and plain_http"


class TlsError(RegistryError):
    """The registry's certificate is not trusted."""

    remedy = "name your CA bundle with ca_file, or set plain_http for a registry without TLS"


class RegistryUnavailable(RegistryError):
    """The registry answered 5xx or 408 more often than we retry."""

    retryable = True


class RateLimited(RegistryError):
    """The registry answered 429: too many requests."""

    retryable = True
    remedy = "lower images_per_hour for this registry, or log in"


class FailedToVerifyUsernameOrPwd(RegistryError):
    """The registry did not accept the user name or the password, or wants one and has none."""

    remedy = "check the credential that the registry's entry names, or run docker login"


class UserDoesNotHaveAdminRole(RegistryError):
    """The registry accepted the user but refuses this action (403)."""

    remedy = "listing a whole registry often needs an administrator or a robot account: list repositories instead"


class RegistryVersionError(RegistryError):
    """The host does not speak the distribution API (version 2)."""

    remedy = "check the URL and the registry type"


class RepositoryUnknown(RegistryError):
    """The registry has no such repository."""


class ManifestUnknown(RegistryError):
    """The registry has no such tag or digest."""


class ManifestInvalid(RegistryError):
    """The manifest or index is not JSON, breaks its schema or is larger than 4 MiB."""

    final = True


class ConfigInvalid(RegistryError):
    """The image configuration is not JSON, breaks its schema or does not fit its manifest."""

    final = True


class BlobUnknown(RegistryError):
    """A manifest names a blob that the registry or archive does not have."""


class PlatformUnknown(RegistryError):
    """The image has no variant for the platform asked for."""

    final = True
    remedy = "ask for another --platform, or --platform all"


class UnsupportedMediaType(RegistryError):
    """Not a container image (chart, signature, attestation, wasm …) or a form too old to read; status unsupported."""

    final = True


class ForeignLayer(RegistryError):
    """The layer is not distributable: the registry does not hold it and its URLs are not followed."""


class ArchiveInvalid(RegistryError):
    """An OCI layout or image archive on disk is damaged or is not one."""


# --- layers --------------------------------------------------------------------------------------


class LayerError(GridError):
    """A layer could not be read for a reason that fits no other code."""


class DigestMismatch(LayerError):
    """The bytes served do not have the digest that names them."""


class SizeMismatch(LayerError):
    """The blob is longer than its descriptor says."""


class LayerTruncated(LayerError):
    """The blob, its compressed stream or its tar ends early."""


class DiffIdMismatch(LayerError):
    """The uncompressed bytes do not have the diff_id that the image configuration gives."""

    final = True


class CompressionCorrupt(LayerError):
    """The gzip or zstd stream is damaged."""

    final = True


class DecompressionBomb(LayerError):
    """The layer inflates by more than the allowed ratio."""

    final = True
    of_limit = True
    remedy = "raise limits.max_ratio if the image is trusted"


class LayerTooLarge(LayerError):
    """The layer inflates to more bytes than allowed."""

    final = True
    of_limit = True
    remedy = "raise limits.max_layer_bytes"


class EntryTooLarge(LayerError):
    """One file of the layer is larger than allowed."""

    final = True
    of_limit = True
    remedy = "raise limits.max_entry_bytes"


class TooManyEntries(LayerError):
    """The layer lists more entries than allowed for its size."""

    final = True
    of_limit = True
    remedy = "raise limits.max_entries and limits.dense_entries"


class TarCorrupt(LayerError):
    """A tar header is damaged, or the layer is not a tar."""

    final = True


class PathEscapesRoot(LayerError):
    """An entry's name climbs out of the image root with '..'."""

    final = True


class DetectorFailed(LayerError):
    """A detector raised on this layer: a bug of ours; please report it."""

    final = True


class WorkerLost(LayerError):
    """The worker process died more often than we retry, most often for want of memory."""

    retryable = True


# --- database ------------------------------------------------------------------------------------


class DatabaseError(GridError):
    """The vulnerability database could not be used."""


class DatabaseMissing(DatabaseError):
    """There is no vulnerability database yet."""

    remedy = "run: scangrid db update"


class DatabaseInvalid(DatabaseError):
    """The database is damaged, or made by a version of scangrid that this one cannot read."""

    remedy = "run: scangrid db update"


class DatabaseBusy(DatabaseError):
    """Another process is updating this database."""

    retryable = True
    remedy = "wait for it to end, or use another folder: SCANGRID_DB"


class FeedUnavailable(DatabaseError):
    """A feed could not be fetched."""

    retryable = True
    remedy = "try again later, or use --mirror"


class FeedInvalid(DatabaseError):
    """A feed was fetched but is not what it should be; its last good state is kept."""


# --- lake ----------------------------------------------------------------------------------------


class LakeError(GridError):
    """The lake could not be read or written."""


class LakeMissing(LakeError):
    """There is no lake at that place."""

    remedy = "run a scan or a sweep first, or name the lake with --lake"


class LakeInvalid(LakeError):
    """The lake was written by a newer scangrid, or a file of it is damaged."""


def all_errors() -> Iterator[type[GridError]]:
    """Every error class, in the order of this file: the rows of the table in ``grid/README.md``."""

    def below(kind: type[GridError]) -> Iterator[type[GridError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    yield from below(GridError)
