"""Long segments are read in pieces and become one vector."""

from uuid import uuid4

import numpy as np
import pytest

from services.embedder.outcome import Outcome
from services.embedder.reading import LONGEST_CLIP_S, _pieces
from shared.units import samples

LONGEST_CLIP = samples(LONGEST_CLIP_S)


@pytest.mark.parametrize("n_samples", [1, LONGEST_CLIP, LONGEST_CLIP + 1, 3 * 3600 * 16_000 + 7])
def test_pieces_are_even_and_leave_nothing_out(n_samples: int) -> None:
    pieces = _pieces(n_samples, LONGEST_CLIP)

    assert sum(pieces) == n_samples
    assert max(pieces) <= LONGEST_CLIP
    assert max(pieces) - min(pieces) <= 1


def test_a_piece_counts_by_its_length() -> None:
    outcome, own = Outcome(), uuid4()
    outcome.add(own, np.array([1, 0], np.float32), 300)
    outcome.add(own, np.array([0, 1], np.float32), 400)

    np.testing.assert_allclose(outcome.vectors()[own], [0.6, 0.8], atol=1e-6)


def test_a_silent_piece_does_not_cost_the_segment_its_vector() -> None:
    outcome, own, silent = Outcome(), uuid4(), uuid4()
    outcome.refuse(own, "no_voice")
    outcome.add(own, np.array([1, 0], np.float32), 300)
    outcome.refuse(silent, "no_voice")

    assert set(outcome.vectors()) == {own}
    assert outcome.reasons() == {silent: "no_voice"}
