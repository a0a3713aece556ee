import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.embedder.batching import pack
from services.embedder.encoders.spectral import SpectralEncoder
from services.embedder.together import embed_inputs

LENGTHS = st.lists(st.integers(1, 5_000), max_size=60)
BUDGETS = st.integers(1, 20_000)


@settings(deadline=None)  # the machine may be busy
@given(LENGTHS, BUDGETS)
def test_every_clip_is_in_exactly_one_batch(lengths, budget):
    assert sorted(position for batch in pack(lengths, budget) for position in batch) == list(range(len(lengths)))


@settings(deadline=None)  # the machine may be busy
@given(LENGTHS, BUDGETS)
def test_no_padded_batch_exceeds_the_budget_unless_one_clip_does(lengths, budget):
    for batch in pack(lengths, budget):
        assert len(batch) == 1 or len(batch) * max(lengths[position] for position in batch) <= budget


@settings(deadline=None)  # the machine may be busy
@given(LENGTHS, BUDGETS)
def test_clips_of_like_length_share_a_batch(lengths, budget):
    shortest_so_far = float("inf")
    for batch in pack(lengths, budget):
        assert max(lengths[position] for position in batch) <= shortest_so_far
        shortest_so_far = min(lengths[position] for position in batch)


@settings(deadline=None)  # the machine may be busy
@given(LENGTHS, BUDGETS)
def test_no_batch_could_have_taken_the_next_batchs_first_clip(lengths, budget):
    batches = pack(lengths, budget)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_each_clip_gets_its_own_vector_or_its_own_reason(rng):
    encoder = SpectralEncoder()
    voiced = [rng.normal(0, 0.1, n).astype(np.float32) for n in (9_000, 30, 16_000, 400)]
    silence, nothing, broken = np.zeros(800, np.float32), np.empty(0, np.float32), np.full(9, np.nan, np.float32)
    clips = [voiced[0], silence, *voiced[1:3], nothing, voiced[3], broken]
    outcomes = embed_inputs({"spectral": encoder}, clips, batch_audio_s=1.0)["spectral"]
    assert [outcomes[1], outcomes[4], outcomes[6]] == ["no_voice", "no_samples", "not_finite"]
    np.testing.assert_allclose(np.stack([outcomes[i].vector for i in (0, 2, 3, 5)]), encoder.embed(voiced), atol=1e-6)
