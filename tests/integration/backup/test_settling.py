"""A database that somebody restored by hand is told to begin."""

import json

import pytest
import sqlalchemy as sa

from services.launcher.cli.main import run
from shared import ids
from shared.events import ObjectSeen
from shared.ledger.outbox import announce, publish
from shared.settings import Settings
from shared.storage.database import Database


def test_a_database_restored_by_hand_is_settled(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = ObjectSeen(object_id=ids.new_id(), collection="talks", bucket="audio", key="k", etag="e", size_bytes=1)
    with database.begin() as tx:
        publish(tx, [announce(seen)])
        tx.execute(sa.text("UPDATE delivery SET state = 'leased', attempt = 3"))
        tx.execute(sa.text("UPDATE event SET xid = '1000000000'"))
    url = settings.database.url.get_secret_value()
    assert run(["db", "settle", "--database-url", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"settled": True}
    with database.begin() as tx:
        found = tx.execute(
            sa.text("SELECT xid::text, state, delivery.attempt FROM event JOIN delivery USING (event_id)")
        ).all()
    assert [tuple(row) for row in found] == [("0", "pending", 2)]
