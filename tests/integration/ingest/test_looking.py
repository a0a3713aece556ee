"""Looking at a real bucket: what is new, overwritten, deleted or put again is seen; what is known costs nothing."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from time import sleep

import pytest
import sqlalchemy as sa

from services.ingest.looking import Looker
from shared.settings import Settings
from shared.storage import recordings
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from shared.storage.recordings import Outcome
from tests.support.stack import Servers, s3_client


@pytest.fixture
def looker(database: Database, settings: Settings) -> Looker:
    return Looker(database, ObjectStore(settings.s3), ThreadPoolExecutor(2), settings)


def put(servers: Servers, key: str, body: bytes = b"bytes") -> None:
    s3_client(servers.state).put_object("audio", key, BytesIO(body), len(body))


def test_a_sweep_sees_an_object_once(looker: Looker, servers: Servers) -> None:
    put(servers, "c/a.wav")

    assert [looker.sweep(), looker.sweep(), looker.look(["c/a.wav"])] == [1, 0, 0]


def test_a_hint_and_the_sweep_agree_on_what_is_known(looker: Looker, servers: Servers) -> None:
    put(servers, "c/large.wav", bytes(9 << 20))

    assert [looker.look(["c/large.wav", "c/never there"]), looker.sweep()] == [1, 0]


def test_an_overwritten_object_is_new_again(looker: Looker, servers: Servers) -> None:
    put(servers, "c/a.wav")
    looker.sweep()
    put(servers, "c/a.wav", b"other bytes")

    assert [looker.sweep(), looker.sweep()] == [1, 0]


def test_the_same_bytes_put_again_later_are_looked_at_again(looker: Looker, servers: Servers) -> None:
    put(servers, "c/a.wav")
    looker.sweep()
    sleep(2.1)
    put(servers, "c/a.wav")

    assert [looker.sweep(), looker.sweep()] == [1, 0]


def test_bytes_that_were_gone_when_they_were_fetched_are_new_when_they_return(
    looker: Looker, servers: Servers, database: Database
) -> None:
    put(servers, "c/a.wav")
    looker.sweep()
    with database.begin() as tx:  # what a 404 while fetching leaves
        row = tx.execute(sa.text("SELECT object_id, etag FROM stored_object")).one()
        recordings.settle(tx, [Outcome(row.object_id, row.etag, "", None, "object_gone", "It is gone.")])

    assert looker.sweep() == 1


def test_a_key_outside_any_collection_is_rejected_with_a_reason(looker: Looker, servers: Servers, database) -> None:
    put(servers, "stray.wav")
    looker.sweep()

    with database.begin() as tx:
        row = tx.execute(sa.text("SELECT state, code FROM stored_object")).one()
    assert tuple(row) == ("rejected", "outside_collection")
