"""Who is it: nearest on average, near enough by the angle to the mean."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.clusterer.identify import accepted, nearest


def unit_rows(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_ranking_is_that_of_the_mean_cosine_to_every_labelled_segment(seed: int, n_speakers: int) -> None:
    rng = np.random.default_rng(seed)
    labelled = [unit_rows(rng.normal(size=(rng.integers(1, 9), 16))) for _ in range(n_speakers)]
    queries = unit_rows(rng.normal(size=(5, 16)))
    matches = nearest(queries, np.stack([v.sum(0, np.float64) for v in labelled]), np.array([len(v) for v in labelled]))

    averages = np.stack([(queries @ v.T).mean(axis=1) for v in labelled], axis=1)
    np.testing.assert_allclose(averages[np.arange(5), matches.speaker], averages.max(axis=1), atol=1e-5)


def test_a_speaker_with_many_varied_segments_is_still_recognised() -> None:
    rng = np.random.default_rng(0)
    voice = rng.normal(size=64)
    labelled = unit_rows(voice + 0.8 * rng.normal(size=(200, 64)))
    alike = unit_rows(voice + 0.3 * rng.normal(size=(20, 64)))
    matches = nearest(alike, labelled.sum(0, np.float64)[None], np.array([200]))

    assert np.linalg.norm(labelled.mean(axis=0)) < 0.85  # the mean of varied vectors is short
    assert len(accepted(matches, 0.84)) == 20
