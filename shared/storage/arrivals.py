"""Files that a collection knows of but has not made recordings of yet: what a sample drawn now would lack."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from shared.errors import Conflict
from shared.storage import conditions
from shared.storage.database import Transaction


class StillArriving(Conflict):
    """Wait until they are there (`--wait` does), or draw from what is registered so far with `--partial`.

    `earmark status` shows what they wait for. Attributes whose files will never come count too, until `--partial`.
    """

    code = "still_arriving"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many files are neither recordings nor rejected yet, of how many with those that are recordings."""

    arriving: int
    files: int


_UNDECIDED = """
    SELECT count(*) FROM (
        SELECT a.data FROM stored_object o
        LEFT JOIN object_attributes a ON a.collection = o.collection AND a.key = o.key
        WHERE o.collection = :collection AND (o.state = 'seen' OR o.state = 'archive' AND EXISTS (
            SELECT FROM archive u WHERE u.object_id = o.object_id AND u.state = 'unpacking'))
        UNION ALL
        SELECT a.data FROM object_attributes a WHERE a.collection = :collection AND NOT EXISTS (
            SELECT FROM stored_object o WHERE o.collection = a.collection AND o.key = a.key)
    ) AS a WHERE {having} AND NOT {excluded}
"""
_REGISTERED = """
    SELECT count(*) FROM stored_object o LEFT JOIN object_attributes a ON a.collection = o.collection AND a.key = o.key
    WHERE o.collection = :collection AND o.state = 'registered' AND {having} AND NOT {excluded}
"""


def of_population(tx: Transaction, collection: str, where: Sequence[str], exclude: Sequence[str]) -> Arrivals:
    """Of the files that have all attributes of `where` and none of `exclude`. Raises BadCondition.

    A corpus' attributes come before its files: keys that only they name are on their way.
    """
    population = conditions.population(where, exclude)
    values = {"collection": collection, **population.values}

    def counted(query: str) -> int:
        statement = sa.text(query.format(having=population.having, excluded=population.excluded))
        return int(tx.execute(statement, values).scalar_one())

    arriving = counted(_UNDECIDED)
    return Arrivals(arriving, arriving + counted(_REGISTERED))


def refuse(tx: Transaction, collection: str, where: Sequence[str], exclude: Sequence[str]) -> None:
    """Raises StillArriving while there is one."""
    found = of_population(tx, collection, where, exclude)
    if found.arriving:
        raise StillArriving(f"{found.arriving} of {found.files} files are not registered yet.")
