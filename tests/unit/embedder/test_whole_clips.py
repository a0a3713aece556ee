"""How clips of many lengths go through a network that takes whole clips."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.encoders.passes_torch import DeviceOutOfMemory
from services.embedder.encoders.spectral import SPEC as SPECTRAL
from services.embedder.encoders.whole_clips import Network, WholeClipEncoder, repeated

DIMENSION = 3
SPEC = replace(SPECTRAL, name="plain", dimension=DIMENSION)


class Statistics:
    """Of each clip: NaN below 100 samples, an error below 10, out of memory above its room."""

    def __init__(self, room=10**9):
        self.room = room
        self.passes = []

    def __call__(self, clips):
        self.passes.append([len(clip) for clip in clips])
        if sum(self.passes[-1]) > self.room:
            raise torch.OutOfMemoryError
        if min(self.passes[-1]) < 10:
            raise RuntimeError("kernel size cannot be greater than input size")
        return torch.stack([self._row(clip) for clip in clips])

    def _row(self, clip):
        row = torch.stack([clip.mean(), clip.std(), clip[0]]) + 0.01
        return row if len(clip) >= 100 else torch.full_like(row, torch.nan)


def encoder(network, samples_per_pass=1_000, *, mixes_lengths=False):
    made = WholeClipEncoder(SPEC, Network(network, mixes_lengths), samples_per_pass)
    network.passes.clear()
    return made


def noise(rng, n_samples):
    return rng.normal(0, 0.1, n_samples).astype(np.float32)


def test_the_shortest_clip_of_which_a_network_makes_numbers_is_found():
    assert encoder(Statistics()).min_samples == 100


@pytest.mark.parametrize("n_samples", [1, 9, 99])
def test_shorter_clips_are_repeated(rng, n_samples):
    network = Statistics()
    rows = encoder(network).embed([noise(rng, n_samples)])
    assert network.passes == [[100]]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_a_repeated_clip_begins_and_goes_on_as_the_clip():
    np.testing.assert_array_equal(repeated(np.arange(3, dtype=np.float32), 7), [0, 1, 2, 0, 1, 2, 0])


def test_only_clips_of_one_length_share_a_pass(rng):
    network = Statistics()
    encoder(network).embed([noise(rng, n) for n in (200, 300, 200, 301, 200)])
    assert network.passes == [[301], [300], [200, 200, 200]]


def test_where_a_network_can_tell_them_apart_neighbours_in_length_share_a_pass(rng):
    network = Statistics()
    encoder(network, mixes_lengths=True).embed([noise(rng, n) for n in (200, 300, 200, 301, 200)])
    assert network.passes == [[301, 300, 200], [200, 200]]


def test_passes_hold_so_much_audio_or_one_clip(rng):
    network = Statistics()
    encoder(network).embed([noise(rng, n) for n in (400, 400, 400, 2_000)])
    assert network.passes == [[2_000], [400, 400], [400]]


def test_rows_come_in_the_order_of_the_clips(rng):
    clips = [noise(rng, int(n)) for n in rng.integers(100, 110, 40)]
    alone = np.concatenate([encoder(Statistics()).embed([clip]) for clip in clips])
    np.testing.assert_allclose(encoder(Statistics()).embed(clips), alone, atol=1e-6)


def test_passes_are_halved_when_memory_runs_out_and_stay_so(rng):
    network = Statistics()
    small = encoder(network, samples_per_pass=8_000)
    network.room = 3_000
    clips = [noise(rng, 1_000) for _ in range(8)]
    rows = small.embed(clips)
    assert [len(sizes) for sizes in network.passes] == [8, 4, 4, 2, 2, 2, 2]
    small.embed(clips[:2])
    assert network.passes[-1] == [1_000, 1_000]
    np.testing.assert_allclose(rows, encoder(Statistics()).embed(clips), atol=1e-6)


def test_a_device_without_room_for_one_clip_is_worth_another_try(rng):
    network = Statistics()
    small = encoder(network)
    network.room = 0
    with pytest.raises(DeviceOutOfMemory):
        small.embed([noise(rng, 1_000)])


def test_a_network_of_another_dimension_than_announced_is_refused():
    with pytest.raises(UnreadableCheckpoint, match="3 numbers, not 4"):
        WholeClipEncoder(replace(SPEC, dimension=4), Network(Statistics(), mixes_lengths=True), 1_000)
