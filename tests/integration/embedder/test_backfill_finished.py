"""That a backfill is done is announced, and once: whoever waits for its vectors hears of it."""

from typing import Any

import pytest

from shared.ledger.outbox import announce, publish
from shared.storage import backfills
from tests.integration.embedder.working import COLLECTION, SECOND, Workshop


def finished(workshop: Workshop) -> list[Any]:
    rows = workshop.rows("SELECT data FROM event WHERE type = 'io.earmark.backfill.finished.v1' ORDER BY seq")
    return [data["backfill_id"] for (data,) in rows]


def asked_for(workshop: Workshop) -> str:
    with workshop.database.begin() as tx:
        requested = backfills.request(tx, COLLECTION, SECOND, everything=False)
        publish(tx, [announce(requested.event)])
    return str(requested.event.backfill_id)


def test_it_is_announced_once_when_everything_is_embedded(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "RECORDINGS_PER_PAGE", 1)
    for _ in range(3):
        workshop.recording(2)
    workshop.work_off()
    own = asked_for(workshop)
    assert finished(workshop) == []
    workshop.work_off()
    assert finished(workshop) == [own]


def test_it_is_announced_even_if_nothing_was_wanted(workshop: Workshop) -> None:
    own = asked_for(workshop)
    workshop.work_off()
    assert finished(workshop) == [own]
