"""What every event is: a fact that names its type, the service that announces it, and what it is about."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """One fact. `type` names it, `service` announces it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    service: ClassVar[str]

    def subject(self) -> str:
        """The thing that the fact is about, as an id or a key."""
        raise NotImplementedError

    def of_collection(self) -> str:
        """The collection in whose turn the work on it is done; empty where it is about none."""
        return str(getattr(self, "collection", ""))

    def weight_segments(self) -> int:
        """How much segment work the fact stands for; messages are packed by it."""
        return 1

    def weight_audio_s(self) -> float:
        """How much audio the fact stands for, in seconds; messages are packed by it."""
        return 0.0
