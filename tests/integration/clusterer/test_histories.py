"""Whatever people say, in whatever order: the log tells it all, and taking a word back leaves no trace of it."""

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shared.storage.database import Database
from tests.integration.clusterer.histories import (
    Import,
    Name,
    Recluster,
    Step,
    Undo,
    World,
)
from tests.integration.clusterer.random_steps import said_of_anybody, steps, steps_and_clusterings

N_HISTORIES = int(os.environ.get("EARMARK_HISTORIES", "25"))


@dataclass(frozen=True, slots=True)
class Nothing:
    """A step that was not made."""


random = settings(
    max_examples=N_HISTORIES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@random
@given(history=steps, at=st.integers(0, 7))
def test_taking_a_step_back_is_as_if_it_had_never_been_made(database: Database, history: list[Step], at: int) -> None:
    assume(at < len(history) and not isinstance(history[at], Undo))
    history = [step for step in history if step != Undo(at)]
    assume(at < len(history))
    with_it = World(database).do(history)
    without = World(database).do([*history[:at], Nothing(), *history[at + 1 :]])
    others = [i for i in range(len(history)) if i != at]
    assume(with_it.made[at] is not None)
    assume([with_it.made[i] is None for i in others] == [without.made[i] is None for i in others])
    assert with_it.do([Undo(at)]).state() == without.state()
    assert with_it.suggested() == without.suggested()


@random
@given(before=steps_and_clusterings, after=said_of_anybody)
def test_taking_a_clustering_back_is_as_if_nobody_had_clustered(
    database: Database, before: list[Step], after: list[Step]
) -> None:
    at = len(before)
    with_it = World(database).do([*before, Recluster(), *after])
    without = World(database).do([*before, Nothing(), *after])
    assert [made is None for made in with_it.made[:at]] == [made is None for made in without.made[:at]]
    assume([made is None for made in with_it.made[at + 1 :]] == [made is None for made in without.made[at + 1 :]])
    clustered, state, suggested = with_it.clustered(), with_it.state(), with_it.suggested()
    with_it.do([Undo(at)])
    assert with_it.made[-1] is not None
    assert with_it.clustered() == without.clustered()
    assert with_it.state() == without.state()
    assert with_it.suggested() == without.suggested()
    with_it.do([Undo(len(with_it.made) - 1)])
    assert (with_it.clustered(), with_it.state(), with_it.suggested()) == (clustered, state, suggested)


@random
@given(history=steps_and_clusterings)
def test_replaying_the_log_gives_the_tables(database: Database, history: list[Step]) -> None:
    world = World(database).do(history)
    assert world.replayed() == world.state()


@random
@given(history=steps_and_clusterings)
def test_what_was_changed_step_by_step_is_what_follows_from_everything_said(
    database: Database, history: list[Step]
) -> None:
    world = World(database).do(history)
    state, suggested = world.state(), world.suggested()
    anew = world.thought_out_anew()
    assert (anew.state(), anew.suggested()) == (state, suggested)


def test_the_worlds_are_worth_it(database: Database) -> None:
    """Names come in every way: else the properties above would say little."""
    world = World(database).do([Name((0,), "Ada"), Name((10,), "Bea"), Import(((20, "Cem"),))])
    assert {by for _, by, _ in world.state().values()} == {"human", "import", "cluster", "identification"}
