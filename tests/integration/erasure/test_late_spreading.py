"""A statement whose names follow only after what it spoke of was erased."""

import pytest

from services.clusterer import handlers
from shared.ledger.outbox import announce, publish
from shared.settings import ClustererSettings
from shared.storage import erasure, labels, statements
from tests.integration.erasure.test_nothing_is_left import erase
from tests.integration.erasure.world import NAME, World
from tests.support.traces import everywhere


@pytest.mark.parametrize("erased", ["recording", "speaker"])
def test_neither_its_segment_nor_its_speaker_comes_back_into_the_log(world: World, erased: str) -> None:
    one = world.recording("staying")
    with world.database.begin() as tx:
        said = statements.name_segment(tx, one.segment_ids[0], "Bea", "test")
        (event,) = said.events
    assert event.speaker_id is not None
    trace = str(one.segment_ids[0] if erased == "recording" else event.speaker_id)
    if erased == "recording":
        erase(world, one)
    else:
        with world.database.begin() as tx:
            gone = erasure.erase_speaker(tx, "Bea", "test", with_recordings=False)
            publish(tx, [announce(one) for one in gone.events])
    with world.database.begin() as tx:
        labels.lock_names(tx, NAME)
        handlers.spread(tx, event, ClustererSettings())
    assert "label" not in everywhere(world.database, trace)
