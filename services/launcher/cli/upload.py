"""Put files into the bucket through presigned URLs: many at a time, each again if the store stumbles."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.launcher.cli.client import is_loopback
from services.launcher.cli.failure import Failure
from services.launcher.cli.sources import Source

if TYPE_CHECKING:
    import httpx

THREADS = 8
_CHUNK_BYTES = 1 << 18
_ATTEMPTS = 5
_TIMEOUT_S = 60.0  # for one chunk, not for the file
_EXPIRED = "HTTP 403"
_REFUSALS = frozenset(f"HTTP {status}" for status in range(300, 500)) - {"HTTP 408", "HTTP 429"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where one file goes."""

    object_key: str
    url: str
    etag: str | None = None
    """Of the recording that lies there by now."""
    seen_at: str | None = None
    """When whatever lies there by now was seen."""


class NotUploaded(Exception):
    """One file did not go up, and the next one may: it cannot be read, or the store refuses it."""


def upload(
    batch: Sequence[tuple[Source, Target]],
    renew: Callable[[Source], Target],
    on_bytes: Callable[[int], None],
    first_pause_s: float = 0.25,
) -> Iterator[str | NotUploaded]:
    """Put a batch of files up; yields the ETag of each, or why it did not go up, in order.

    `renew` gets a fresh URL for a file whose URL has run out. Raises Failure when the store cannot be reached, and
    starts no other file then.
    """
    import httpx

    with (
        httpx.Client(timeout=_TIMEOUT_S, trust_env=not is_loopback(batch[0][1].url)) as http,
        ThreadPoolExecutor(THREADS, thread_name_prefix="upload") as pool,
    ):
        one = _Upload(http, renew, on_bytes, first_pause_s)
        yield from pool.map(lambda pair: one.put(*pair), batch)


@dataclass(frozen=True, slots=True)
class _Upload:
    http: "httpx.Client"
    renew: Callable[[Source], Target]
    on_bytes: Callable[[int], None]
    first_pause_s: float

    def put(self, source: Source, target: Target) -> str | NotUploaded:
        renewed = False
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._pause(attempt)
            counter = _Counter(self.on_bytes)
            try:
                etag, trouble = self._send(source, target, counter)
            except NotUploaded as failure:
                return failure
            if not trouble:
                return etag
            counter.take_back()
            if trouble == _EXPIRED and not renewed:
                target, renewed = self.renew(source), True
            elif trouble in _REFUSALS:
                return NotUploaded(f"The object store refuses it ({trouble}).")
        remedy = "Look at it (earmark status) and run the same command again."
        raise Failure("store_unreachable", f"The object store takes no uploads: {trouble}.", remedy)

    def _send(self, source: Source, target: Target, counter: "_Counter") -> tuple[str, str]:
        """The ETag, and what went wrong in a few words; nothing if nothing did."""
        import httpx

        # A stated length keeps the body from being sent in chunks, which presigned URLs do not allow.
        headers = {"Content-Length": str(source.size_bytes)}
        try:
            answer = self.http.put(target.url, content=_body(source, counter), headers=headers)
        except httpx.TransportError as error:
            return "", str(error) or type(error).__name__
        trouble = "" if answer.is_success else f"HTTP {answer.status_code}"
        return answer.headers.get("ETag", "").strip('"'), trouble

    def _pause(self, attempt: int) -> None:
        # Spread, so that eight threads do not come back at the same moment.
        spread = random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        time.sleep(self.first_pause_s * 2 ** (attempt - 1) * spread)


class _Counter:
    """Counts what went up, and takes it back when it has to go up once more."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        self._on_bytes = on_bytes
        self._n_bytes = 0

    def add(self, n_bytes: int) -> None:
        self._n_bytes += n_bytes
        self._on_bytes(n_bytes)

    def take_back(self) -> None:
        self._on_bytes(-self._n_bytes)


def _body(source: Source, counter: _Counter) -> Iterator[bytes]:
    """The file's bytes, exactly as many as were announced: a file that still grows is taken as it was found.

    Raises NotUploaded if it has shrunk or cannot be read.
    """
    left = source.size_bytes
    try:
        with source.file.open("rb") as file:
            while left and (chunk := file.read(min(_CHUNK_BYTES, left))):
                left -= len(chunk)
                counter.add(len(chunk))
                yield chunk
    except OSError as error:
        raise NotUploaded(f"It cannot be read: {error.strerror}.") from error
    if left:
        raise NotUploaded("It became shorter while it went up.")
