"""The tables, once, as SQLAlchemy metadata; migrations/ is how a database gets there."""

from shared.storage.tables.access import token
from shared.storage.tables.audio import collection, recording, segment, stored_object
from shared.storage.tables.backfills import backfill
from shared.storage.tables.clusters import cluster, cluster_member, clustering, clustering_state, deferred
from shared.storage.tables.columns import Vector, metadata
from shared.storage.tables.ledger import delivery, event, heartbeat
from shared.storage.tables.names import (
    assignment,
    calibration,
    centroid,
    erasure,
    label,
    label_effect,
    review,
    speaker,
    suggestion,
    word,
)
from shared.storage.tables.questions import question, questionnaire, skipped
from shared.storage.tables.vectors import (
    embedding,
    encoder,
    encoder_check,
    recording_progress,
    segmenter,
    unembeddable,
)

__all__ = [
    "Vector",
    "assignment",
    "backfill",
    "calibration",
    "centroid",
    "cluster",
    "cluster_member",
    "clustering",
    "clustering_state",
    "collection",
    "deferred",
    "delivery",
    "embedding",
    "encoder",
    "encoder_check",
    "erasure",
    "event",
    "heartbeat",
    "label",
    "label_effect",
    "metadata",
    "question",
    "questionnaire",
    "recording",
    "recording_progress",
    "review",
    "segment",
    "segmenter",
    "skipped",
    "speaker",
    "stored_object",
    "suggestion",
    "token",
    "unembeddable",
    "word",
]
