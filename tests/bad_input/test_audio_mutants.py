"""Whatever a random change makes of a valid file, it is decoded or refused, and the child lives on."""

import pytest

from tests.bad_input.formats import FORMATS, READ
from tests.bad_input.scale import N_MUTANTS
from tests.bad_input.trying import RECORDING, try_mutants


@pytest.mark.parametrize("name", FORMATS)
def test_a_mutant_is_decoded_or_refused_by_a_child_that_lives_on(name, tmp_path) -> None:
    found = try_mutants(name, FORMATS[name](), N_MUTANTS, tmp_path)

    assert [(why, content[:200]) for why, content in found.faults] == []
    assert (found.n_deaths, found.strays) == (0, set())
    assert len(found.codes) > 1, "no mutation did any harm: the test tests nothing"
    assert (RECORDING in found.codes) == (name in READ)
