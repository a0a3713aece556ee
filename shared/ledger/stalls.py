"""Services in which work is due and nobody makes progress, though their processes may live. Reads only.

What waits for its next attempt is not due. A server that is away shows otherwise: whoever needs it stops its heart.
"""

import sqlalchemy as sa

from shared.ledger.pauses import SERVICES
from shared.storage.database import Transaction

# Progress is asked for first: while there is some, no backlog is looked at, however long it is. (`OFFSET 0`: else each
# may become a hash of all rows.)
_STALLED = sa.text("""
    SELECT s.name FROM unnest(CAST(:services AS text[])) AS s(name)
    WHERE CASE
        WHEN EXISTS (SELECT FROM drained d WHERE split_part(d.subscription, '.', 1) = s.name
                     AND d.at > statement_timestamp() - make_interval(secs => :after_s) OFFSET 0) THEN false
        WHEN EXISTS (SELECT FROM delivery d WHERE d.state = 'leased' AND split_part(d.subscription, '.', 1) = s.name
                     AND d.lease_until > statement_timestamp() OFFSET 0) THEN false
        ELSE EXISTS (
            SELECT FROM delivery d
            WHERE d.state IN ('pending', 'queued') AND split_part(d.subscription, '.', 1) = s.name
              AND d.not_before < statement_timestamp() - make_interval(secs => :after_s)
              AND NOT EXISTS (SELECT FROM pause p WHERE p.kind = 'collection' AND p.name = d.collection
                              OR p.kind = 'stage' AND p.name IN (d.subscription, s.name)) OFFSET 0)
    END ORDER BY 1
""")


def stalled(tx: Transaction, after_s: float) -> list[str]:
    """Services of which a delivery has been due for `after_s`, and none was done since then, and none is in work."""
    return list(tx.execute(_STALLED, {"services": list(SERVICES), "after_s": after_s}).scalars())
