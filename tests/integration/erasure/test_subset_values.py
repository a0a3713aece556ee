"""What subsets were drawn by: values that nobody has any more are told by no subset, all others are."""

from typing import Any

import pytest

from shared.storage import attributes, subsets
from shared.storage.subsets import Wanted
from tests.integration.erasure.test_nothing_is_left import erase
from tests.integration.erasure.world import KEYS, NAME, Recorded, World

WANTED = Wanted(by="talker", where=("room=A 1",), exclude=("talker=eve", "room=B"), partial=True)


@pytest.fixture
def doomed(world: World) -> Recorded:
    """It and the one that stays have a room in common, and each a talker of its own."""
    doomed, _ = world.recording("doomed"), world.recording("staying")
    say(world, KEYS["doomed"][0], {"talker": ["ada", "eve 2"], "room": "A 1"})
    say(world, KEYS["staying"][0], {"talker": "bea", "room": "A 1"})
    return doomed


def say(world: World, key: str, data: dict[str, Any]) -> None:
    with world.database.begin() as tx:
        attributes.put(tx, NAME, {key: data})


def draw(world: World, wanted: Wanted) -> subsets.Subset:
    with world.database.begin() as tx:
        return subsets.create(tx, NAME, "drawn", wanted)[0]


def standing(world: World) -> subsets.Subset:
    with world.database.begin() as tx:
        return subsets.by_name(tx, NAME, "drawn")


def test_strata_and_conditions_of_what_was_erased_lose_their_values(world: World, doomed: Recorded) -> None:
    assert [one.name for one in draw(world, WANTED).strata] == ["[ada, eve 2]", "bea"]
    erase(world, doomed)
    left = standing(world)
    assert [one.name for one in left.strata] == ["bea"]
    assert left.spec["where"] == ["room=A 1"]
    assert left.spec["exclude"] == ["talker=(erased)", "room=(erased)"]  # nor did anybody have these
    assert left.n_recordings == 2


def test_the_same_wishes_are_still_the_same_subset(world: World, doomed: Recorded) -> None:
    drawn = draw(world, WANTED)
    erase(world, doomed)
    assert draw(world, WANTED).subset_id == drawn.subset_id
    with pytest.raises(subsets.SubsetTaken):
        draw(world, Wanted(by="talker", where=("room=A 2",), exclude=WANTED.exclude, partial=True))


def test_values_of_files_that_are_no_recordings_yet_keep_nothing(world: World, doomed: Recorded) -> None:
    draw(world, Wanted(where=("talker=ada",), partial=True))
    say(world, f"{NAME}/to come.wav", {"talker": "ada"})
    erase(world, doomed)
    assert standing(world).spec["where"] == ["talker=(erased)"]


def test_without_an_attribute_all_is_one_stratum_that_stays(world: World, doomed: Recorded) -> None:
    draw(world, Wanted(partial=True))
    erase(world, doomed)
    assert [(one.name, one.size) for one in standing(world).strata] == [(None, 2)]
