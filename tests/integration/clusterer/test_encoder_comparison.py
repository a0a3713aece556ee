"""Two encoders are compared on what people said; nothing changes by it."""

from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from services.clusterer import encoder_comparison
from services.clusterer.encoder_comparison import TooFewLabels
from shared.storage import encoders
from shared.storage.database import Database
from tests.integration.clusterer.histories import Name, World
from tests.integration.clusterer.standing import everything
from tests.integration.clusterer.two_spaces import SETTINGS, named, switch, two_spaces


@pytest.fixture
def world(database: Database) -> World:
    return two_spaces(database)


def test_a_comparison_says_how_either_does_and_what_would_change(world: World) -> None:
    world.do([Name((6, 11, 12), "Bea"), Name((7, 8), "Cem")])
    before = everything(world)
    result = encoder_comparison.compare(world.database, world.collection, ("spectral", "ge2e"), SETTINGS)
    assert everything(world) == before
    assert (result["naming"], result["labelled"], result["pairs"]) == ("spectral", 9, 36)
    for figures in result["encoders"]:
        shares = figures["identification"]
        assert shares["right"] + shares["wrong"] + shares["unnamed"] == pytest.approx(1)
        assert figures["lacking"] == 0
        alarms, misses = (np.array(rates) for rates in zip(*figures["curve"], strict=True))
        assert (np.diff(alarms) <= 0).all()
        assert (np.diff(misses) >= 0).all()
        assert abs(alarms - misses).min() <= 0.2
    then = {UUID(change["segment_id"]): change["then"] for change in result["changes"]}
    was = named(world)
    switch(world, "ge2e")
    now = named(world)
    assert then == {s: now.get(s) for s in was | now if was.get(s) != now.get(s)}
    assert then


def test_labelled_segments_without_a_vector_are_counted_and_left_out(world: World) -> None:
    world.do([Name((11, 6), "Bea"), Name((7,), "Cem")])
    with world.database.begin() as tx:
        encoder_id = encoders.by_name(tx, "ge2e").encoder_id
        gone = [world.segment_ids[n] for n in (0, 6)]
        tx.execute(
            sa.text("DELETE FROM embedding WHERE encoder_id = :e AND segment_id = ANY(:ids)"),
            {"e": encoder_id, "ids": gone},
        )
    result = encoder_comparison.compare(world.database, world.collection, ("spectral", "ge2e"), SETTINGS)
    assert [figures["lacking"] for figures in result["encoders"]] == [0, 2]
    assert result["labelled"] == 5


def test_of_very_many_segments_a_draw_is_clustered_and_all_that_people_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.do([Name((6, 11, 12), "Bea"), Name((7, 8), "Cem")])
    whole = encoder_comparison.compare(world.database, world.collection, ("spectral", "ge2e"), SETTINGS)
    monkeypatch.setattr(encoder_comparison, "MOST_SEGMENTS", 15)
    monkeypatch.setattr(encoder_comparison, "READ_AT_ONCE", 4)
    drawn = encoder_comparison.compare(world.database, world.collection, ("spectral", "ge2e"), SETTINGS)
    assert (whole["segments"], whole["clustered"]) == (31, 31)
    assert (drawn["segments"], drawn["labelled"], drawn["pairs"]) == (31, 9, 36)
    assert 15 <= drawn["clustered"] <= 24


def test_too_few_labels_are_told(database: Database, world: World) -> None:
    with pytest.raises(TooFewLabels, match="1 speaker with two"):
        encoder_comparison.compare(database, world.collection, ("spectral", "ge2e"), SETTINGS)
