"""What comes back with a backup, on servers of its own, and what of it must not."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest

from services.launcher import stack
from services.launcher.stack.backup import back_up
from services.launcher.stack.backup_folder import TOMBSTONES, BackupFolder
from services.launcher.stack.restore import Restored, restore
from shared import ids
from shared.events import ObjectSeen
from shared.ledger import load
from shared.ledger.outbox import announce, publish
from shared.storage import receipts, recordings, tokens
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from shared.storage.receipts import Rest
from tests.integration.backup.folders import ANNA, BERT, PUT_AT, Backups, fill, keys, with_erased
from tests.support.stack import AUDIO, Servers, open_folder, s3_client, settings_of


@dataclass(frozen=True)
class Back:
    """A backup of before an erasure, restored with the tombstones of after it."""

    servers: Servers
    restored: Restored
    before: BackupFolder
    of_stopped: BackupFolder

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.servers.state.database_url) as connection:
            return connection.execute(query).fetchall()


HALF_READ = UUID(int=9)


def under_way(database: Database) -> None:
    """Deliveries in every state; a blob whose end waits for a transaction of this server; an erasure half done."""
    made = [
        ObjectSeen(object_id=ids.new_id(), collection="talks", bucket=AUDIO, key=state, etag="e", size_bytes=1)
        for state in load.STATES
    ]
    with database.begin() as tx:
        publish(tx, [announce(event) for event in made])
        tx.exec_driver_sql(
            """UPDATE delivery d SET state = e.data->>'key', attempt = 1, lease_until = now() + interval '1 hour',
                      not_before = now() + interval '1 hour' FROM event e WHERE e.event_id = d.event_id"""
        )
        tx.exec_driver_sql("INSERT INTO condemned_blob (key, due_at, horizon) VALUES ('frames/x', now(), 1000000000)")
        receipts.write(tx, HALF_READ, "test", {}, [], {}, [], Rest(segments=[ANNA]))
        receipts.note_read(tx, [HALF_READ], 10**9, 1)


@pytest.fixture(scope="module")
def back(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Back]:
    backups = Backups(servers, tmp_path_factory.mktemp("backups"))
    servers.empty()
    database = Database(servers.settings.database)
    fill(servers, database)
    under_way(database)
    with database.begin() as tx:
        tokens.create(tx, "ours", "a secret", ("read",))
        tokens.create(tx, "expired", "another", ("read",), expires_at=PUT_AT)
    database.close()
    before = backups.take("before")
    with_erased(servers, [BERT])
    after = backups.take("after", since="before")
    with open_folder() as folder:
        restored = restore(before.path, folder, erased=after.path / TOMBSTONES)
        with pytest.MonkeyPatch.context() as elsewhere:  # the names are the stack's, not the caller's
            elsewhere.setenv("EARMARK_S3__AUDIO_BUCKET", "other")
            elsewhere.setenv("EARMARK_S3__DERIVED_BUCKET", "other-derived")
            back_up(backups.folder / "stopped", folder)
        state = stack.up(folder, services=())
        try:
            of_stopped = BackupFolder(backups.folder / "stopped")
            yield Back(Servers(state, settings_of(state)), restored, before, of_stopped)
        finally:
            stack.down(folder)


def test_what_was_under_way_waits_again_and_nobody_is_to_blame(back: Back) -> None:
    found = back.rows(
        """SELECT e.data->>'key', d.state, d.attempt FROM delivery d JOIN event e USING (event_id)
           WHERE e.type LIKE '%object.seen%'"""
    )
    assert sorted(found) == [
        ("dead", "dead", 1),
        ("leased", "pending", 0),
        ("pending", "pending", 1),
        ("queued", "pending", 1),
    ]


def test_what_hung_on_the_transactions_of_the_old_server_does_so_no_more(back: Back) -> None:
    assert back.rows("SELECT DISTINCT xid FROM event WHERE type LIKE '%object.seen%'") == [(0,)]
    assert back.rows("SELECT horizon FROM condemned_blob WHERE key = 'frames/x'") == [(None,)]
    assert back.rows(f"SELECT left_over->'read_to' FROM erasure WHERE receipt_id = '{HALF_READ}'") == [(None,)]


def test_who_was_erased_since_does_not_come_back(back: Back) -> None:
    assert back.rows("SELECT recording_id FROM recording") == [(ANNA,)]
    assert back.rows("SELECT subject_id FROM tombstone") == [(BERT,)]
    assert back.rows(f"SELECT receipt_id FROM erasure WHERE receipt_id <> '{HALF_READ}'") == [
        (back.restored.receipt_id,)
    ]
    # The service that deletes his files hears of it when it starts.
    assert back.rows("SELECT subscription FROM delivery WHERE subscription = 'ingest.erase'") != []


def test_tokens_that_are_valid_again_are_named(back: Back) -> None:
    assert back.restored.tokens == ["ours"]


def test_objects_have_their_bytes_types_and_etags_again(back: Back) -> None:
    client = s3_client(back.servers.state)
    for entry in back.before.entries():
        found = client.stat_object(entry.bucket, entry.key)
        assert (found.etag, found.content_type) == (entry.etag, "audio/x-own")
    with client.get_object(AUDIO, "talks/anna.wav") as answer:
        assert answer.read() == b"anna"


def test_the_sweep_takes_nothing_for_new(back: Back) -> None:
    store = ObjectStore(back.servers.settings.s3)
    database = Database(back.servers.settings.database)
    with database.begin() as tx:
        listed = [one for one in store.listing(AUDIO) if one.key == "talks/anna.wav"]
        assert recordings.known_keys(tx, AUDIO, listed) == {"talks/anna.wav"}
    database.close()


def test_a_stack_that_does_not_run_is_backed_up_all_the_same(back: Back) -> None:
    assert keys(back.of_stopped) == keys(back.before)
    assert back.of_stopped.verify().tables["recording"] == 1
