"""Everything that can be announced: facts in the past tense that carry ids and keys, never audio, vectors or rows.

A breaking change is a new class with a new version; readers ignore fields that they do not know.
"""

from typing import Any

from shared.errors import PermanentError
from shared.events.audio import (
    ArchiveFound,
    ArchiveUnpacked,
    ObjectSeen,
    RecordingRegistered,
    RecordingRejected,
    RenditionRequested,
    SegmentsCreated,
    SegmentsRemoved,
)
from shared.events.base import Event
from shared.events.envelope import CloudEvent
from shared.events.erasures import ErasureBegun, EventErased, RecordingErased
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
from shared.events.pauses import WorkPaused, WorkResumed
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
    "OF_STAGES",
    "ArchiveFound",
    "ArchiveUnpacked",
    "BackfillFinished",
    "BackfillRequested",
    "CloudEvent",
    "ClusteringRequested",
    "ClustersUpdated",
    "ComparisonRequested",
    "EmbeddingRequested",
    "EncoderCheckRequested",
    "EncoderRequested",
    "ErasureBegun",
    "Event",
    "EventErased",
    "LabelRecorded",
    "LabelRecordedV1",
    "LabelsPropagated",
    "ObjectSeen",
    "RecordingEmbedded",
    "RecordingErased",
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
    "WorkPaused",
    "WorkResumed",
    "parse",
]

EVENT_TYPES: dict[str, type[Event]] = {
    cls.type: cls
    for cls in (
        ObjectSeen,
        ArchiveFound,
        ArchiveUnpacked,
        RecordingRegistered,
        RecordingRejected,
        RenditionRequested,
        SegmentsCreated,
        SegmentsRemoved,
        RecordingErased,
        ErasureBegun,
        EventErased,
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
        WorkPaused,
        WorkResumed,
    )
}

OF_STAGES: frozenset[str] = frozenset({WorkPaused.type, WorkResumed.type})
"""Types that concern every collection where they name none: a stage works for all of them."""


class UnknownEvent(PermanentError):
    """The event's type is newer than this worker; its delivery waits for one that knows it: upgrade the worker."""

    code = "unknown_event"


def parse(event_type: str, data: dict[str, Any]) -> Event:
    """The event of that type; raises UnknownEvent, or pydantic's ValidationError for data of another shape."""
    cls = EVENT_TYPES.get(event_type)
    if cls is None:
        raise UnknownEvent(f"No event type {event_type!r}.")
    return cls.model_validate(data)
