"""The only place that speaks S3: streams to and from disk, lists, presigns. Keys are opaque; none becomes a path."""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.datatypes import PostPolicy
from minio.error import MinioException, S3Error

from shared.errors import NotFound, PermanentError, TransientError
from shared.settings import S3Settings

BLOCK_BYTES = 1 << 18
PART_BYTES = 16 << 20
"""Of a multipart upload: what is longer has an ETag made of those of its parts."""
_GONE = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}
_REFUSED = {
    "BadRequest",
    "KeyTooLongError",
    "InvalidObjectName",
    "InvalidRequest",
    "InvalidURI",
    "XMinioInvalidObjectName",
    # Of stores to which a file and a folder cannot have one name:
    "ExistingObjectIsDirectory",
    "ExistingObjectIsFile",
    "XMinioObjectExistsAsDirectory",
    "XMinioParentIsObject",
}


class ObjectStoreUnavailable(TransientError):
    """The object store did not answer; the work is tried again when it does."""

    code = "object_store_unavailable"


class ObjectGone(NotFound):
    """The object is no longer in the bucket; put it there again."""

    code = "object_gone"


class RangeGone(NotFound):
    """The object is shorter than it was when it was listed; read it from its beginning."""

    code = "range_gone"


class ObjectRefused(PermanentError):
    """The object store cannot serve this key; store the file under a plainer one."""

    code = "object_refused"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One entry of a listing."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a download turned out to be."""

    etag: str
    sha256: str
    size_bytes: int
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of an object, and which object it was."""

    etag: str
    content: bytes


@dataclass(frozen=True, slots=True)
class PostForm:
    """A presigned POST: its fields go before the file, in a body of multipart/form-data."""

    url: str
    fields: dict[str, str]


class TooLarge(Exception):  # private to the fetch; the ingest service names it for people
    """The object is larger than the caller accepts."""


class ObjectStore:
    """One S3 endpoint. Threads may share it. Opens nothing until the first request."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._client = _client(settings, settings.endpoint)
        self._presigner = _client(settings, settings.public_endpoint or settings.endpoint)

    def ensure_buckets(self) -> None:
        """Make the `audio` and the `derived` bucket if they are not there."""
        with _named_errors():
            for bucket in (self._settings.audio_bucket, self._settings.derived_bucket):
                if not self._client.bucket_exists(bucket):
                    self._client.make_bucket(bucket)

    def listing(self, bucket: str, prefix: str = "", start_after: str = "") -> Iterator[StoredObject]:
        """Every object under a prefix, a page at a time, in the store's own order (SeaweedFS: folder by folder)."""
        with _named_errors():
            for entry in self._client.list_objects(
                bucket, prefix=prefix or None, recursive=True, start_after=start_after or None
            ):
                if not entry.is_dir:
                    yield _entry(bucket, entry)

    def stat(self, bucket: str, key: str) -> StoredObject:
        """Raises ObjectGone."""
        with _named_errors():
            found = self._client.stat_object(bucket, key)
        return _entry(bucket, found)

    def fetch(
        self,
        bucket: str,
        key: str,
        target: Path,
        max_bytes: int | None = None,
        look: Callable[[bytes], None] = lambda _head: None,
    ) -> Fetched:
        """Stream an object to disk, hashing it on the way; `look` sees its first block and may raise to end it.

        Raises ObjectGone, TooLarge.
        """
        digest, size_bytes = hashlib.sha256(), 0
        with _named_errors():
            response = self._client.get_object(bucket, key)
            try:
                with target.open("wb") as file:
                    for block in response.stream(BLOCK_BYTES):
                        if not size_bytes:
                            look(block)
                        size_bytes += len(block)
                        if max_bytes is not None and size_bytes > max_bytes:
                            raise TooLarge
                        digest.update(block)
                        file.write(block)
                etag = _unquoted(response.headers.get("ETag", ""))
                content_type = response.headers.get("Content-Type", "")
            finally:
                response.close()
                response.release_conn()
        return Fetched(etag, digest.hexdigest(), size_bytes, content_type)

    def read(self, bucket: str, key: str, offset: int, n_bytes: int) -> Part:
        """So many bytes from an offset on, or those up to the object's end. Raises ObjectGone, RangeGone."""
        with _named_errors():
            response = self._client.get_object(bucket, key, offset=offset, length=n_bytes)
            try:
                return Part(_unquoted(response.headers.get("ETag", "")), response.read())
            finally:
                response.close()
                response.release_conn()

    def put_parts(self, bucket: str, key: str, source: Path, content_type: str, part_bytes: int = PART_BYTES) -> str:
        """Store a file of any size in parts, one of which is held in memory; returns its ETag."""
        with _named_errors():
            put = self._client.fput_object(bucket, key, str(source), content_type=content_type, part_size=part_bytes)
        return _unquoted(put.etag or "")

    def put_file(self, bucket: str, key: str, source: Path, content_type: str) -> None:
        """Store a file; putting the same content-addressed key again changes nothing."""
        with _named_errors():
            self._client.fput_object(bucket, key, str(source), content_type=content_type)

    def delete(self, bucket: str, key: str) -> None:
        """Take an object away; one that is not there is as good as taken away."""
        with _named_errors():
            self._client.remove_object(bucket, key)

    def exists(self, bucket: str, key: str) -> bool:
        """Whether an object stands under the key."""
        try:
            self.stat(bucket, key)
        except ObjectGone:
            return False
        return True

    def presigned_put(self, bucket: str, key: str, expiry_s: int) -> str:
        """A URL that takes exactly one PUT of this key."""
        with _named_errors():
            return self._presigner.presigned_put_object(bucket, key, expires=timedelta(seconds=expiry_s))

    def presigned_post(
        self, bucket: str, key: str, expiry_s: int, n_bytes: range, sha256: bytes | None = None
    ) -> PostForm:
        """A form that takes one file under exactly this key, of so many bytes, and with this checksum if one is given.

        The store itself refuses what differs (SeaweedFS, MinIO and S3 do; MD5 is not offered, SeaweedFS refuses it).
        """
        policy = PostPolicy(bucket, datetime.now(UTC) + timedelta(seconds=expiry_s))
        policy.add_content_length_range_condition(n_bytes.start, n_bytes.stop - 1)
        fixed = {"key": key}
        if sha256 is not None:
            fixed |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": b64encode(sha256).decode()}
        for field, value in fixed.items():
            policy.add_equals_condition(field, value)
        with _named_errors():
            signed = self._presigner.presigned_post_policy(policy)
        endpoint = self._settings.public_endpoint or self._settings.endpoint
        return PostForm(f"{endpoint.rstrip('/')}/{bucket}", fixed | signed)

    def notifications(self, bucket: str) -> Iterator[dict[str, Any]]:
        """MinIO's `listen_bucket_notification`, an endless stream of hints; other stores refuse it."""
        with _named_errors(), self._client.listen_bucket_notification(bucket, events=("s3:ObjectCreated:*",)) as stream:
            yield from stream


