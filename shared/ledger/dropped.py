"""Recordings that nobody is going to cut, because the work was given up and then dropped (`earmark dead drop`)."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction

_DROPPED = sa.text("""
    SELECT recording_id FROM recording WHERE recording_id = ANY(:ids) AND state = 'registered' AND NOT EXISTS (
        SELECT FROM event e JOIN delivery d USING (event_id)
        WHERE e.subject <> '' AND e.subject = recording.recording_id::text AND d.subscription = 'ingest.segment')
""")


def uncut(tx: Transaction, recording_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the recordings that are not cut, and that no delivery is left for, be it dead."""
    return set(tx.execute(_DROPPED, {"ids": list(recording_ids)}).scalars()) if recording_ids else set()
