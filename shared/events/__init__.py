"""Everything that can be announced: facts in the past tense that carry ids and keys, never audio, vectors or rows.

A breaking change is a new class with a new version; readers ignore fields that they do not know.
"""

from typing import Any

from shared.errors import PermanentError
from shared.events.audio import (
    ObjectSeen,
    RecordingRegistered,
    RecordingRejected,
    SegmentsCreated,
    SegmentsRemoved,
)
from shared.events.base import Event
from shared.events.envelope import CloudEvent
from shared.events.names import (
    ClusteringRequested,
    ClustersUpdated,
    LabelRecorded,
    LabelRecordedV1,
    LabelsPropagated,
    ReviewRequested,
    SegmentsAssigned,
)
from shared.events.vectors import (
    BackfillRequested,
    EmbeddingRequested,
    EncoderCheckRequested,
    RecordingEmbedded,
    SegmentsEmbedded,
    SegmentsEnlisted,
)

__all__ = [
    "EVENT_TYPES",
    "BackfillRequested",
    "CloudEvent",
    "ClusteringRequested",
    "ClustersUpdated",
    "EmbeddingRequested",
    "EncoderCheckRequested",
    "Event",
    "LabelRecorded",
    "LabelRecordedV1",
    "LabelsPropagated",
    "ObjectSeen",
    "RecordingEmbedded",
    "RecordingRegistered",
    "RecordingRejected",
    "ReviewRequested",
    "SegmentsAssigned",
    "SegmentsCreated",
    "SegmentsEmbedded",
    "SegmentsEnlisted",
    "SegmentsRemoved",
    "UnknownEvent",
    "parse",
]

EVENT_TYPES: dict[str, type[Event]] = {
    cls.type: cls
    for cls in (
        ObjectSeen,
        RecordingRegistered,
        RecordingRejected,
        SegmentsCreated,
        SegmentsRemoved,
        SegmentsEmbedded,
        RecordingEmbedded,
        EmbeddingRequested,
        BackfillRequested,
        SegmentsEnlisted,
        SegmentsAssigned,
        ClusteringRequested,
        ClustersUpdated,
        EncoderCheckRequested,
        LabelRecorded,
        LabelRecordedV1,
        LabelsPropagated,
        ReviewRequested,
    )
}


class UnknownEvent(PermanentError):
    """The event's type is newer than this worker; upgrade the worker, then requeue the delivery."""

    code = "unknown_event"


def parse(event_type: str, data: dict[str, Any]) -> Event:
    """The event of that type; raises UnknownEvent, or pydantic's ValidationError for data of another shape."""
    cls = EVENT_TYPES.get(event_type)
    if cls is None:
        raise UnknownEvent(f"No event type {event_type!r}.")
    return cls.model_validate(data)
