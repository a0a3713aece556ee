"""Put members into the bucket as objects of their own: what lies there already stays, and nobody's bytes are lost."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.ingest.archives import names
from services.ingest.archives.errors import KeyTaken, MemberDoubled
from services.ingest.archives.staging import Staged
from services.ingest.archives.walking import Step
from shared import ids
from shared.errors import EarmarkError, RejectedInput
from shared.storage import tombstones
from shared.storage.archives import Member, NewArchive, Origins
from shared.storage.objects import ObjectGone, ObjectRefused, ObjectStore

_CONTENT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Placed:
    """A member that belongs under a key."""

    step: Step
    staged: Staged
    key: str
    recording_id: UUID  # should it be a recording


def keyed(steps: Iterable[Step], archive: NewArchive) -> Iterator[Placed | Member]:
    """Where each staged member belongs; whatever was refused so far, or is now for its key, is reported instead."""
    folder = names.folder_of(archive.key)
    for step in steps:
        try:
            if step.refusal:
                raise step.refusal
            if step.staged:
                key = names.checked_key(f"{folder}/{step.path}")
                yield Placed(step, step.staged, key, ids.recording_id(archive.collection, step.staged.sha256))
        except RejectedInput as error:
            yield refused(step, error)


def refused(step: Step, error: EarmarkError) -> Member:
    """What is reported of it."""
    return Member(names.shown(step.path), step.size_bytes, code=error.code, reason=error.sentence())


def put(one: Placed, origins: Origins, erased: Container[UUID], archive: NewArchive, objects: ObjectStore) -> Member:
    """Store the member, unless its bytes lie there already or were erased; never over another's bytes.

    An earlier version of the archive is no other, as long as the object is what that one put there.
    """
    step = one.step
    if one.recording_id in erased:
        return refused(step, tombstones.refused(one.recording_id))
    if origins.by_this:
        return refused(step, MemberDoubled())
    try:
        standing = _etag(archive.bucket, one.key, objects)
        if standing in one.staged.etags:
            etag = standing
        elif standing is None or standing in origins.etags_before:
            etag = objects.put_parts(archive.bucket, one.key, one.staged.path, _CONTENT_TYPE)
        else:
            return refused(step, KeyTaken(f"It belongs at {one.key!r}."))
    except ObjectRefused as error:
        return refused(step, error)
    return Member(names.shown(step.path), step.size_bytes, key=one.key, etag=etag)


def _etag(bucket: str, key: str, objects: ObjectStore) -> str | None:
    try:
        return objects.stat(bucket, key).etag
    except ObjectGone:
        return None
