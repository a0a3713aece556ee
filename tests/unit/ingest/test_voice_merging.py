from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.segmenters.protocol import NO_HINTS, Hints, Span
from services.ingest.segmenters.voices import clustering
from services.ingest.segmenters.voices.clustering import centroids_of
from services.ingest.segmenters.voices.likeness import Groups, likeness_in_turns, pure
from services.ingest.segmenters.voices.merging import Merge, merges, voices
from services.ingest.segmenters.voices.paths import likeliest_path
from services.ingest.segmenters.voices.windows import windows_in
from tests.support.voices import SPEC

_DIM = 256


def _speakers(n_speakers: int, alike: float, rng: np.random.Generator) -> np.ndarray:
    """Unit rows of that cosine to each other, as voices are that share a mean."""
    basis = np.linalg.qr(rng.standard_normal((_DIM, n_speakers + 1)))[0].T
    return np.sqrt(alike) * basis[0] + np.sqrt(1 - alike) * basis[1:]


def _heard(speakers: np.ndarray, who: list[int], in_turns: float, rng: np.random.Generator) -> np.ndarray:
    """A window for each entry: the speaker and noise, such that two windows of one speaker have cosine `in_turns`."""
    noise = rng.standard_normal((len(who), _DIM)) / np.sqrt(_DIM)
    rows = np.sqrt(in_turns) * speakers[who] + np.sqrt(1 - in_turns) * noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _overheard(speakers: np.ndarray, who: np.ndarray, in_turns: float, rng: np.random.Generator) -> np.ndarray:
    """As `_heard`, but of windows that begin every third of their length: they share two thirds of their noise."""
    each_third = rng.standard_normal((len(who) + 2, _DIM)) / np.sqrt(_DIM)
    noise = (each_third[:-2] + each_third[1:-1] + each_third[2:]) / np.sqrt(3)
    rows = np.sqrt(in_turns) * speakers[who] + np.sqrt(1 - in_turns) * noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _turns_of(who: list[int], windows_a_turn: int):
    """Regions of that many windows that share nothing, and the speaker of each window."""
    spans = [Span(n * 200_000, n * 200_000 + 25_600) for n in range(len(who) * windows_a_turn)]
    return windows_in(spans), np.repeat(who, windows_a_turn).tolist()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.mark.parametrize("in_turns", [0.65, 0.75, 0.85])
@pytest.mark.parametrize("n_speakers", [1, 2, 3, 8])
def test_as_many_voices_are_found_as_speak_however_noisy_the_windows(n_speakers, in_turns, rng):
    windows = windows_in([Span(n * 200_000, n * 200_000 + 96_000) for n in range(4 * n_speakers)])
    vectors = _overheard(_speakers(n_speakers, 0.6, rng), windows.region % n_speakers, in_turns, rng)
    found = centroids_of(vectors, windows, SPEC, NO_HINTS)
    nearest = (vectors @ found.T).argmax(axis=1)
    assert len(found) == n_speakers
    assert len(set(zip(nearest.tolist(), (windows.region % n_speakers).tolist(), strict=True))) == n_speakers


@pytest.mark.parametrize("n_speakers", [1, 2, 3, 8])
def test_as_many_voices_are_found_in_turns_of_one_window(n_speakers, rng):
    windows, who = _turns_of(list(range(n_speakers)) * 4, 5)
    vectors = _heard(_speakers(n_speakers, 0.6, rng), who, 0.7, rng)
    assert len(centroids_of(vectors, windows, SPEC, NO_HINTS)) == n_speakers


def test_a_recording_of_an_hour_is_merged_in_parts_to_the_same_voices(rng, monkeypatch):
    windows, who = _turns_of([0, 1, 2] * 20, 4)
    vectors = _heard(_speakers(3, 0.6, rng), who, 0.7, rng)
    whole = centroids_of(vectors, windows, SPEC, NO_HINTS)
    monkeypatch.setattr(clustering, "_MOST_TOGETHER", 60)
    parts = centroids_of(vectors, windows, SPEC, NO_HINTS)
    assert len(parts) == len(whole) == 3
    assert (whole @ parts.T).max(axis=1) == pytest.approx(np.ones(3), abs=0.02)


@pytest.mark.parametrize(("hints", "n_voices"), [(Hints(2, 2), 2), (Hints(None, 3), 3), (Hints(5, None), 5)])
def test_hints_set_the_number_of_voices(hints, n_voices, rng):
    windows, who = _turns_of([0, 1, 2, 3] * 4, 5)
    vectors = _heard(_speakers(4, 0.6, rng), who, 0.75, rng)
    assert len(centroids_of(vectors, windows, SPEC, hints)) == n_voices


def test_hints_that_fit_change_nothing(rng):
    windows, who = _turns_of([0, 1, 2] * 4, 5)
    vectors = _heard(_speakers(3, 0.6, rng), who, 0.75, rng)
    free = centroids_of(vectors, windows, SPEC, NO_HINTS)
    assert (centroids_of(vectors, windows, SPEC, Hints(2, 6)) == free).all()


