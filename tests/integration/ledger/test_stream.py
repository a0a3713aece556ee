"""The event stream on a real Postgres."""

from uuid import uuid4

import pytest

from shared.events import ClusteringRequested
from shared.ledger import stream
from shared.ledger.outbox import announce, publish
from shared.storage.database import Database
from tests.integration.ledger.deliveries import object_seen


def test_a_transaction_that_commits_late_is_not_skipped(database: Database) -> None:
    with database.begin() as tx:
        start = stream.present(tx)
    with database.begin() as slow:
        publish(slow, [announce(object_seen("c/slow.wav"))])
        with database.begin() as quick:
            publish(quick, [announce(object_seen("c/quick.wav"))])
        with database.begin() as tx:
            early, position = stream.read(tx, start)
    with database.begin() as tx:
        late, _ = stream.read(tx, position)

    assert [e.subject for e in early + late] == ["c/slow.wav", "c/quick.wav"]


def test_reading_resumes_after_any_event(database: Database) -> None:
    for number in range(5):
        with database.begin() as tx:
            publish(tx, [announce(object_seen(f"c/{number}.wav"))])
    with database.begin() as tx:
        everything, _ = stream.read(tx, stream.beginning())
        rest, _ = stream.read(tx, stream.after_event(tx, everything[1].id))

    assert [e.id for e in rest] == [e.id for e in everything[2:]]


def test_the_newest_of_a_rare_kind_are_not_looked_for_from_the_beginning(database: Database) -> None:
    with database.begin() as tx:
        publish(tx, [announce(object_seen(f"c/{number}.wav")) for number in range(3)])
        publish(tx, [announce(ClusteringRequested(request_id=uuid4(), collection="rare", encoder="ge2e"))])
    with database.begin() as tx:
        events, _ = stream.read(tx, stream.before_newest(tx, 200, collection="rare"))
        none, _ = stream.read(tx, stream.before_newest(tx, 200, collection="nowhere"))
    assert [event.type for event in events] == [ClusteringRequested.type]
    assert none == []


def test_an_unknown_position_is_named(database: Database) -> None:
    with database.begin() as tx, pytest.raises(stream.UnknownPosition):
        stream.after_event(tx, uuid4())
