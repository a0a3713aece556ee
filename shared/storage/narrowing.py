"""Which segments of a collection are meant: of a speaker, of a recording or of all below a path, of a cluster.

What nothing is called is an error here, not an empty list.
"""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

import sqlalchemy as sa

from shared.errors import NotFound
from shared.storage import attributes
from shared.storage.database import Transaction
from shared.storage.labels import ClusterGone


class UnknownRecording(NotFound):
    """`earmark recordings -c NAME` lists them; name one by its id or path, or several by how their paths begin."""

    code = "unknown_recording"


CONDITIONS: Final = {
    "recording_id": "s.recording_id = :recording_id",
    "object_key": """s.recording_id IN (SELECT named.recording_id FROM stored_object named
        WHERE named.collection = :collection AND named.key = :object_key)""",
    "key_prefix": """s.recording_id IN (SELECT named.recording_id FROM stored_object named
        WHERE named.collection = :collection AND starts_with(named.key, :key_prefix))""",
    "cluster_id": """s.segment_id IN (SELECT m.segment_id FROM cluster_member m
        WHERE m.cluster_id = :cluster_id AND m.until_generation IS NULL)""",
    "speaker_id": "a.speaker_id = :speaker_id",
    "attributes": f"s.recording_id IN ({attributes.HAVING})",
    "modality": "s.modality = :modality",
    "unnamed": ":unnamed AND a.segment_id IS NULL AND s.modality = 'audio'",
    "suggested": ":suggested AND a.segment_id IS NULL AND g.segment_id IS NOT NULL",
}


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which segments of a collection are meant: those to which everything applies that is not None."""

    recording_id: UUID | None = None
    object_key: str | None = None
    key_prefix: str | None = None
    cluster_id: UUID | None = None
    speaker_id: UUID | None = None
    attributes: str | None = None  # a predicate: conditions.matching
    modality: Literal["audio", "text"] | None = None
    unnamed: Literal[True] | None = None
    suggested: Literal[True] | None = None

    def values(self) -> dict[str, object]:
        """What narrows, by name."""
        return {name: value for name in CONDITIONS if (value := getattr(self, name)) is not None}


_RECORDING = sa.text("SELECT FROM recording WHERE recording_id = :recording_id AND collection = :collection")
_CLUSTER = sa.text('SELECT FROM cluster WHERE cluster_id = :cluster_id AND collection = :collection AND "current"')
_KEYS = "SELECT FROM stored_object WHERE collection = :collection AND recording_id IS NOT NULL"
_KEY = sa.text(f"{_KEYS} AND key = :key LIMIT 1")
_BEGINNING = sa.text(f"{_KEYS} AND starts_with(key, :key) LIMIT 1")


def check_recording(tx: Transaction, collection: str, recording_id: UUID) -> None:
    """Raises UnknownRecording."""
    if not _found(tx, _RECORDING, collection=collection, recording_id=recording_id):
        raise UnknownRecording(f"No recording {recording_id} in {collection!r}.")


def check_cluster(tx: Transaction, collection: str, cluster_id: UUID) -> None:
    """Raises ClusterGone."""
    if not _found(tx, _CLUSTER, collection=collection, cluster_id=cluster_id):
        raise ClusterGone(f"No cluster {cluster_id} in {collection!r}.")


def by_path(tx: Transaction, collection: str, path: str) -> Narrowing:
    """The recording of an object key, or all whose keys begin so; with or without the collection in front.

    Raises UnknownRecording.
    """
    within = f"{collection}/"
    keys = [path, within + path] if path.startswith(within) else [within + path]
    for key in keys:
        if _found(tx, _KEY, collection=collection, key=key):
            return Narrowing(object_key=key)
    for key in keys:
        if _found(tx, _BEGINNING, collection=collection, key=key):
            return Narrowing(key_prefix=key)
    raise UnknownRecording(f"No recording of {collection!r} lies at {path!r}, or at a path that begins so.")


def _found(tx: Transaction, statement: sa.TextClause, **values: object) -> bool:
    return tx.execute(statement, values).first() is not None
