"""What happens to files, recordings and segments."""

from uuid import UUID

from pydantic import Field

from shared.events.base import Event
from shared.units import SAMPLE_RATE_HZ

_PCM16_BYTES_PER_S = 2 * SAMPLE_RATE_HZ


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


class RenditionRequested(Event):
    """A recording's audio is wanted at another rate than 16 kHz, which has to be made from its original."""

    type = "io.earmark.rendition.requested.v1"
    service = "embedder"
    recording_id: UUID
    collection: str
    sample_rate_hz: int
    duration_s: float

    def subject(self) -> str:
        return str(self.recording_id)

    def weight_audio_s(self) -> float:
        return self.duration_s


class ArchiveFound(Event):
    """An object is an archive and has to be unpacked; and again, with `n_members`, when there is more to unpack."""

    type = "io.earmark.archive.found.v1"
    service = "ingest"
    archive_id: UUID
    object_id: UUID
    collection: str
    key: str
    n_members: int = 0

    def subject(self) -> str:
        return self.key


class ArchiveUnpacked(Event):
    """All members of an archive were taken as objects of their own, or left out by name, or refused with a reason."""

    type = "io.earmark.archive.unpacked.v1"
    service = "ingest"
    archive_id: UUID
    object_id: UUID
    collection: str
    key: str
    n_members: int
    n_taken: int
    n_skipped: int
    n_refused: int

    def subject(self) -> str:
        return self.key


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


class SegmentsRemoved(Event):
    """Segments no longer stand, nor do their vectors.

    `speaker_ids` are those whose labelled segments they were, `cluster_ids` the standing clusters that they were in.
    """

    type = "io.earmark.segments.removed.v1"
    service = "console"
    collection: str
    recording_id: UUID
    segment_ids: tuple[UUID, ...]
    speaker_ids: tuple[UUID, ...] = ()
    cluster_ids: tuple[UUID, ...] = ()

    def subject(self) -> str:
        return str(self.recording_id)

    def weight_segments(self) -> int:
        return len(self.segment_ids)
