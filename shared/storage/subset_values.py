"""Subsets tell of no attribute's value that only erased recordings had: strata go, conditions lose their value."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from shared.storage import conditions
from shared.storage.database import Transaction
from shared.storage.tables import subset

ERASED: Final = "(erased)"
"""In a condition, in the place of the value."""

_DRAW_ON = sa.text("SELECT pg_advisory_xact_lock_shared(hashtextextended('subsets:' || :collection, 0))")
_DRAW_NO_MORE = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('subsets:' || :collection, 0))")
_HOLD = sa.text("SELECT FROM subset WHERE collection = ANY(:collections) ORDER BY subset_id FOR UPDATE")
# Files that no recording was made of yet do not count: of bytes that were erased, nothing is kept once they are read.
_OF_RECORDINGS = """
    FROM stored_object o JOIN object_attributes a ON a.collection = o.collection AND a.key = o.key
    WHERE o.collection = :collection AND o.state = 'registered'
"""
_MET = sa.text(f"SELECT EXISTS (SELECT {_OF_RECORDINGS} AND a.data @@ CAST(:having AS jsonpath))")
_VALUES = sa.text(f"SELECT DISTINCT {conditions.VALUE.format(name='by', data='a.data')} {_OF_RECORDINGS}")


def draw_on(tx: Transaction, collection: str) -> None:
    """Nothing is erased from the collection while a subset of it is drawn, which others would not see yet."""
    tx.execute(_DRAW_ON, {"collection": collection})


def hold(tx: Transaction, collections: Sequence[str]) -> None:
    """Wait for those who draw or delete subsets of these collections, and let nobody else until the transaction ends.

    Before any recording is locked: these wait for recordings themselves.
    """
    for collection in sorted(collections):
        tx.execute(_DRAW_NO_MORE, {"collection": collection})
    tx.execute(_HOLD, {"collections": list(collections)})


def forget(tx: Transaction, collections: Sequence[str]) -> int:
    """Call it when the recordings have gone; returns how many subsets of these collections told of such a value."""
    return sum(_forget_in(tx, collection) for collection in collections)


def _forget_in(tx: Transaction, collection: str) -> int:
    @cache
    def is_met(condition: str) -> bool:
        having = {"collection": collection, "having": conditions.matching([condition])}
        return bool(tx.execute(_MET, having).scalar_one())

    @cache
    def values_of(attribute: str) -> frozenset[str | None]:
        by = {"collection": collection, "by": conditions.value_paths(attribute)}
        return frozenset(tx.execute(_VALUES, by).scalars())

    n_changed = 0
    for row in tx.execute(sa.select(subset).where(subset.c.collection == collection)).all():
        named = {role: _without_values(row.spec.get(role, ()), is_met) for role in ("where", "exclude")}
        told = {"spec": {**row.spec, **named}, "strata": _standing(row.strata, row.spec.get("by"), values_of)}
        if told != {"spec": row.spec, "strata": row.strata}:
            tx.execute(sa.update(subset).where(subset.c.subset_id == row.subset_id).values(told))
            n_changed += 1
    return n_changed


def _without_values(stated: Iterable[str], is_met: Callable[[str], bool]) -> list[str]:
    return [one if is_met(one) else f"{conditions.name_of(one)}={ERASED}" for one in stated]


def _standing(
    strata: list[dict[str, Any]], attribute: str | None, values_of: Callable[[str], frozenset[str | None]]
) -> list[dict[str, Any]]:
    return [one for one in strata if one["name"] is None or attribute is None or one["name"] in values_of(attribute)]


def are_alike(kept: Sequence[str], stated: Sequence[str]) -> bool:
    """Whether conditions are the ones that a subset was drawn by, as far as that still tells them."""
    return len(kept) == len(stated) and all(
        one in {condition, f"{conditions.name_of(condition)}={ERASED}"}
        for one, condition in zip(kept, stated, strict=True)
    )
