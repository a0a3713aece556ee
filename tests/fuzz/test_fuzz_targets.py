"""Each fuzz target stands its seeds, what fuzzing has found, and some thousand mutants, always the same ones."""

import importlib
import random

import pytest

from tests.fuzz import TARGETS
from tests.fuzz.found import FOUND
from tests.fuzz.target import Target

_EXECUTIONS = 4_000


def _target(name: str) -> Target:
    target: Target = importlib.import_module(f"tests.fuzz.{name}").TARGET
    return target


@pytest.mark.parametrize(("name", "content"), FOUND)
def test_what_was_found_once_is_found_no_more(name, content) -> None:
    _target(name).run(content)


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_of_the_seeds_break_no_promise(name) -> None:
    target, rng = _target(name), random.Random(name)
    seeds = target.seeds()
    for seed in seeds:
        target.run(seed)
    for _ in range(_EXECUTIONS):
        content = target.mutate(rng.choice(seeds), rng)
        try:
            target.run(content)
        except Exception as error:
            raise AssertionError(f"{content[:400]!r} of {len(content)} bytes") from error
