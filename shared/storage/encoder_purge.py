"""Delete what an encoder has made of a collection: vectors, frames, reasons, clusters and scores.

Names stay, and so does the log. The frames' blobs go with the next sweep, as nobody's.
"""

from typing import Final

import sqlalchemy as sa

from shared.storage import encoders
from shared.storage.database import Transaction

# Whoever is writing vectors holds these rows, and is waited for.
_SPACES = sa.text("SELECT encoder_id, space FROM encoder WHERE name = :name ORDER BY encoder_id FOR UPDATE")
_VECTORS = sa.text("DELETE FROM embedding WHERE encoder_id = ANY(:ids) AND collection = :collection")
_FRAMES = sa.text("""
    DELETE FROM frame_blob f USING segment s
    WHERE f.encoder_id = ANY(:ids) AND s.segment_id = f.segment_id AND s.collection = :collection
""")
_REASONS = sa.text("""
    DELETE FROM unembeddable u USING segment s
    WHERE u.encoder = :name AND s.segment_id = u.segment_id AND s.collection = :collection
""")
_MEMBERS_OF_SUBSETS = sa.text("""
    DELETE FROM clustering_member m USING clustering c
    WHERE m.request_id = c.request_id AND c.collection = :collection AND c.encoder = :name
""")
_CLUSTERINGS = sa.text("""
    DELETE FROM clustering WHERE collection = :collection AND encoder = :name AND finished_at IS NOT NULL
""")
_STATES = sa.text("DELETE FROM clustering_state WHERE collection = :collection AND space = ANY(:spaces)")
_BY_ID: Final = ("calibration", "calibration_before", "centroid", "centroid_before")
_BY_NAME: Final = ("cluster", "cluster_before", "arrived")
_REST: Final = (
    *(sa.text(f"DELETE FROM {t} WHERE collection = :collection AND encoder_id = ANY(:ids)") for t in _BY_ID),  # noqa: S608  # constants
    *(sa.text(f"DELETE FROM {t} WHERE collection = :collection AND encoder = :name") for t in _BY_NAME),  # noqa: S608  # constants
)


def purge(tx: Transaction, collection: str, name: str) -> int:
    """Returns how many vectors are gone. Call it under `labels.lock_names`, of an encoder that the collection drops.

    Raises UnknownEncoder.
    """
    encoders.by_name(tx, name)
    rows = tx.execute(_SPACES, {"name": name}).all()
    of = {
        "collection": collection,
        "name": name,
        "ids": [r.encoder_id for r in rows],
        "spaces": [r.space for r in rows],
    }
    for statement in (_FRAMES, _REASONS, _MEMBERS_OF_SUBSETS, _CLUSTERINGS, _STATES, *_REST):
        tx.execute(statement, of)
    return tx.execute(_VECTORS, of).rowcount


_HAS_VECTORS = sa.text("""
    SELECT EXISTS (SELECT FROM embedding e WHERE e.collection = :collection
                   AND e.encoder_id = ANY(ARRAY(SELECT encoder_id FROM encoder WHERE name = :name)))
""")


def has_vectors(tx: Transaction, collection: str, name: str) -> bool:
    """Whether an encoder, which may have been removed since, still has a vector of the collection."""
    return bool(tx.execute(_HAS_VECTORS, {"collection": collection, "name": name}).scalar_one())
