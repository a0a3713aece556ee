"""Turn a batch of objects into decoded recordings: fetch ahead in threads, decode in the sandboxed child, store."""

import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

from services.ingest.archives.kinds import Kind
from services.ingest.archives.sniffing import HEAD_BYTES, sniff
from services.ingest.decode.errors import TooLarge as TooLargeFile
from services.ingest.decode.facts import DecodedFacts
from services.ingest.decoded import derived_key
from services.ingest.ports import Ingest
from services.ingest.unpacking import Archived
from shared import ids
from shared.errors import PermanentError, TransientError
from shared.events import ObjectSeen
from shared.ledger.consumer import Delivered
from shared.storage.objects import Fetched, ObjectGone, StoredObject, TooLarge
from shared.storage.recordings import NewRecording, Outcome


@dataclass(frozen=True, slots=True)
class Registered:
    """An object that is a recording."""

    delivered: Delivered
    recording: NewRecording
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Rejected:
    """An object that is none, with code and reason in the outcome."""

    delivered: Delivered
    outcome: Outcome


Stored: TypeAlias = tuple[Kind, StoredObject]
"""An archive, as it lies in the bucket."""


@dataclass(slots=True)
class Results:
    """What became of a batch."""

    registered: list[Registered] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    deferred: list[tuple[Delivered, TransientError]] = field(default_factory=list)
    archived: list[Archived] = field(default_factory=list)


def register_objects(seen: Mapping[Delivered, ObjectSeen], ingest: Ingest) -> Results:
    """Fetch, decode and store every object; nothing is written to the database yet."""
    results = Results()
    with tempfile.TemporaryDirectory(dir=ingest.scratch) as folder:
        for delivered, path, fetching in _fetched(seen, Path(folder), ingest):
            event = seen[delivered]
            try:
                fetched = fetching.result()
                if isinstance(fetched, Fetched):
                    results.registered.append(_register(delivered, event, path, fetched, ingest))
                else:
                    results.archived.append(Archived.of(delivered, event, *fetched))
            except PermanentError as error:
                reason = error.sentence()
                # An object that is gone keeps no etag: whatever lies there next is new, even if it is the same bytes.
                etag = "" if isinstance(error, ObjectGone) else event.etag
                outcome = Outcome(event.object_id, event.etag, etag, None, error.code, reason)
                results.rejected.append(Rejected(delivered, outcome))
            except TransientError as error:
                results.deferred.append((delivered, error))
            finally:
                path.unlink(missing_ok=True)
    return results


def _fetched(
    seen: Mapping[Delivered, ObjectSeen], folder: Path, ingest: Ingest
) -> Iterator[tuple[Delivered, Path, "Future[Fetched | Stored]"]]:
    """Each object with its download under way; a few downloads run ahead of the decoder, not all at once."""
    ahead = 2 * ingest.settings.ingest.fetch_threads
    started: list[tuple[Delivered, Path, Future[Fetched | Stored]]] = []
    for number, (delivered, event) in enumerate(seen.items()):
        path = folder / f"{number}"  # never the key: keys are data, not file names
        started.append((delivered, path, ingest.fetching.submit(_fetch, event, path, ingest)))
        if len(started) >= ahead:
            yield started.pop(0)
    yield from started


def _fetch(event: ObjectSeen, path: Path, ingest: Ingest) -> Fetched | Stored:
    """Download the object, unless its first bytes are an archive's: that one is not decoded and may be of any size."""
    most = ingest.settings.ingest.max_file_bytes
    try:
        return ingest.objects.fetch(event.bucket, event.key, path, most, look=_stop_at_archive)
    except _IsArchive as found:
        return found.kind, ingest.objects.stat(event.bucket, event.key)
    except TooLarge as error:
        raise TooLargeFile(f"The file is larger than {most} bytes.") from error


class _IsArchive(Exception):
    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.kind = kind


def _stop_at_archive(head: bytes) -> None:
    if kind := sniff(head[:HEAD_BYTES]):
        raise _IsArchive(kind)


def _register(delivered: Delivered, event: ObjectSeen, path: Path, fetched: Fetched, ingest: Ingest) -> Registered:
    target = path.with_suffix(".flac")
    try:
        facts = ingest.decoder.decode(path, target)
        stored_key = _store(fetched.sha256, target, ingest)
    finally:
        with suppress(FileNotFoundError):
            target.unlink()
    recording_id = ids.recording_id(event.collection, fetched.sha256)
    recording = NewRecording(
        recording_id=recording_id,
        collection=event.collection,
        sha256=fetched.sha256,
        n_samples=facts.n_samples,
        derived_key=stored_key,
        facts=_facts(facts, fetched),
    )
    return Registered(delivered, recording, Outcome(event.object_id, event.etag, fetched.etag, recording_id))


def _store(sha256: str, flac: Path, ingest: Ingest) -> str:
    key = derived_key(sha256)
    bucket = ingest.settings.s3.derived_bucket
    if not _stands(bucket, key, flac, ingest):
        ingest.objects.put_file(bucket, key, flac, "audio/flac")
    return key


def _stands(bucket: str, key: str, flac: Path, ingest: Ingest) -> bool:
    """Whether it lies there whole: one that broke off is put again."""
    try:
        return ingest.objects.stat(bucket, key).size_bytes == flac.stat().st_size
    except ObjectGone:
        return False


def _facts(facts: DecodedFacts, fetched: Fetched) -> dict[str, object]:
    return {**asdict(facts), "size_bytes": fetched.size_bytes}
