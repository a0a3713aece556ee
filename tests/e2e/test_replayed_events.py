"""Events of work that is done, undone or another's: again, in any order, they change nothing that anybody sees."""

import io
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest

from shared.events import EmbeddingRequested, Event, RecordingRegistered, SegmentsCreated, SegmentsEmbedded
from shared.ledger.outbox import announce, publish
from shared.ledger.routes import BY_EVENT
from shared.storage.database import Database
from tests.support import audio
from tests.support.stack import FullStack, settings_of, until

pytestmark = pytest.mark.slow
COLLECTION: Final = "replayed"
N_FILES: Final = 8
_AGAIN = """
    INSERT INTO delivery (event_id, subscription, collection, not_before)
    SELECT event_id, subscription, %s, clock_timestamp() + random() * interval '2 s'
    FROM event JOIN unnest(%s::text[], %s::text[]) AS route(type, subscription) USING (type)
    WHERE data ->> 'collection' = %s ORDER BY random()
"""


@pytest.fixture(scope="module")
def done(full_stack: FullStack, tmp_path_factory: pytest.TempPathFactory) -> FullStack:
    """A collection with clusters and a name in it."""
    path = tmp_path_factory.mktemp("replayed") / "a.wav"
    full_stack.collection(COLLECTION, segmenter="whole", encoders=["spectral"])
    for n in range(N_FILES):
        tone = audio.tone(1.0 + n / 10, 16_000, hz=400 + 1_200 * (n % 2))
        full_stack.put(audio.write(path, tone, 16_000, "wav"), f"{COLLECTION}/{n}.wav")
    full_stack.settled(COLLECTION, N_FILES)
    full_stack.earmark("cluster", "-c", COLLECTION, "--wait")
    segment_id = full_stack.sql("SELECT segment_id::text FROM segment WHERE collection = %s LIMIT 1", COLLECTION)[0][0]
    full_stack.earmark("label", "--segment", segment_id, "Marta", "--wait")
    full_stack.idle()
    return full_stack


@pytest.fixture
def database(done: FullStack) -> Iterator[Database]:
    database = Database(settings_of(done.state).database)
    yield database
    database.close()


def seen(stack: FullStack) -> dict[str, Any]:
    """What people see of the collection."""
    path = f"/v1/collections/{COLLECTION}"
    with stack.api() as api:
        return {
            "segments": api.get(f"{path}/export/segments").raise_for_status().text,
            "vectors": _vectors(api.get(f"{path}/export/embeddings").raise_for_status().content),
            "objects": api.get(f"{path}/objects", params={"limit": 1000}).raise_for_status().json(),
            "clusters": api.get(f"{path}/clusters").raise_for_status().json(),
        }


def _vectors(exported: bytes) -> tuple[bytes, bytes]:
    """The rows and whose they are; in what batches they were made may differ."""
    with np.load(io.BytesIO(exported)) as arrays:
        return arrays["embeddings"].tobytes(), bytes(arrays["index.jsonl"])


def told(stack: FullStack) -> list[tuple[Any, ...]]:
    """Facts that may be told once of each recording."""
    return stack.sql(
        """SELECT type, count(*) FROM event WHERE data ->> 'collection' = %s AND type ~ 'registered|created|recording'
           GROUP BY type ORDER BY type""",
        COLLECTION,
    )


def buried(stack: FullStack, announced: UUID) -> str | None:
    """Wait until an event is dealt with; the code of its dead letter, which is taken away, if it is one."""
    rows = until(
        lambda: stack.sql(
            """SELECT coalesce(max(error_code), '') FROM delivery WHERE event_id = %s
               HAVING count(*) = count(*) FILTER (WHERE state = 'dead')""",
            announced,
        )
    )
    with psycopg.connect(stack.state.database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM delivery WHERE event_id = %s", [announced])
    return rows[0][0] or None


@pytest.mark.parametrize("times", [1, 2])
def test_the_whole_log_again_in_another_order_changes_nothing(done: FullStack, times: int) -> None:
    before, told_before = seen(done), told(done)
    routes = [(kind, s.name) for kind, subscriptions in BY_EVENT.items() for s in subscriptions]
    with psycopg.connect(done.state.database_url, autocommit=True) as connection:
        again = connection.execute(_AGAIN, [COLLECTION, *map(list, zip(*routes, strict=True)), COLLECTION])
        assert again.rowcount > 3 * N_FILES
    done.idle(60)

    assert told(done) == told_before
    assert seen(done) == before


def test_events_about_what_is_not_there_do_nothing(done: FullStack, database: Database) -> None:
    """Erased, or never there: the ids lead nowhere."""
    before = seen(done)
    nowhere: tuple[Event, ...] = (
        RecordingRegistered(
            recording_id=uuid4(), object_id=uuid4(), collection=COLLECTION, segmenter="whole", duration_s=1.0
        ),
        SegmentsCreated(
            recording_id=uuid4(), collection=COLLECTION, segmenter="whole", segment_ids=(uuid4(),), duration_s=1.0
        ),
        SegmentsEmbedded(recording_id=uuid4(), collection=COLLECTION, encoder="spectral", segment_ids=(uuid4(),)),
    )
    for event in nowhere:
        announcement = announce(event)
        with database.begin() as tx:
            publish(tx, [announcement])
        assert buried(done, announcement.event_id) is None

    assert seen(done) == before


@pytest.mark.parametrize("encoder", ["ge2e", "nobodys"])
def test_events_of_an_encoder_that_the_collection_has_not_do_nothing(
    done: FullStack, database: Database, encoder: str
) -> None:
    before = seen(done)
    rows = done.sql("SELECT recording_id, segment_id FROM segment WHERE collection = %s LIMIT 1", COLLECTION)
    ((recording_id, segment_id),) = rows
    codes = set()
    for kind, more in ((SegmentsEmbedded, {}), (EmbeddingRequested, {"duration_s": 1.0})):
        announcement = announce(
            kind(recording_id=recording_id, collection=COLLECTION, encoder=encoder, segment_ids=(segment_id,), **more)
        )
        with database.begin() as tx:
            publish(tx, [announcement])
        codes.add(buried(done, announcement.event_id))

    assert codes <= {None, "unknown_encoder", "not_found"}
    assert seen(done) == before
