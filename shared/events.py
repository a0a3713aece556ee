"""Everything that can be announced: facts in the past tense that carry ids and keys, never audio, vectors or rows.

A breaking change is a new class with a new version; readers ignore fields that they do not know. The JSON form is a
CloudEvents 1.0 envelope (https://github.com/cloudevents/spec).
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import PermanentError
from shared.units import SAMPLE_RATE_HZ

_PCM16_BYTES_PER_S = 2 * SAMPLE_RATE_HZ


class Event(BaseModel):
    """One fact. `type` names it, `service` announces it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    service: ClassVar[str]

    def subject(self) -> str:
        """The thing that the fact is about, as an id or a key."""
        raise NotImplementedError

    def weight_segments(self) -> int:
        """How much segment work the fact stands for; messages are packed by it."""
        return 1

    def weight_audio_s(self) -> float:
        """How much audio the fact stands for, in seconds; messages are packed by it."""
        return 0.0


class ObjectSeen(Event):
    """An object stands in the audio bucket that was not there before, or not with these bytes."""

    type = "io.earmark.object.seen.v1"
    service = "ingest"
    object_id: UUID
    collection: str
    bucket: str
    key: str
    etag: str
    size_bytes: int

    def subject(self) -> str:
        return self.key

    def weight_audio_s(self) -> float:
        return self.size_bytes / _PCM16_BYTES_PER_S


class RecordingRegistered(Event):
    """An object was decoded: the recording, its facts and its 16 kHz mono audio are stored."""

    type = "io.earmark.recording.registered.v1"
    service = "ingest"
    recording_id: UUID
    object_id: UUID
    collection: str
    segmenter: str
    duration_s: float

    def subject(self) -> str:
        return str(self.recording_id)

    def weight_audio_s(self) -> float:
        return self.duration_s


class RecordingRejected(Event):
    """An object cannot be a recording; `code` is stable, `reason` is a sentence that helps."""

    type = "io.earmark.recording.rejected.v1"
    service = "ingest"
    object_id: UUID
    collection: str
    key: str
    code: str
    reason: str

    def subject(self) -> str:
        return self.key


class SegmentsCreated(Event):
    """Segments of one recording were cut, at most `ledger.segments_per_event` of them in one event."""

    type = "io.earmark.segments.created.v1"
    service = "ingest"
    recording_id: UUID
    collection: str
    segmenter: str
    segment_ids: tuple[UUID, ...]
    duration_s: float = Field(description="sum of the segments' durations")

    def subject(self) -> str:
        return str(self.recording_id)

    def weight_segments(self) -> int:
        return len(self.segment_ids)

    def weight_audio_s(self) -> float:
        return self.duration_s


class SegmentsEmbedded(Event):
    """Vectors of these segments were committed for one encoder."""

    type = "io.earmark.segments.embedded.v1"
    service = "embedder"
    recording_id: UUID
    collection: str
    encoder: str
    segment_ids: tuple[UUID, ...]

    def subject(self) -> str:
        return str(self.recording_id)

    def weight_segments(self) -> int:
        return len(self.segment_ids)


class RecordingEmbedded(Event):
    """Every segment of the recording has its vector, or a reason why it has none. Announced exactly once."""

    type = "io.earmark.recording.embedded.v1"
    service = "embedder"
    recording_id: UUID
    collection: str
    encoder: str
    n_embedded: int
    n_without_voice: int = 0

    def subject(self) -> str:
        return str(self.recording_id)


class SegmentsAssigned(Event):
    """New segments were compared with the named speakers: these received a name, the rest stay unknown."""

    type = "io.earmark.segments.assigned.v1"
    service = "clusterer"
    collection: str
    encoder: str
    segment_ids: tuple[UUID, ...]
    n_unassigned: int

    def subject(self) -> str:
        return self.collection

    def weight_segments(self) -> int:
        return len(self.segment_ids) + self.n_unassigned


class ClusteringRequested(Event):
    """Somebody asked for fresh clusters of a collection."""

    type = "io.earmark.clustering.requested.v1"
    service = "console"
    request_id: UUID
    collection: str
    encoder: str

    def subject(self) -> str:
        return self.collection


class ClustersUpdated(Event):
    """A generation of clusters was committed."""

    type = "io.earmark.clusters.updated.v1"
    service = "clusterer"
    request_id: UUID
    collection: str
    encoder: str
    generation: int
    n_clusters: int
    n_noise: int
    n_segments: int

    def subject(self) -> str:
        return self.collection


class EncoderCheckRequested(Event):
    """Somebody asked how an encoder does on the machine of its workers."""

    type = "io.earmark.encoder.check.requested.v1"
    service = "console"
    check_id: UUID
    encoder: str

    def subject(self) -> str:
        return self.encoder


class LabelRecorded(Event):
    """A person named the speaker of a segment or of a cluster."""

    type = "io.earmark.label.recorded.v1"
    service = "console"
    label_id: UUID
    collection: str
    speaker_id: UUID
    segment_id: UUID | None = None
    cluster_id: UUID | None = None

    def subject(self) -> str:
        return str(self.label_id)


class LabelsPropagated(Event):
    """A label has spread to its cluster and to the neighbours that nobody had named."""

    type = "io.earmark.labels.propagated.v1"
    service = "clusterer"
    label_id: UUID
    collection: str
    n_direct: int
    n_cluster: int
    n_identified: int

    def subject(self) -> str:
        return str(self.label_id)


EVENT_TYPES: dict[str, type[Event]] = {
    cls.type: cls
    for cls in (
        ObjectSeen,
        RecordingRegistered,
        RecordingRejected,
        SegmentsCreated,
        SegmentsEmbedded,
        RecordingEmbedded,
        SegmentsAssigned,
        ClusteringRequested,
        ClustersUpdated,
        EncoderCheckRequested,
        LabelRecorded,
        LabelsPropagated,
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


class CloudEvent(BaseModel):
    """The envelope that outsiders see; `correlationid` follows a recording from PUT to label."""

    specversion: str = "1.0"
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    correlationid: UUID
    causationid: UUID | None = None
    data: dict[str, Any]
