"""Which segments and speakers a statement of a person is about, whether it is made or taken back."""

from dataclasses import dataclass
from uuid import UUID

from shared.events import LabelRecorded
from shared.storage import clusters, people, reversals, words
from shared.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Scope:
    """Segments that were spoken of, and speakers whose labelled segments changed already with the statement itself."""

    segment_ids: list[UUID]
    moved: set[UUID]


def of_statement(tx: Transaction, event: LabelRecorded) -> Scope:
    """For a merge, made or taken back: everything of all who are, or were until now, one with either speaker."""
    statement = reversals.statement_of(tx, event.label_id)
    if statement.operation == "merge":
        speakers = {s for one in statement.speaker_ids for s in people.one_voice(tx, one)}
        return Scope(words.of_speakers(tx, sorted(speakers), event.collection), speakers)
    segment_ids = words.segments(tx, statement.label_id, event.collection)
    if statement.cluster_id:  # whoever is in it now follows its name, or no longer does
        now = clusters.members(tx, [statement.cluster_id]).get(statement.cluster_id, {})
        segment_ids = sorted({*segment_ids, *now})
    return Scope(segment_ids, words.speakers_around(tx, segment_ids))
