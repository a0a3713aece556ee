"""The tables, once, as SQLAlchemy metadata; migrations/ is how a database gets there."""

from shared.storage.tables.access import audit_entry, keyed_call, token
from shared.storage.tables.archives import archive, archive_member
from shared.storage.tables.audio import (
    collection,
    condemned_blob,
    object_attributes,
    recording,
    rendition,
    segment,
    stored_object,
)
from shared.storage.tables.backfills import backfill
from shared.storage.tables.clusters import (
    arrived,
    cluster,
    cluster_before,
    cluster_member,
    clustering,
    clustering_member,
    clustering_state,
    deferred,
)
from shared.storage.tables.columns import Vector, metadata
from shared.storage.tables.encoder_changes import comparison, encoder_switch
from shared.storage.tables.erasures import erasure, tombstone
from shared.storage.tables.ledger import delivery, drained, event, heartbeat, pause
from shared.storage.tables.names import (
    assignment,
    calibration,
    calibration_before,
    centroid,
    centroid_before,
    label,
    label_effect,
    review,
    speaker,
    suggestion,
    word,
)
from shared.storage.tables.questions import question, questionnaire, skipped
from shared.storage.tables.subsets import subset, subset_member
from shared.storage.tables.vectors import (
    embedding,
    encoder,
    encoder_check,
    encoder_definition,
    encoder_family,
    frame_blob,
    recording_progress,
    segmenter,
    unembeddable,
)

__all__ = [
    "Vector",
    "archive",
    "archive_member",
    "arrived",
    "assignment",
    "audit_entry",
    "backfill",
    "calibration",
    "calibration_before",
    "centroid",
    "centroid_before",
    "cluster",
    "cluster_before",
    "cluster_member",
    "clustering",
    "clustering_member",
    "clustering_state",
    "collection",
    "comparison",
    "condemned_blob",
    "deferred",
    "delivery",
    "drained",
    "embedding",
    "encoder",
    "encoder_check",
    "encoder_definition",
    "encoder_family",
    "encoder_switch",
    "erasure",
    "event",
    "frame_blob",
    "heartbeat",
    "keyed_call",
    "label",
    "label_effect",
    "metadata",
    "object_attributes",
    "pause",
    "question",
    "questionnaire",
    "recording",
    "recording_progress",
    "rendition",
    "review",
    "segment",
    "segmenter",
    "skipped",
    "speaker",
    "stored_object",
    "subset",
    "subset_member",
    "suggestion",
    "token",
    "tombstone",
    "unembeddable",
    "word",
]
