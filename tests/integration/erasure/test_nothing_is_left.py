"""What is erased is written down nowhere: not in any table, known or to come, not in the log, not in the bucket."""

from shared.ledger.outbox import announce, publish
from shared.storage import erasure, receipts
from shared.storage.erasure import Erased
from shared.storage.tables import metadata
from tests.integration.erasure.world import NAME, Recorded, World
from tests.support.traces import everywhere

# A new table must be in one of these three, or `World.told_of` must write a row of a recording into it.
TELLS_OF_NO_RECORDING = {
    "archive",  # of the archive's own object
    "audit_entry",  # who called what, with ids: it is kept for its time (docs/privacy.md)
    "backfill",
    "clustering",
    "collection",
    "drained",
    "encoder",
    "encoder_check",
    "encoder_definition",
    "encoder_family",
    "encoder_switch",
    "heartbeat",
    "pause",
    "questionnaire",
    "segmenter",
    "speaker",
    "token",
}
HOLDS_VOICES = {"calibration", "calibration_before", "centroid", "centroid_before", "clustering_state"}  # as bytes
REMEMBERS = {"tombstone", "event"}  # an id, by which it is known again


def erase(world: World, *doomed: Recorded) -> Erased:
    with world.database.begin() as tx:
        erased = erasure.erase_recordings(tx, NAME, [one.recording_id for one in doomed], "test")
        publish(tx, [announce(event) for event in erased.events])
    return erased


def finished(world: World, erased: Erased) -> bool:
    with world.database.begin() as tx:
        return receipts.get(tx, erased.receipt.receipt_id).finished_at is not None


def forget_deleted_blobs(world: World) -> None:
    """What the sweep does an hour later."""
    world.rows("UPDATE condemned_blob SET deleted_at = deleted_at - interval '2 hours' RETURNING 1")
    world.sweep()


def traces(world: World, one: Recorded) -> dict[str, set[str]]:
    """By table, what of it is found there."""
    found: dict[str, set[str]] = {}
    for trace in one.traces():
        for table in everywhere(world.database, trace):
            found.setdefault(table, set()).add(trace)
    return found


def test_every_table_either_tells_of_no_recording_or_is_tried_here(world: World) -> None:
    doomed = world.recording("doomed")
    world.told_of(doomed)
    erase(world, doomed)  # for a tombstone and condemned blobs
    told_before = world.recording("staying")
    world.told_of(told_before)
    told = set(traces(world, told_before)) | set(traces(world, doomed))
    tables = {table.name for table in metadata.sorted_tables}
    assert tables - told - TELLS_OF_NO_RECORDING - HOLDS_VOICES == set()
    assert told & TELLS_OF_NO_RECORDING == set()


def test_nothing_of_an_erased_recording_is_left(world: World) -> None:
    doomed, staying = world.recording("doomed"), world.recording("staying")
    world.told_of(doomed)
    world.told_of(staying)
    before = {table: len(found) for table, found in traces(world, staying).items()}

    erased = erase(world, doomed)
    world.work_off()
    world.sweep()
    forget_deleted_blobs(world)

    assert finished(world, erased)
    assert traces(world, doomed) == {table: {str(doomed.recording_id)} for table in REMEMBERS}
    assert world.rows("SELECT type FROM event WHERE data->>'recording_id' = :id", id=str(doomed.recording_id)) == [
        ("io.earmark.recording.erased.v1",)
    ]
    assert world.objects() == set(staying.keys)
    assert not [key for key in world.blobs() if doomed.sha256 in key]
    # The other one has all that it had, but for what was thought out of both, and what nobody may be told again.
    lost = {"question", "review", "comparison", "keyed_call", "suggestion"}
    before["label"] -= 1  # nobody knows whose file an import's was
    after = {table: len(found) for table, found in traces(world, staying).items()}
    assert after == {table: n for table, n in before.items() if table not in lost}
    assert len([key for key in world.blobs() if staying.sha256 in key]) == 3


def test_what_holds_everybodys_voice_is_made_without_the_erased_one(world: World) -> None:
    doomed, staying = world.recording("doomed"), world.recording("staying")
    world.told_of(doomed)
    world.told_of(staying)
    erase(world, doomed)
    for table in HOLDS_VOICES:
        assert world.rows(f"SELECT count(*) FROM {table}") == [(0,)], table
    world.work_off("clusterer.forget")
    ((n_labelled, seconds),) = world.rows("SELECT n, seconds FROM centroid")
    assert (n_labelled, seconds) == (3, 3.0)  # of those that stay; halves of what was divided have no vector yet
    ((n_vectors,),) = world.rows("SELECT n_vectors FROM calibration")
    assert n_vectors == 3


def test_a_receipt_says_how_much_and_names_nothing(world: World) -> None:
    doomed = world.recording("doomed")
    world.told_of(doomed)
    receipt = erase(world, doomed).receipt
    assert receipt.audio_kept == [key for (key,) in world.rows("SELECT key FROM archive")]  # which the file came out of
    assert receipt.erased["recordings"] == 1
    assert receipt.erased["segments"] == 5
    assert receipt.erased["vectors"] == 3
    assert receipt.erased["originals"] == 2
    assert receipt.kept == {"names that nothing bears any more": 1}
    assert not [trace for trace in doomed.traces() if trace in str(receipt)]


def test_nothing_of_an_erased_voice_is_left_but_the_audio(world: World) -> None:
    one = world.recording("doomed")
    world.told_of(one)
    with world.database.begin() as tx:
        erased = erasure.erase_speaker(tx, "Ada", "test")
        publish(tx, [announce(event) for event in erased.events])
    world.work_off()
    assert finished(world, erased)
    for gone in (*map(str, one.segment_ids), "Ada"):
        assert everywhere(world.database, gone) == {}, gone
    assert world.rows("SELECT detail->'files' FROM label WHERE operation = 'import'") == [([],)]
    assert world.objects() == set(one.keys)
    archived = [key for (key,) in world.rows("SELECT key FROM archive")]
    assert erased.receipt.audio_kept == sorted([*one.keys, *archived])


def test_a_voice_goes_with_its_recordings_if_that_is_asked_for(world: World) -> None:
    one = world.recording("doomed")
    world.told_of(one)
    with world.database.begin() as tx:
        erased = erasure.erase_speaker(tx, "Ada", "test", with_recordings=True)
        publish(tx, [announce(event) for event in erased.events])
    world.work_off()
    world.sweep()
    forget_deleted_blobs(world)
    assert finished(world, erased)
    assert traces(world, one) == {table: {str(one.recording_id)} for table in REMEMBERS}
    assert world.objects() == world.blobs() == set()
