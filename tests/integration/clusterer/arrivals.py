"""Segments that come to a world whose clusters stand."""

from uuid import UUID

import numpy as np
import sqlalchemy as sa

from services.clusterer import arriving
from services.clusterer.spaces import Space, space_of
from shared.ids import new_id
from shared.settings import ClustererSettings
from shared.storage import clusters, embeddings, encoders, segments
from tests.integration.clusterer.histories import World


def arrive(world: World, *rows: np.ndarray) -> list[UUID]:
    """New segments of the world's recording with these vectors."""
    unit = np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)
    with world.database.begin() as tx:
        recording_id = tx.execute(
            sa.text("SELECT recording_id FROM recording WHERE collection = :c"), {"c": world.collection}
        ).scalar_one()
        new = [segments.NewSegment(new_id(), 10**7 + n * 48_000, 10**7 + (n + 1) * 48_000) for n in range(len(rows))]
        for one in new:
            values = {"id": one.segment_id, "r": recording_id, "c": world.collection, "a": one.start_sample}
            tx.execute(
                sa.text("""
                    INSERT INTO segment (segment_id, recording_id, collection, start_sample, end_sample, source)
                    VALUES (:id, :r, :c, :a, :a + 48000, 'whole@1')
                """),
                values,
            )
        ids = [one.segment_id for one in new]
        embeddings.write(tx, encoders.by_name(tx, "spectral"), ids, unit)
        arriving.take_in(tx, own_space(world), ids, ClustererSettings())
        return ids


def own_space(world: World) -> Space:
    with world.database.begin() as tx:
        return space_of(tx, world.collection)


def cluster_of(world: World, segment_ids: list[UUID]) -> dict[UUID, UUID]:
    with world.database.begin() as tx:
        return clusters.clusters_of(tx, "spectral", segment_ids)


def waiting(world: World) -> set[UUID]:
    with world.database.begin() as tx:
        rows = tx.execute(sa.text("SELECT segment_id FROM deferred WHERE collection = :c"), {"c": world.collection})
        return set(rows.scalars())
