"""What happens to what is erased."""

from uuid import UUID

from shared.events.base import Event


class RecordingErased(Event):
    """A recording was erased, with all that was made of it; its bytes are refused from now on."""

    type = "io.earmark.recording.erased.v1"
    service = "console"
    recording_id: UUID
    collection: str
    receipt_id: UUID

    def subject(self) -> str:
        return str(self.recording_id)


class ErasureBegun(Event):
    """No table holds any more what was erased; its objects in the bucket, and what the log tells of it, go next."""

    type = "io.earmark.erasure.begun.v1"
    service = "console"
    receipt_id: UUID

    def subject(self) -> str:
        return str(self.receipt_id)


class EventErased(Event):
    """Stands in the log in the place of an event that told of what was erased since."""

    type = "io.earmark.event.erased.v1"
    service = "ingest"

    def subject(self) -> str:
        return ""
