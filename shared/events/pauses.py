"""What happens to the work on a collection, or to a stage of the work on all of them; of the two names one is empty."""

from shared.events.base import Event


class WorkPaused(Event):
    """Nothing more is started of a collection, or of a stage."""

    type = "io.earmark.work.paused.v1"
    service = "console"
    collection: str = ""
    stage: str = ""

    def subject(self) -> str:
        return self.collection or self.stage


class WorkResumed(Event):
    """A collection, or a stage, goes on where it stopped."""

    type = "io.earmark.work.resumed.v1"
    service = "console"
    collection: str = ""
    stage: str = ""

    def subject(self) -> str:
        return self.collection or self.stage