def _client(settings: S3Settings, endpoint: str) -> Minio:
    address = urlsplit(endpoint)
    return Minio(
        address.netloc,
        access_key=settings.access_key.get_secret_value(),
        secret_key=settings.secret_key.get_secret_value(),
        region=settings.region,
        secure=address.scheme == "https",
        http_client=urllib3.PoolManager(
            maxsize=32,
            retries=False,  # the ledger is the only retry authority
            timeout=urllib3.Timeout(connect=5, read=settings.timeout_s),
        ),
    )


def _entry(bucket: str, entry: Any) -> StoredObject:
    return StoredObject(bucket, entry.object_name, _unquoted(entry.etag or ""), entry.size or 0, entry.last_modified)


def _unquoted(etag: str) -> str:
    return etag.strip('"')


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in _GONE:
            raise ObjectGone(f"{error.code}: {error.resource}") from error
        if error.code == "InvalidRange":
            raise RangeGone(f"{error.code}: {error.resource}") from error
        if error.code in _REFUSED or getattr(error.response, "status", None) in {405, 414}:
            raise ObjectRefused(f"{error.code}: {error.message}") from error
        raise ObjectStoreUnavailable(f"{error.code}: {error.message}") from error
    except ValueError as error:  # the client itself refuses some keys: `..` parts, lone surrogates, no name at all
        raise ObjectRefused(str(error)) from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise ObjectStoreUnavailable(str(error)) from error
