"""What happens to clusters, labels and names."""

from uuid import UUID

from shared.events.base import Event


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


class LabelRecorded(Event):
    """A person said who speaks, or does not, in segments of a collection; or took that, or what a rule did, back."""

    type = "io.earmark.label.recorded.v2"
    service = "console"
    label_id: UUID
    collection: str
    operation: str  # assign, reject, split, import, merge, undo
    speaker_id: UUID | None = None  # None: of several speakers
    segment_id: UUID | None = None
    cluster_id: UUID | None = None

    def subject(self) -> str:
        return str(self.label_id)


class LabelRecordedV1(Event):
    """As it was announced before words could be taken back: still read, no longer written."""

    type = "io.earmark.label.recorded.v1"
    service = "console"
    label_id: UUID
    collection: str
    speaker_id: UUID
    segment_id: UUID | None = None
    cluster_id: UUID | None = None

    def subject(self) -> str:
        return str(self.label_id)

    def now(self) -> LabelRecorded:
        """As it would be announced today."""
        return LabelRecorded(operation="assign", **self.model_dump())


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


class ReviewRequested(Event):
    """Somebody wants to see what a label would change before giving it."""

    type = "io.earmark.review.requested.v1"
    service = "console"
    review_id: UUID
    collection: str

    def subject(self) -> str:
        return str(self.review_id)


class ComparisonRequested(Event):
    """Somebody wants two encoders compared on a collection's own labels."""

    type = "io.earmark.comparison.requested.v1"
    service = "console"
    comparison_id: UUID
    collection: str

    def subject(self) -> str:
        return str(self.comparison_id)
