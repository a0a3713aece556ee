"""Events with deliveries to one subscription, and what became of them."""

from uuid import uuid4

import sqlalchemy as sa

from shared.events import ObjectSeen, RecordingRejected
from shared.ledger import consumer, load
from shared.ledger.outbox import announce, publish
from shared.settings import LedgerSettings
from shared.storage.database import Database

NAME = "ingest.register"
QUICK = LedgerSettings(backoff_base_s=0.0, lease_s=30)


def object_seen(key: str = "c/a.wav") -> ObjectSeen:
    return ObjectSeen(object_id=uuid4(), collection="c", bucket="audio", key=key, etag="e", size_bytes=1)


def rejected(event: ObjectSeen) -> RecordingRejected:
    return RecordingRejected(object_id=event.object_id, collection="c", key=event.key, code="x", reason="y")


def announced(database: Database, n_events: int = 1) -> list:
    announcements = [announce(object_seen(f"c/{n}.wav")) for n in range(n_events)]
    with database.begin() as tx:
        publish(tx, announcements)
    return [a.event_id for a in announcements]


def queue(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET state = 'queued', lease_until = NULL WHERE state = 'pending'"))


def count(database: Database, query: str) -> int:
    with database.begin() as tx:
        return int(tx.execute(sa.text(query)).scalar_one())


def states(database: Database) -> dict[str, int]:
    with database.begin() as tx:
        return load.measure(tx).backlog()


def run(database: Database, handler, event_ids, settings: LedgerSettings = QUICK) -> None:
    queue(database)
    consumer.run(handler, NAME, "message", event_ids, database, settings)
