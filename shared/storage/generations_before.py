"""What a clustering replaced: the generation of clusters before the standing one, kept so that it can come back.

Beside its clusters and members that is how scores were made, and the voices of the speakers; what it left for the next
clustering is in clustering_states.py. One generation is kept. Whoever is gone since does not come back with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.storage.clusters import NewCluster
from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder
from shared.storage.tables import arrived, cluster_before, clustering

_CLUSTERS = sa.text("""
    INSERT INTO cluster_before (collection, encoder, generation, cluster_id, n_recordings, cohesion,
                                exemplar_segment_id, trust, segment_ids, probabilities)
    SELECT c.collection, c.encoder, :generation, c.cluster_id, c.n_recordings, c.cohesion, c.exemplar_segment_id,
           c.trust, array_agg(m.segment_id ORDER BY m.segment_id), array_agg(m.probability ORDER BY m.segment_id)
    FROM cluster c JOIN cluster_member m ON m.cluster_id = c.cluster_id AND m.until_generation IS NULL
    WHERE c.collection = :collection AND c.encoder = :encoder AND c."current" GROUP BY c.cluster_id
""")
_CALIBRATION = sa.text("""
    INSERT INTO calibration_before (collection, encoder_id, generation, n_vectors, n_arrived, backend, parameters,
                                    label_id, fitted_at)
    SELECT collection, encoder_id, :generation, n_vectors, n_arrived, backend, parameters, label_id, fitted_at
    FROM calibration WHERE collection = :collection AND encoder_id = :encoder_id
""")
_VOICES = sa.text("""
    INSERT INTO centroid_before (collection, encoder_id, generation, speaker_id, vector_sum, n, seconds)
    SELECT collection, encoder_id, :generation, speaker_id, vector_sum, n, seconds
    FROM centroid WHERE collection = :collection AND encoder_id = :encoder_id
""")
_NOBODY_ARRIVED = sa.text("DELETE FROM arrived WHERE collection = :collection AND encoder = :encoder")


def keep(tx: Transaction, collection: str, encoder: StoredEncoder, generation: int) -> None:
    """Keep the generation that stands before another one takes its place. Call it under `labels.lock_names`."""
    key = _key(collection, encoder, generation)
    for statement in (_CLUSTERS, _CALIBRATION, _VOICES, _NOBODY_ARRIVED):
        tx.execute(statement, key)


def _key(collection: str, encoder: StoredEncoder, generation: int) -> dict[str, Any]:
    return {
        "collection": collection,
        "encoder": encoder.name,
        "encoder_id": encoder.encoder_id,
        "generation": generation,
    }


_FORGET = (
    sa.text("""
        DELETE FROM cluster_before
        WHERE collection = :collection AND encoder = :encoder AND generation < :generation
    """),
    sa.text("""
        DELETE FROM calibration_before
        WHERE collection = :collection AND encoder_id = :encoder_id AND generation < :generation
    """),
    sa.text("""
        DELETE FROM centroid_before
        WHERE collection = :collection AND encoder_id = :encoder_id AND generation < :generation
    """),
)


def forget_before(tx: Transaction, collection: str, encoder: StoredEncoder, generation: int) -> None:
    """Keep this generation, and nothing older."""
    for statement in _FORGET:
        tx.execute(statement, _key(collection, encoder, generation))


def clusters_of(tx: Transaction, collection: str, encoder: StoredEncoder, generation: int) -> list[NewCluster]:
    """The clusters of a kept generation, as they were."""
    mine = (
        cluster_before.c.collection == collection,
        cluster_before.c.encoder == encoder.name,
        cluster_before.c.generation == generation,
    )
    return [
        NewCluster(
            cluster_id=row.cluster_id,
            segment_ids=tuple(row.segment_ids),
            probabilities=tuple(row.probabilities),
            n_recordings=row.n_recordings,
            cohesion=row.cohesion,
            exemplar_segment_id=row.exemplar_segment_id,
            trust=row.trust,
        )
        for row in tx.execute(sa.select(cluster_before).where(*mine).order_by(cluster_before.c.cluster_id))
    ]


_CALIBRATION_BACK = sa.text("""
    UPDATE calibration c SET n_vectors = b.n_vectors, n_arrived = b.n_arrived, backend = b.backend,
           parameters = b.parameters, label_id = b.label_id, fitted_at = b.fitted_at
    FROM calibration_before b
    WHERE (c.collection, c.encoder_id) = (:collection, :encoder_id)
      AND (b.collection, b.encoder_id, b.generation) = (:collection, :encoder_id, :generation)
