"""Everything that can be announced: facts in the past tense that carry ids and keys, never audio, vectors or rows.

A breaking change is a new class with a new version; readers ignore fields that they do not know.
"""

from typing import Any

from shared.errors import PermanentError
from shared.events.audio import (
    ObjectSeen,
    RecordingRegistered,
    RecordingRejected,
    RenditionRequested,
    SegmentsCreated,
    SegmentsRemoved,
)
from shared.events.base import Event
from shared.events.envelope import CloudEvent
from shared.events.names import (
    ClusteringRequested,
    ClustersUpdated,
    ComparisonRequested,
    LabelRecorded,
    LabelRecordedV1,
    LabelsPropagated,
    ReviewRequested,
    SegmentsAssigned,
)
from shared.events.vectors import (
    BackfillFinished,
    BackfillRequested,
    EmbeddingRequested,
    EncoderCheckRequested,
    EncoderRequested,
    RecordingEmbedded,
    SegmentsEmbedded,
    SegmentsEnlisted,
)

__all__ = [
    "EVENT_TYPES",
    "BackfillFinished",
    "BackfillRequested",
    "CloudEvent",
    "ClusteringRequested",
    "ClustersUpdated",
    "ComparisonRequested",
    "EmbeddingRequested",
    "EncoderCheckRequested",
    "EncoderRequested",
    "Event",
    "LabelRecorded",
    "LabelRecordedV1",
    "LabelsPropagated",
    "ObjectSeen",
    "RecordingEmbedded",
    "RecordingRegistered",
    "RecordingRejected",
    "RenditionRequested",
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
        RenditionRequested,
        SegmentsCreated,
        SegmentsRemoved,
        SegmentsEmbedded,
        RecordingEmbedded,
        EmbeddingRequested,
        BackfillRequested,
        BackfillFinished,
        SegmentsEnlisted,
        SegmentsAssigned,
        ClusteringRequested,
        ClustersUpdated,
        EncoderCheckRequested,
        EncoderRequested,
        LabelRecorded,
        LabelRecordedV1,
        LabelsPropagated,
        ReviewRequested,
        ComparisonRequested,
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
