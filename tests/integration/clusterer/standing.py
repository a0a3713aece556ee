"""Everything that stands in the tables of a world."""

from typing import Any

import sqlalchemy as sa

from tests.integration.clusterer.histories import World


def rows(world: World, query: str) -> list[Any]:
    with world.database.begin() as tx:
        return [tuple(row) for row in tx.execute(sa.text(query), {"collection": world.collection})]


def everything(world: World) -> dict[str, Any]:
    """What a clustering changes, column by column; the numbers of generations only ever rise."""
    of_collection = "WHERE collection = :collection"
    standing = "AND generation = (SELECT max(generation) FROM clustering WHERE collection = :collection)"
    return {
        "clusters": rows(
            world,
            f"""SELECT cluster_id, encoder, born, n_segments, n_recordings, cohesion, exemplar_segment_id, trust::text
            FROM cluster {of_collection} AND "current" ORDER BY 1""",
        ),
        "members": rows(
            world,
            f"""SELECT segment_id, m.cluster_id, probability FROM cluster_member m JOIN cluster USING (cluster_id)
            {of_collection} AND until_generation IS NULL ORDER BY 1""",
        ),
        "left": rows(world, f"SELECT space, state, standing FROM clustering_state {of_collection} {standing}"),
        "calibration": rows(world, f"SELECT * FROM calibration {of_collection}"),
        "voices": rows(world, f"SELECT * FROM centroid {of_collection} ORDER BY speaker_id"),
        "names": rows(
            world,
            f"SELECT segment_id, speaker_id, assigned_by, confidence, because_id FROM assignment {of_collection} "
            "ORDER BY 1",
        ),
        "suggested": rows(world, f"SELECT * FROM suggestion {of_collection} ORDER BY segment_id"),
    }
