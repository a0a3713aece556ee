"""What happens to vectors: asked for, and there."""

from uuid import UUID

from pydantic import Field

from shared.events.base import Event


class SegmentsEmbedded(Event):
    """Vectors of these segments were committed for one encoder."""

    type = "io.earmark.segments.embedded.v1"
    service = "embedder"
    recording_id: UUID
    collection: str
    encoder: str
    segment_ids: tuple[UUID, ...]
    made_with: str = Field("", description="on what: `device=cpu dtype=float32 batch=24`")

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


class EmbeddingRequested(Event):
    """A person named or split these segments of one recording, or they are its late captions: no vector stands yet."""

    type = "io.earmark.embedding.requested.v1"
    service = "console"
    recording_id: UUID
    collection: str
    encoder: str
    segment_ids: tuple[UUID, ...]
    duration_s: float = Field(description="sum of the segments' durations")

    def subject(self) -> str:
        return str(self.recording_id)

    def weight_segments(self) -> int:
        return len(self.segment_ids)

    def weight_audio_s(self) -> float:
        return self.duration_s


class BackfillRequested(Event):
    """Somebody asked for an encoder's vectors of a whole collection; again for each further page of its recordings."""

    type = "io.earmark.backfill.requested.v1"
    service = "console"
    backfill_id: UUID
    collection: str
    encoder: str
    everything: bool = Field(False, description="also of the segments that have a vector")
    after: UUID | None = Field(None, description="the recordings up to this one are enlisted")

    def subject(self) -> str:
        return self.collection


class BackfillFinished(Event):
    """All that a backfill wanted is embedded, or never will be. Announced exactly once."""

    type = "io.earmark.backfill.finished.v1"
    service = "embedder"
    backfill_id: UUID
    collection: str
    encoder: str

    def subject(self) -> str:
        return self.collection


class SegmentsEnlisted(Event):
    """A backfill wants these segments of one recording embedded: a minute of audio at most, or one longer segment."""

    type = "io.earmark.segments.enlisted.v1"
    service = "embedder"
    backfill_id: UUID
    recording_id: UUID
    collection: str
    encoder: str
    segment_ids: tuple[UUID, ...]
    duration_s: float = Field(description="sum of the segments' durations")
    overwrite: bool = Field(False, description="put the vectors in the place of those that are there")

    def subject(self) -> str:
        return str(self.recording_id)

    def weight_segments(self) -> int:
        return len(self.segment_ids)

    def weight_audio_s(self) -> float:
        return self.duration_s


class EncoderRequested(Event):
    """Somebody wants a layer of a checkpoint as an encoder; a worker reads the checkpoint and makes the space."""

    type = "io.earmark.encoder.requested.v1"
    service = "console"
    encoder: str

    def subject(self) -> str:
        return self.encoder


class EncoderCheckRequested(Event):
    """Somebody asked how an encoder does on the machine of its workers."""

    type = "io.earmark.encoder.check.requested.v1"
    service = "console"
    check_id: UUID
    encoder: str

    def subject(self) -> str:
        return self.encoder
