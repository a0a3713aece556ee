"""A voice that is forgotten leaves a receipt, and nothing else."""

from typing import Any

from services.clusterer import arriving
from services.clusterer.spaces import space_of
from shared.events import SegmentsRemoved
from shared.settings import ClustererSettings
from shared.storage import embeddings, encoders, erasure, people, receipts
from shared.storage.database import Database
from tests.integration.clusterer.histories import ROWS, Import, Merge, Name, NameCluster, Reject, World
from tests.support.traces import everywhere

FINISHED_LATER = ("event", "erasure", "tombstone")  # by ingest: tests/integration/erasure


def erase(world: World, name: str) -> erasure.Erased:
    with world.database.begin() as tx:
        return erasure.erase_speaker(tx, world.called(name), "test")


def test_nothing_of_an_erased_voice_is_left(database: Database) -> None:
    world = World(database).do(
        [NameCluster(1, "Ada"), Name((20,), "Bea"), Merge("Bea", "Cem"), Reject(5, "Bea"), Import(((21, "Cem"),))]
    )
    theirs = [world.segment_ids[n] for n, (name, *_) in world.state().items() if name == "Bea"]
    assert len(theirs) >= 2
    with database.begin() as tx:
        speaker_id = people.speaker_named(tx, world.called("Bea"))
    erased = erase(world, "Bea")

    for gone in (*theirs, speaker_id, world.called("Bea"), world.called("Cem")):
        assert everywhere(database, str(gone), FINISHED_LATER) == {}, gone
    assert erased.receipt.erased["vectors"] == erased.receipt.erased["segments"] == len(theirs)
    assert {s for event in erased.events if isinstance(event, SegmentsRemoved) for s in event.segment_ids} == set(
        theirs
    )
    assert {name for name, *_ in world.state().values()} == {"Ada"}


def test_work_under_way_with_an_erased_segment_writes_nothing(database: Database) -> None:
    world = World(database).do([Name((20,), "Bea")])
    erase(world, "Bea")
    with database.begin() as tx:
        encoder = encoders.by_name(tx, "spectral")
        assert embeddings.write(tx, encoder, [world.segment_ids[20]], ROWS[20:21]) == set()
        assert arriving.take_in(tx, space_of(tx, world.collection), [world.segment_ids[20]], ClustererSettings()) == []


def test_a_receipt_can_be_read_again_and_names_nobody(database: Database) -> None:
    world = World(database).do([Name((20,), "Bea")])
    erased = erase(world, "Bea")
    with database.begin() as tx:
        again: Any = receipts.get(tx, erased.receipt.receipt_id)
    assert again == erased.receipt
    assert "Bea" not in str(again)
