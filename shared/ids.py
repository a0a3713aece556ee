"""Ids: content-derived where doing a thing again must make the same row, time-ordered where it must not."""

from uuid import UUID, uuid5

from uuid_utils import compat

NAMESPACE = UUID("6f2b4a52-6d0e-5f0e-9c3b-ea2b1f6f7a10")
"""Every content-derived id of Earmark lives under this one; it is never changed."""


def new_id() -> UUID:
    """A time-ordered id (UUIDv7, RFC 9562) for what happens once: events, labels, requests."""
    return compat.uuid7()


def object_id(bucket: str, key: str) -> UUID:
    """The id of one place in the object store, whatever bytes lie there."""
    return uuid5(NAMESPACE, f"object:{bucket}/{key}")


def recording_id(collection: str, sha256: str) -> UUID:
    """The id of these bytes in this collection: the same file under two keys is one recording."""
    return uuid5(NAMESPACE, f"recording:{collection}:{sha256}")


def segment_id(recording: UUID, segmenter: str, start_sample: int, end_sample: int) -> UUID:
    """The id of one stretch of a recording as one segmenter revision (`name@revision`) cut it."""
    return uuid5(recording, f"segment:{segmenter}:{start_sample}-{end_sample}")


def caption_id(recording: UUID, place: int, text: str) -> UUID:
    """The id of a caption: the same words at the same place of the list (from 1) are the same segment."""
    return uuid5(recording, f"caption:{place}:{text}")


def event_id(cause: UUID, event_type: str, subject: str) -> UUID:
    """The id of an event that must exist once however often its cause is worked on."""
    return uuid5(cause, f"event:{event_type}:{subject}")
