import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from services.ingest.decode.convert import Downmix, Loudness, Resampler, check_samples, quantise
from services.ingest.decode.errors import NonFiniteSamples, SamplesOutOfRange

_SAMPLES = st.floats(-1, 1, width=32)
_MONO = hnp.arrays(np.float32, st.integers(1, 500), elements=_SAMPLES)


@given(hnp.arrays(np.int16, st.integers(0, 500)))
def test_sixteen_bit_audio_comes_through_unchanged(samples):
    quantised, clipped = quantise(samples.astype(np.float32) / np.float32(32768))
    assert np.array_equal(quantised, samples)
    assert not clipped


@given(st.floats(-0.9375, 0.9375, width=32))
def test_samples_are_rounded_to_the_nearest_step(value):
    quantised, _ = quantise(np.array([value], dtype=np.float32))
    assert abs(quantised[0] - value * 32768) <= 0.5


@given(_MONO, st.floats(1.01, 100))
def test_nothing_wraps_round_beyond_full_scale(samples, gain):
    loud = samples * np.float32(gain)
    quantised, clipped = quantise(loud)
    assert np.all(quantised * np.sign(loud) >= 0)
    assert clipped == bool((np.abs(np.rint(loud * 32768)) > 32769).any())


@given(_MONO, st.integers(1, 8))
def test_the_mean_of_equal_channels_is_that_channel(samples, channels):
    block = np.repeat(samples[:, None], channels, axis=1)
    np.testing.assert_allclose(Downmix(channels).mono(block), samples, atol=1e-6)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 200), st.integers(2, 4)), elements=_SAMPLES))
def test_the_order_of_channels_does_not_matter(block):
    one, other = Downmix(block.shape[1]), Downmix(block.shape[1])
    np.testing.assert_allclose(one.mono(block), other.mono(block[:, ::-1]), atol=1e-6)


@pytest.mark.parametrize(
    ("correlation", "cancels"), [(1.0, False), (0.0, False), (-0.5, False), (-0.97, True), (-1, True)]
)
def test_only_channels_that_extinguish_each_other_count_as_cancelling(rng, correlation, cancels):
    common, own = rng.standard_normal((2, 50_000)).astype(np.float32)
    other = correlation * common + np.sqrt(1 - correlation**2) * own
    downmix = Downmix(2)
    downmix.mono(np.stack([common, 1.1 * other], axis=1).astype(np.float32))
    assert downmix.louder_if_cancelled() == (1 if cancels else None)


def test_of_channels_that_cancel_each_other_the_one_is_taken_that_says_most_in_all(rng):
    voice, alone = rng.standard_normal((2, 50_000)).astype(np.float32)
    downmix = Downmix(2)
    downmix.mono(np.stack([voice, -1.03 * voice], axis=1))
    downmix.mono(np.stack([0.3 * alone, 0 * alone], axis=1))
    assert downmix.louder_if_cancelled() == 0


def test_silent_channels_do_not_count_as_cancelling():
    downmix = Downmix(2)
    downmix.mono(np.zeros((100, 2), dtype=np.float32))
    assert downmix.louder_if_cancelled() is None


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_resampling_in_blocks_equals_resampling_at_once(rng, rate_hz):
    samples = rng.standard_normal(20_000).astype(np.float32)
    whole, blockwise = Resampler(rate_hz), Resampler(rate_hz)
    expected = np.concatenate([whole.push(samples), whole.end()])
    parts = [blockwise.push(part) for part in np.split(samples, [1, 7, 1000, 1001, 19_999])]
    np.testing.assert_allclose(np.concatenate([*parts, blockwise.end()]), expected, atol=1e-6)
    assert len(expected) == round(20_000 * 16_000 / rate_hz)


@given(_MONO, st.integers(0, 500))
def test_loudness_does_not_depend_on_the_blocks(samples, cut):
    whole, parted = Loudness(), Loudness()
    whole.add(samples)
    for part in (samples[:cut], samples[cut:]):
        parted.add(part)
    assert (parted.n_samples, parted.peak) == (whole.n_samples, whole.peak) == (len(samples), np.abs(samples).max())
    assert parted.rms_db == pytest.approx(whole.rms_db, abs=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (99, 1)])
def test_one_sample_that_is_no_number_is_found(value, place):
    block = np.zeros((100, 2), dtype=np.float32)
    block[place] = value
    with pytest.raises(NonFiniteSamples):
        check_samples(block)


@pytest.mark.parametrize(("value", "refused"), [(1e3, False), (-1e3, False), (1001, True), (-1001, True)])
def test_a_thousand_times_full_scale_is_the_limit(value, refused):
    block = np.full((3, 1), value, dtype=np.float32)
    if refused:
        with pytest.raises(SamplesOutOfRange):
            check_samples(block)
    else:
        check_samples(block)
