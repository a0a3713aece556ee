"""Splitting a segment by hand on a real Postgres: nothing of the old one stays, whoever works on it meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from shared import ids
from shared.storage import collections, deferrals, embeddings, encoders, labels, people, segments, splits, statements
from shared.storage.clusters import NewCluster, write_generation
from shared.storage.labels import SegmentGone
from shared.storage.splits import PartTooShort, Split, SplitOutside
from tests.integration.embedder.working import COLLECTION, FIRST, SECOND, Workshop

# Every table that says something of a segment; label, word and label_effect are the log, and stay.
OF_A_SEGMENT = ("segment", "embedding", "unembeddable", "assignment", "suggestion", "cluster_member", "deferred")


def split(workshop: Workshop, segment_id: UUID, *at_s: float) -> Split:
    with workshop.database.begin() as tx:
        done = splits.split(tx, segment_id, at_s, "ann")
    workshop.say(done.removed, *done.requested)
    return done


def traces(workshop: Workshop, segment_id: UUID) -> set[str]:
    found = {t for t in OF_A_SEGMENT if workshop.rows(f"SELECT 1 FROM {t} WHERE segment_id = :id", id=segment_id)}
    of_clusters = "SELECT 1 FROM cluster WHERE exemplar_segment_id = :id OR trust::text LIKE '%' || :text || '%'"
    return found | ({"cluster"} if workshop.rows(of_clusters, id=segment_id, text=str(segment_id)) else set())


@pytest.fixture
def both(workshop: Workshop) -> Workshop:
    """The collection has both encoders."""
    with workshop.database.begin() as tx:
        collections.add_encoder(tx, COLLECTION, SECOND)
    return workshop


def test_the_parts_stand_in_its_place_and_are_embedded_by_every_encoder(both: Workshop) -> None:
    recording = both.recording(3)
    both.work_off()
    first, middle, last = both.segment_ids(recording)
    with both.database.begin() as tx:
        tx.execute(sa.text("UPDATE segment SET text = 'hello', speaker_label = 'SPEAKER_01'"))
    done = split(both, middle, 1.75, 1.5)

    borders = [(16_000, 24_000), (24_000, 28_000), (28_000, 32_000)]
    assert [(part.start_sample, part.end_sample) for part in done.parts] == borders
    parts = [ids.segment_id(recording, "human", *span) for span in borders]
    assert [part.segment_id for part in done.parts] == parts
    assert both.segment_ids(recording) == [first, *parts, last]
    written = "SELECT DISTINCT source, text, speaker_label FROM segment WHERE segment_id = ANY(:ids)"
    assert both.rows(written, ids=parts) == [("human", None, "SPEAKER_01")]
    asked = [(event.encoder, list(event.segment_ids)) for event in done.requested]
    assert asked == [(FIRST, parts), (SECOND, parts)]
    assert both.progress(FIRST) == both.progress(SECOND) == {(5, 2, 0)}
    assert both.rows("SELECT n_segments FROM recording") == [(5,)]
    both.work_off()

    assert set(both.vectors(FIRST)) == set(both.vectors(SECOND)) == {first, *parts, last}
    assert both.progress(FIRST) == both.progress(SECOND) == {(5, 5, 0)}
    assert len(both.announced("recording.embedded", FIRST)) == 1


def test_nothing_of_it_stays_but_the_log(both: Workshop) -> None:
    recording = both.recording(4)
    both.work_off()
    one, *others = both.segment_ids(recording)
    speaker_id = entangle(both, one, others[:2])
    assert traces(both, one) == {*OF_A_SEGMENT, "cluster"}
    done = split(both, one, 0.5)

    assert traces(both, one) == set()
    assert done.removed.speaker_ids == (speaker_id,)
    assert (done.removed.recording_id, done.removed.segment_ids) == (recording, (one,))
    assert both.rows("SELECT n_segments, exemplar_segment_id = :id, current FROM cluster", id=others[1]) == [
        (2, True, True)
    ]
    assert both.rows("SELECT count(*) FROM word WHERE segment_id = :id", id=one) == [(1,)]


def entangle(workshop: Workshop, one: UUID, others: list[UUID]) -> UUID:
    """Let every table say something of a segment; returns the speaker that a person gave it to."""
    exemplars = [str(one), str(others[0])]
    with workshop.database.begin() as tx:
        statements.name_segment(tx, one, "Ada", "ann")
        ada = people.speaker_named(tx, "Ada")
        values = {"id": one, "collection": COLLECTION, "ada": ada, "other": "a third one"}
        tx.execute(sa.text("INSERT INTO suggestion VALUES (:id, :collection, :ada, 0.5)"), values)
        tx.execute(sa.text("INSERT INTO unembeddable VALUES (:id, :other, 'no_voice')"), values)
        deferrals.defer(tx, COLLECTION, SECOND, [one])
        new = NewCluster(uuid4(), (one, *others), (1.0, 0.5, 0.9), 1, 0.9, one, {"exemplars": exemplars})
        write_generation(tx, COLLECTION, FIRST, [new])
    return ada


def test_a_cluster_of_nobody_else_stands_no_longer(workshop: Workshop) -> None:
    (own,) = workshop.segment_ids(workshop.recording(1))
    with workshop.database.begin() as tx:
        write_generation(tx, COLLECTION, FIRST, [NewCluster(uuid4(), (own,), (1.0,), 1, 0.9, own)])
    split(workshop, own, 0.5)
    assert workshop.rows("SELECT n_segments, current FROM cluster") == [(0, False)]


def test_the_log_tells_who_split_it_and_that_it_is_nobodys(workshop: Workshop) -> None:
    (own,) = workshop.segment_ids(workshop.recording(1))
    with workshop.database.begin() as tx:
        statements.name_segment(tx, own, "Ada", "bob")
    done = split(workshop, own, 0.5)

    ((actor, detail),) = workshop.rows("SELECT actor, detail FROM label WHERE operation = 'divide'")
    parts = [str(part.segment_id) for part in done.parts]
    assert (actor, detail) == ("ann", {"parts": parts, "at_s": [0.5]})
    last = "SELECT speaker_id FROM label_effect WHERE segment_id = :id ORDER BY seq DESC LIMIT 1"
    assert workshop.rows(last, id=own) == [(None,)]
    with workshop.database.begin() as tx:
        assert labels.names(tx, [part.segment_id for part in done.parts]) == {}


@pytest.mark.parametrize(
    ("at_s", "error"),
    [
        ([0.5], SplitOutside),
        ([1.5, 2.5], SplitOutside),
        ([1.05], PartTooShort),
        ([1.5, 1.5], PartTooShort),
        ([1.5, 1.55], PartTooShort),
        ([2.0], PartTooShort),
        ([], SplitOutside),
    ],
)
def test_points_outside_or_too_close_are_refused(workshop: Workshop, at_s: list[float], error: Any) -> None:
    _, own = workshop.segment_ids(workshop.recording(2))
    with workshop.database.begin() as tx, pytest.raises(error):
        splits.split(tx, own, at_s, "ann")
    assert traces(workshop, own) == {"segment"}


def test_a_segment_that_is_gone_cannot_be_split(workshop: Workshop) -> None:
    (own,) = workshop.segment_ids(workshop.recording(1))
    split(workshop, own, 0.5)
    for gone in (own, uuid4()):
        with workshop.database.begin() as tx, pytest.raises(SegmentGone):
            splits.split(tx, gone, [0.5], "ann")


def test_parts_can_be_split_again(workshop: Workshop) -> None:
    recording = workshop.recording(1)
    done = split(workshop, workshop.segment_ids(recording)[0], 0.5)
    split(workshop, done.parts[1].segment_id, 0.75)
    workshop.work_off()
    assert workshop.progress(FIRST) == {(3, 3, 0)}
    assert set(workshop.vectors(FIRST)) == set(workshop.segment_ids(recording))


def test_an_embedder_that_had_read_it_does_not_bring_it_back(both: Workshop) -> None:
    recording = both.recording(2)
    own, other = both.segment_ids(recording)

    def divide() -> None:
        both.encoders[FIRST].before = lambda: None
        split(both, own, 0.5)

    both.encoders[FIRST].before = divide
    both.work_off()

    assert traces(both, own) == set()
    assert set(both.vectors(FIRST)) == set(both.vectors(SECOND)) == set(both.segment_ids(recording))
    assert other in both.vectors(FIRST)
    assert both.progress(FIRST) == {(3, 3, 0)}
    said = [s for data in both.announced("segments.embedded", FIRST) for s in data["segment_ids"]]
    assert str(own) not in said
    assert len(both.announced("recording.embedded", FIRST)) == 1


def test_a_split_waits_for_whoever_writes_the_vector_just_now(workshop: Workshop) -> None:
    recording = workshop.recording(1, announced=False)
    (own,) = workshop.segment_ids(recording)
    with ThreadPoolExecutor(1) as threads:
        with workshop.database.begin() as tx:  # an embedder in its last transaction
            assert segments.hold(tx, [own]) == {own}
            dividing = threads.submit(split, workshop, own, 0.5)
            sleep(0.3)
            assert not dividing.done()
            space = encoders.by_name(tx, FIRST)
            rows = np.ones((1, space.dimension), np.float32) / np.sqrt(space.dimension)
            assert embeddings.write(tx, space, [own], rows) == {own}
        dividing.result(timeout=10)
    assert traces(workshop, own) == set()


def test_an_embedder_waits_for_a_split_and_leaves_the_old_one_out(workshop: Workshop) -> None:
    (own,) = workshop.segment_ids(workshop.recording(1, announced=False))
    found: list[set[UUID]] = []

    def hold() -> None:
        with workshop.database.begin() as tx:
            found.append(segments.hold(tx, [own]))

    with workshop.database.begin() as tx:
        splits.split(tx, own, [0.5], "ann")
        embedder = threading.Thread(target=hold)
        embedder.start()
        sleep(0.3)
        assert found == []
    embedder.join(timeout=10)
    assert found == [set()]


def test_counts_of_a_recording_are_never_counted_by_two_at_a_time(workshop: Workshop) -> None:
    """Parts of a long recording end at the same moment in two workers: the later one sees what the earlier one did."""
    from shared.storage import progress

    recording = workshop.recording(2, announced=False)
    one, other = workshop.segment_ids(recording)
    space_of = encoders.by_name
    results: list[bool] = []

    def embed(segment_id: UUID) -> None:
        with workshop.database.begin() as tx:
            space = space_of(tx, FIRST)
            rows = np.ones((1, space.dimension), np.float32)
            embeddings.write(tx, space, [segment_id], rows)
            results.extend(counted.complete for counted in progress.recount(tx, space, [recording]))
            sleep(0.2)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(embed, [one, other]))
    assert sorted(results) == [False, True]
    assert workshop.progress(FIRST) == {(2, 2, 0)}
