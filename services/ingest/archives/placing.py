"""Put members into the bucket as objects of their own: what lies there already stays, and nobody's bytes are lost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from services.ingest.archives import names
from services.ingest.archives.errors import KeyTaken, MemberDoubled
from services.ingest.archives.staging import Staged
from services.ingest.archives.walking import Step
from shared.errors import RejectedInput
from shared.storage.archives import Member, NewArchive, Origins
from shared.storage.objects import ObjectGone, ObjectRefused, ObjectStore

_CONTENT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Placed:
    """A member that belongs under a key."""

    step: Step
    staged: Staged
    key: str


def keyed(steps: Iterable[Step], archive: NewArchive) -> Iterator[Placed | Member]:
    """Where each staged member belongs; whatever was refused so far, or is now for its key, is reported instead."""
    folder = names.folder_of(archive.key)
    for step in steps:
        try:
            if step.refusal:
                raise step.refusal
            if step.staged:
                yield Placed(step, step.staged, names.checked_key(f"{folder}/{step.path}"))
        except RejectedInput as error:
            yield refused(step, error)


def refused(step: Step, error: RejectedInput | ObjectRefused) -> Member:
    """What is reported of it."""
    return Member(names.shown(step.path), step.size_bytes, code=error.code, reason=error.sentence())


def put(one: Placed, origins: Origins, archive: NewArchive, objects: ObjectStore) -> Member:
    """Store the member, unless its bytes lie there already; never over another's bytes.

    An earlier version of the archive is no other, as long as the object is what that one put there.
    """
    step = one.step
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