def test_the_order_of_turns_does_not_change_the_voices(rng):
    windows, who = _turns_of([0, 1, 2] * 4, 5)
    vectors = _heard(_speakers(3, 0.6, rng), who, 0.75, rng)
    turned = vectors[::-1].copy()
    one, other = centroids_of(vectors, windows, SPEC, NO_HINTS), centroids_of(turned, windows, SPEC, NO_HINTS)
    assert (one @ other.T).max(axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_the_likeness_in_turns_is_that_of_neighbours_in_a_region(rng):
    windows = windows_in([Span(n * 300_000, n * 300_000 + 200_000) for n in range(20)])
    speakers = _speakers(20, 0.5, rng)
    vectors = _heard(speakers, windows.region.tolist(), 0.7, rng)
    assert likeness_in_turns(vectors, windows) == pytest.approx(0.7, abs=0.03)


def test_without_a_pair_in_a_turn_the_usual_likeness_is_believed(rng):
    windows, who = _turns_of([0, 1], 3)
    assert likeness_in_turns(_heard(_speakers(2, 0.5, rng), who, 0.5, rng), windows) == 0.75


def test_windows_that_a_border_runs_through_do_not_vote(rng):
    windows = windows_in([Span(0, 200_000)])
    one, other = _speakers(2, 0.4, rng)
    share = np.clip((windows.end_sample - 100_000) / 25_600, 0, 1)[:, np.newaxis]  # of the second speaker
    rows = (1 - share) * one + share * other
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    votes = pure(vectors, windows, 0.75)
    middle = np.abs(share[:, 0] - 0.5) < 0.4
    assert middle.any()
    assert not votes[middle].any()
    assert votes[(share[:, 0] == 0) | (share[:, 0] == 1)].mean() > 0.8


def test_windows_that_share_audio_are_not_taken_for_alike(rng):
    """Overlap alone makes a cosine high: what is shared is taken off."""
    windows = windows_in([Span(0, 25_600 + 3 * 8_533)])
    vectors = _heard(_speakers(1, 0.5, rng), [0] * 4, 0.6, rng)
    groups = Groups.of_single_windows(vectors, windows)
    assert groups.pairs.diagonal() == pytest.approx(np.zeros(4))
    assert groups.cosines.diagonal() == pytest.approx(np.zeros(4), abs=1e-6)
    assert groups.pairs[0, 3] == pytest.approx(1.0, abs=1e-3)


@given(st.integers(2, 25), st.integers(0, 1000))
def test_merging_ends_with_one_group_and_takes_the_most_alike_first(n_windows, seed):
    rng = np.random.default_rng(seed)
    windows, who = _turns_of(rng.integers(0, 3, n_windows).tolist(), 1)
    groups = Groups.of_single_windows(_heard(_speakers(3, 0.5, rng), who, 0.7, rng), windows)
    done = merges(groups, 0.7)
    assert len(done) == n_windows - 1
    assert len({merge.gone for merge in done}) == n_windows - 1
    off_diagonal = groups.cosines[~np.eye(n_windows, dtype=bool)]
    assert done[0].likeness == pytest.approx(off_diagonal.max() / 0.7, rel=1e-6)


def test_a_window_by_itself_is_no_voice_but_somebody_always_speaks():
    done = [Merge(0, 1, 0.95), Merge(0, 2, 0.2)]
    assert voices(np.ones(3, dtype=int), done, 0.84, NO_HINTS).tolist() == [0, 0, -1]
    assert voices(np.ones(2, dtype=int), [Merge(0, 1, 0.1)], 0.84, NO_HINTS).tolist() == [0, -1]


def test_a_hint_of_more_voices_than_can_be_told_apart_is_met_as_far_as_it_goes():
    done = [Merge(0, 1, 0.99), Merge(2, 3, 0.98), Merge(0, 2, 0.95)]
    assert voices(np.ones(4, dtype=int), done, 0.84, Hints(3, None)).tolist() == [0, 0, 1, 1]


def _brute_force(scores: np.ndarray, cost: float) -> float:
    n_steps, n_voices = scores.shape
    paths = np.stack(np.meshgrid(*[range(n_voices)] * n_steps)).reshape(n_steps, -1)
    gains = scores[np.arange(n_steps)[:, np.newaxis], paths].sum(axis=0)
    return float((gains - cost * (np.diff(paths, axis=0) != 0).sum(axis=0)).max())


@given(st.integers(1, 5), st.integers(1, 4), st.floats(0, 1), st.integers(0, 1000))
def test_no_path_is_better_than_the_likeliest(n_steps, n_voices, cost, seed):
    scores = np.random.default_rng(seed).random((n_steps, n_voices))
    path = likeliest_path(scores, cost)
    gain = scores[np.arange(n_steps), path].sum() - cost * sum(a != b for a, b in pairwise(path))
    assert gain == pytest.approx(_brute_force(scores, cost))
