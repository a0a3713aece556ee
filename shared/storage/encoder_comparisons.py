"""Comparisons of two encoders on a collection's own labels: asked for, and what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from shared.errors import InvalidRequest, NotFound, PermanentError
from shared.events import ComparisonRequested
from shared.ids import new_id
from shared.storage import collections, encoders
from shared.storage.database import Transaction
from shared.storage.tables import comparison


class UnknownComparison(NotFound):
    """Ask for a comparison again; its answer holds the id to look up."""

    code = "unknown_comparison"


class SameEncoder(InvalidRequest):
    """Name two different encoders; `earmark encoders list` shows them."""

    code = "same_encoder"


State = Literal["requested", "done", "failed"]


@dataclass(frozen=True, slots=True)
class EncoderComparison:
    """A comparison; `result` is None until it is done or has failed."""

    comparison_id: UUID
    collection: str
    encoders: tuple[str, ...]
    state: State
    result: dict[str, Any] | None


def request(tx: Transaction, collection: str, names: Sequence[str]) -> ComparisonRequested:
    """Write a request down; the caller publishes the event in the same transaction.

    Raises UnknownCollection, UnknownEncoder, EncoderOfTexts, SameEncoder.
    """
    collections.get(tx, collection)
    for name in names:
        encoders.check_hears(encoders.by_name(tx, name))
    if len(set(names)) < len(names):
        raise SameEncoder(f"{names[0]!r} was named twice.")
    event = ComparisonRequested(comparison_id=new_id(), collection=collection)
    values = {"comparison_id": event.comparison_id, "collection": collection, "encoders": list(names)}
    tx.execute(sa.insert(comparison).values(values))
    return event


def get(tx: Transaction, comparison_id: UUID) -> EncoderComparison:
    """Raises UnknownComparison."""
    row = tx.execute(sa.select(comparison).where(comparison.c.comparison_id == comparison_id)).one_or_none()
    if row is None:
        raise UnknownComparison(f"No comparison {comparison_id}.")
    return EncoderComparison(row.comparison_id, row.collection, tuple(row.encoders), row.state, row.result)


def write(tx: Transaction, comparison_id: UUID, result: dict[str, Any]) -> None:
    """Finish it."""
    _finish(tx, comparison_id, "done", result)


def fail(tx: Transaction, comparison_id: UUID, error: PermanentError) -> None:
    """Say why there is nothing to compare."""
    _finish(tx, comparison_id, "failed", {"code": error.code, "reason": error.sentence()})


def _finish(tx: Transaction, comparison_id: UUID, state: State, result: dict[str, Any]) -> None:
    values = {"state": state, "result": result}
    tx.execute(sa.update(comparison).where(comparison.c.comparison_id == comparison_id).values(values))


_NAMES = sa.text("""
    SELECT a.segment_id, s.name, a.assigned_by FROM assignment a JOIN speaker s USING (speaker_id)
    WHERE a.collection = :collection ORDER BY a.segment_id
""")


def names(tx: Transaction, collection: str) -> dict[UUID, tuple[str, str]]:
    """Who every named segment of a collection belongs to now, in words, and by whom or by which rule."""
    return {row.segment_id: (row.name, row.assigned_by) for row in tx.execute(_NAMES, {"collection": collection})}