""")
_NO_VOICES = sa.text("DELETE FROM centroid WHERE collection = :collection AND encoder_id = :encoder_id")
_VOICES_BACK = sa.text("""
    INSERT INTO centroid (collection, encoder_id, speaker_id, vector_sum, n, seconds)
    SELECT collection, encoder_id, speaker_id, vector_sum, n, seconds FROM centroid_before
    WHERE collection = :collection AND encoder_id = :encoder_id AND generation = :generation
""")


def bring_scores_back(tx: Transaction, collection: str, encoder: StoredEncoder, generation: int) -> bool:
    """Make scores as beside that generation; if that is not kept, they stay as they are, and this is False.

    It is not kept where there was none, as after an upgrade, and where a voice in it has been erased since.
    """
    key = _key(collection, encoder, generation)
    if not tx.execute(_CALIBRATION_BACK, key).rowcount:
        return False
    tx.execute(_NO_VOICES, key)
    tx.execute(_VOICES_BACK, key)
    return True


@dataclass(frozen=True, slots=True)
class Generation:
    """The standing one: the clustering's entry in the log, and whether it is as before that clustering or after it.

    `label_id` is None for clusterings that cannot be taken back: before an upgrade, or of an encoder that names nobody.
    """

    generation: int
    label_id: UUID | None
    taken_back: bool
    finished_at: datetime


def standing(tx: Transaction, collection: str, encoder: str) -> Generation | None:
    """None before the first clustering."""
    mine = (
        clustering.c.collection == collection,
        clustering.c.encoder == encoder,
        clustering.c.generation.is_not(None),
    )
    columns = (clustering.c.generation, clustering.c.label_id, clustering.c.taken_back, clustering.c.finished_at)
    last = sa.select(*columns).where(*mine).order_by(clustering.c.generation.desc(), clustering.c.finished_at.desc())
    row = tx.execute(last.limit(1)).one_or_none()
    return Generation(*row) if row else None


def tell(tx: Transaction, collection: str, encoder: str, label_id: UUID, *, taken_back: bool = False) -> None:
    """Write onto the standing generation which entry of the log it is of."""
    last = sa.select(sa.func.max(clustering.c.generation)).where(
        clustering.c.collection == collection, clustering.c.encoder == encoder
    )
    mine = (
        clustering.c.collection == collection,
        clustering.c.encoder == encoder,
        clustering.c.generation == last.scalar_subquery(),
    )
    tx.execute(sa.update(clustering).where(*mine).values(label_id=label_id, taken_back=taken_back))


_SAID_SINCE = sa.text("""
    SELECT EXISTS (
        SELECT FROM label WHERE collection = :collection AND created_at > :since
          AND operation NOT IN ('cluster', 'arrive') AND label_id <> :but AND cause_id IS DISTINCT FROM :but)
""")


def said_since(tx: Transaction, collection: str, since: datetime, but: UUID) -> bool:
    """Whether the log tells of anything since a generation but itself, arrivals, that entry, and what follows of it."""
    return bool(tx.execute(_SAID_SINCE, {"collection": collection, "since": since, "but": but}).scalar_one())


_ARRIVE = sa.text("""
    INSERT INTO arrived (encoder, segment_id, collection)
    SELECT :encoder, segment_id, :collection FROM segment
    WHERE segment_id = ANY(:ids) AND EXISTS (
        SELECT FROM clustering WHERE collection = :collection AND encoder = :encoder AND generation IS NOT NULL)
    ORDER BY segment_id
    ON CONFLICT DO NOTHING
""")


def arrive(tx: Transaction, collection: str, encoder: str, segment_ids: Sequence[UUID]) -> None:
    """Write down who arrives while a generation stands."""
    tx.execute(_ARRIVE, {"encoder": encoder, "collection": collection, "ids": list(segment_ids)})


def arrived_since(tx: Transaction, collection: str, encoder: str) -> list[UUID]:
    """Those who have arrived since the standing generation came, and still stand."""
    mine = (arrived.c.collection == collection, arrived.c.encoder == encoder)
    return list(tx.execute(sa.select(arrived.c.segment_id).where(*mine).order_by(arrived.c.segment_id)).scalars())
