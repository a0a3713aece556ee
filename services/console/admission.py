"""Whether a collection takes more work: calls that would add to a backlog that is too long are sent away for a while.

What is put straight into the bucket is never refused; it waits.
"""

from typing import Final

from services.console.errors import Overloaded
from shared.ledger import backpressure, pauses
from shared.ledger.backpressure import EVERYTHING
from shared.settings import ConsoleSettings
from shared.storage.database import Transaction

EMBEDDING: Final = tuple(name for name in EVERYTHING if name.startswith("embedder."))
CLUSTERING: Final = tuple(name for name in EVERYTHING if name.startswith("clusterer."))
NAMING: Final = ("clusterer.propagate", "clusterer.review")
"""What a person's word waits for: nobody's label is refused because somebody uploads."""


def admit(
    tx: Transaction, settings: ConsoleSettings, collection: str, subscriptions: tuple[str, ...] = EVERYTHING
) -> None:
    """Raises Overloaded if more of a collection's deliveries wait for these subscriptions than may."""
    found = backpressure.overload(tx, collection, subscriptions, settings.max_backlog_events)
    if found is None:
        return
    paused = " It is paused." if pauses.touching(tx, collection) else ""
    detail = f"{found.waiting} events of {collection!r} or more wait, {settings.max_backlog_events} may.{paused}"
    raise Overloaded(detail, retry_after_s=found.retry_after_s)
