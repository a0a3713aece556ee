import numpy as np

from services.embedder.encoders.spectral import SpectralEncoder


def buzz(rng, pitch_hz, n_samples=32_000):
    """A voice of sorts: pulses at a pitch, and breath."""
    pulses = np.zeros(n_samples)
    pulses[:: round(16_000 / pitch_hz)] = 1
    return (pulses + rng.normal(0, 0.02, n_samples)).astype(np.float32)


def test_two_takes_of_a_voice_are_closer_than_two_voices(rng):
    low, low_again, high = SpectralEncoder().embed([buzz(rng, 100), buzz(rng, 100), buzz(rng, 900)])
    assert low @ low_again > low @ high


def test_loudness_is_not_part_of_the_voice(rng):
    clip = buzz(rng, 100)
    loud, quiet = SpectralEncoder().embed([clip, 0.1 * clip])
    assert loud @ quiet > 0.999


def test_a_clip_longer_than_a_block_gives_the_same_statistics(rng):
    second = rng.normal(0, 0.1, 16_000).astype(np.float32)
    short, long = SpectralEncoder().embed([np.tile(second, 8), np.tile(second, 80)])
    assert short @ long > 0.9999


def test_a_clip_without_any_shape_still_has_a_direction():
    impulse = np.zeros(512, np.float32)
    impulse[256] = 1  # one frame, flat in frequency: nothing to average, nothing that varies
    (vector,) = SpectralEncoder().embed([impulse])
    assert np.isclose(np.linalg.norm(vector), 1)
