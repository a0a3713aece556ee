"""Who hears of what: each subscription is one Celery task, its queue and how its messages are packed.

This table is the whole wiring of Earmark. A delivery row is written for each subscription of an event's class, in the
event's own transaction.
"""

from dataclasses import dataclass

from shared import events
from shared.events import Event


@dataclass(frozen=True, slots=True)
class Subscription:
    """One consumer of one event class."""

    name: str  # also the Celery task's name
    event: type[Event]
    queue: str
    share: float = 1.0  # of the ledger's packing limits (events, segments, seconds of audio a message)
    pausable: bool = True  # else no pause holds it up, not that of its service or of a collection either

    @property
    def isolated_queue(self) -> str:
        """Where deliveries go alone after two failures, so that poison harms nobody else: one queue a service."""
        return f"{self.queue.partition('.')[0]}.isolated"


SUBSCRIPTIONS: tuple[Subscription, ...] = (
    Subscription("ingest.register", events.ObjectSeen, "ingest"),
    # A queue of its own and one at a time: a slice takes a minute, and arrivals do not wait for all archives.
    Subscription("ingest.unpack", events.ArchiveFound, "ingest.later", share=0.01),
    Subscription("ingest.segment", events.RecordingRegistered, "ingest"),
    Subscription("ingest.render", events.RenditionRequested, "ingest"),
    Subscription("ingest.erase", events.ErasureBegun, "ingest", pausable=False),
    Subscription("embedder.embed", events.SegmentsCreated, "embedder"),
    Subscription("embedder.supply", events.EmbeddingRequested, "embedder"),
    Subscription("embedder.enlist", events.BackfillRequested, "embedder"),
    # A queue of its own, of small messages: workers take from their queues in turn, so that live work never waits for
    # more than a short one of these, however many there are.
    Subscription("embedder.backfill", events.SegmentsEnlisted, "embedder.later", share=0.1),
    Subscription("embedder.check", events.EncoderCheckRequested, "embedder"),
    Subscription("embedder.define", events.EncoderRequested, "embedder"),
    Subscription("embedder.discard", events.SegmentsRemoved, "embedder", pausable=False),
    Subscription("clusterer.assign", events.SegmentsEmbedded, "clusterer", share=4.0),
    Subscription("clusterer.recluster", events.ClusteringRequested, "clusterer"),
    # What people wait for has a queue of its own as well: a label is behind one message of arrivals, not behind all.
    Subscription("clusterer.propagate", events.LabelRecorded, "clusterer.people"),
    Subscription("clusterer.ask", events.LabelsPropagated, "clusterer.people"),
    Subscription("clusterer.ask_anew", events.ClustersUpdated, "clusterer.people"),
    Subscription("clusterer.review", events.ReviewRequested, "clusterer.people"),
    Subscription("clusterer.switch", events.BackfillFinished, "clusterer"),
    Subscription("clusterer.compare_encoders", events.ComparisonRequested, "clusterer"),
    Subscription("clusterer.forget", events.SegmentsRemoved, "clusterer", pausable=False),
)

BY_NAME: dict[str, Subscription] = {s.name: s for s in SUBSCRIPTIONS}
BY_EVENT: dict[str, tuple[Subscription, ...]] = {
    event_type: tuple(s for s in SUBSCRIPTIONS if s.event.type == event_type) for event_type in events.EVENT_TYPES
}
QUEUES: tuple[str, ...] = tuple(sorted({q for s in SUBSCRIPTIONS for q in (s.queue, s.isolated_queue)}))


def queues_of(service: str) -> tuple[str, ...]:
    """The queues that the workers of one service listen to."""
    return tuple(q for q in QUEUES if q.split(".", 1)[0] == service)
