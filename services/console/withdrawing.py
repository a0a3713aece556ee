"""Exports end when something in them is erased while they are made or sent: what was not sent yet is not sent."""

from time import monotonic
from typing import Final

from services.console.streaming import Blocks
from shared.errors import Conflict
from shared.storage import receipts
from shared.storage.database import Transactions

_LOOK_EVERY_S: Final = 1.0


class ErasedMeanwhile(Conflict):
    """Something of this collection was erased while it was read; begin again, and throw away what has come."""

    code = "erased_meanwhile"


def unless_erased(blocks: Blocks, database: Transactions, collection: str, n_erasures: int) -> Blocks:
    """The blocks, for as long as there are no more erasures of the collection than when they began to be read.

    Raises ErasedMeanwhile, which ends an answer that is under way without its end, so that no client takes it for
    whole.
    """
    looked_at_s = float("-inf")
    held = b""  # the last block goes out after the last look
    try:
        for block in blocks:
            if monotonic() - looked_at_s >= _LOOK_EVERY_S:
                check(database, collection, n_erasures)
                looked_at_s = monotonic()
            if held:
                yield held
            held = block
        check(database, collection, n_erasures)
        yield held
    finally:
        blocks.close()


def check(database: Transactions, collection: str, n_erasures: int) -> None:
    """Raises ErasedMeanwhile."""
    with database.begin() as tx:
        if receipts.n_of(tx, collection) > n_erasures:
            raise ErasedMeanwhile(f"Something was erased from {collection!r}.")
