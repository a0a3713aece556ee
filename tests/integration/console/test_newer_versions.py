"""A console beside newer services shows what it does not know, and does not fall over it."""

import sqlalchemy as sa

from shared.events import ObjectSeen
from shared.ids import new_id
from shared.ledger.outbox import announce, publish
from tests.integration.console.conftest import Served


def test_the_status_counts_deliveries_of_a_newer_version(served: Served) -> None:
    event = ObjectSeen(object_id=new_id(), collection="c", bucket="audio", key="c/a.wav", etag="e", size_bytes=1)
    with served.console.database.begin() as tx:
        publish(tx, [announce(event)])
        tx.execute(sa.text("UPDATE delivery SET subscription = 'ingest.of_tomorrow'"))
        tx.execute(sa.text("UPDATE event SET type = 'io.earmark.of.tomorrow.v1'"))

    shown = served.http.get("/v1/status").raise_for_status().json()
    assert shown["backlog"]["pending"] == 1
    assert [one["stage"] for one in shown["stages"] if one["pending"]] == ["ingest.of_tomorrow"]
