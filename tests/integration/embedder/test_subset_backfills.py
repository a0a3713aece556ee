"""Backfills of a subset: its recordings and no others, and arrivals go on as before."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from shared.ids import new_id
from shared.ledger.outbox import announce, publish
from shared.storage import backfills, collections, subsets
from tests.integration.embedder.working import COLLECTION, SECOND, Workshop


def subset_of(workshop: Workshop, recordings: list[UUID]) -> None:
    """The subset `pilot`, of these recordings."""
    subset_id = new_id()
    with workshop.database.begin() as tx:
        made = "INSERT INTO subset VALUES (:id, :collection, 'pilot', '{}', '[]', :n, 0)"
        tx.execute(sa.text(made), {"id": subset_id, "collection": COLLECTION, "n": len(recordings)})
        member = sa.text("INSERT INTO subset_member VALUES (:id, :place, :key, :recording)")
        rows = [{"id": subset_id, "place": n, "key": f"{n}.wav", "recording": r} for n, r in enumerate(recordings, 1)]
        tx.execute(member, rows)


def backfill(workshop: Workshop) -> UUID:
    with workshop.database.begin() as tx:
        requested = backfills.request(tx, COLLECTION, SECOND, everything=False, subset="pilot")
        publish(tx, [announce(requested.event)])
    assert not requested.added
    return requested.event.backfill_id


def embedded(workshop: Workshop) -> set[UUID]:
    rows = workshop.rows(
        "SELECT DISTINCT recording_id FROM embedding JOIN encoder USING (encoder_id) WHERE name = :name", name=SECOND
    )
    return {recording_id for (recording_id,) in rows}


def test_only_the_recordings_of_the_subset_are_embedded(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "RECORDINGS_PER_PAGE", 2)
    all_of_them = [workshop.recording(2) for _ in range(8)]
    subset_of(workshop, [*sorted(all_of_them)[::2], workshop.recording(0)])
    workshop.work_off()
    own = backfill(workshop)
    workshop.work_off()

    state = workshop.state(own)
    assert (state.state, state.wanted, state.done) == ("done", 8, 8)
    assert embedded(workshop) == set(sorted(all_of_them)[::2])
    assert len(workshop.announced("recording.embedded", SECOND)) == 5


def test_what_arrives_later_is_not_embedded_by_a_subsets_encoder(workshop: Workshop) -> None:
    subset_of(workshop, [workshop.recording(1)])
    workshop.work_off()
    backfill(workshop)
    workshop.recording(1)
    workshop.work_off()
    assert len(embedded(workshop)) == 1
    with workshop.database.begin() as tx:
        assert SECOND not in collections.get(tx, COLLECTION).encoders


def test_a_backfill_ends_when_its_subset_is_deleted(workshop: Workshop) -> None:
    subset_of(workshop, [workshop.recording(2)])
    workshop.work_off()
    own = backfill(workshop)
    with workshop.database.begin() as tx:
        subsets.delete(tx, COLLECTION, "pilot")
    workshop.work_off()
    assert (workshop.state(own).state, workshop.state(own).wanted, embedded(workshop)) == ("done", 0, set())


def test_a_subset_that_nobody_knows_is_refused(workshop: Workshop) -> None:
    with workshop.database.begin() as tx, pytest.raises(subsets.UnknownSubset, match="'pilot'"):
        backfills.request(tx, COLLECTION, SECOND, everything=False, subset="pilot")
