"""What still has to be done for one collection, and what went wrong with it. Reads only."""

from dataclasses import dataclass

import sqlalchemy as sa

from shared.ledger.load import STATES
from shared.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Fault:
    """Why deliveries of one subscription were given up (`dead`), or wait to be tried again; `reason` of the newest."""

    subscription: str
    state: str
    code: str
    reason: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many deliveries are in each state, and their faults, the most frequent first."""

    backlog: dict[str, int]
    faults: list[Fault]


_OF_COLLECTION = sa.text("""
    SELECT d.subscription, d.state, d.error_code AS code, count(*) AS deliveries,
           (array_agg(d.last_error ORDER BY d.created_at DESC))[1] AS reason
    FROM delivery d WHERE d.collection = :collection
    GROUP BY 1, 2, 3 ORDER BY deliveries DESC, 1, 2, 3
""")


def of_collection(tx: Transaction, collection: str) -> Waiting:
    """Reads every open delivery there is: for who has waited in vain for a while, not for every look."""
    rows = tx.execute(_OF_COLLECTION, {"collection": collection}).all()
    backlog = {state: sum(row.deliveries for row in rows if row.state == state) for state in STATES}
    faults = [
        Fault(row.subscription, row.state, row.code, row.reason or "", row.deliveries)
        for row in rows
        if row.code is not None
    ]
    return Waiting(backlog, faults)
