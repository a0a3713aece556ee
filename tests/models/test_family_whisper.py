"""The family `whisper`: both libraries' loaders on untrained encoders, and tiny.en with its real weights."""

from functools import partial

import numpy as np
import pytest
import torch

from services.embedder.families.runtime_torch import runtime_of
from services.embedder.families.whisper import family, sizes_of
from services.embedder.families.whisper_parts_torch import load_parts
from services.embedder.families.whisper_torch import Whisper
from shared.checkpoints import LocalCheckpoint
from shared.encoders.families import POOLINGS, Output
from shared.encoders.protocol import EncoderOptions
from shared.vectors import unit_rows
from tests.support import checkpoints, tiny_audio, tiny_whisper

CPU = EncoderOptions(device="cpu", dtype="float32")
LENGTHS = (1, 1_600, 16_000, 47_123)
WINDOW = 480_000


@pytest.fixture(scope="module")
def folder(models):
    return tiny_whisper.untrained_folder(models / "whisper")


@pytest.fixture(scope="module")
def file(models):
    return checkpoints.whisper_untrained(models / "whisper.pt")


@pytest.fixture(scope="module")
def of_transformers(folder):
    return family.load(LocalCheckpoint(folder), CPU)


@pytest.fixture(scope="module")
def of_openai(file):
    return family.load(LocalCheckpoint(file), CPU)


@pytest.fixture(scope="module")
def model(of_transformers):
    return of_transformers


@pytest.fixture(scope="module")
def bucketed(folder):
    """Whose trimmed windows share a pass if they are of about one length, as on a GPU."""
    weights, runtime = LocalCheckpoint(folder), runtime_of(CPU)
    return Whisper(load_parts(weights, runtime), sizes_of(weights), runtime, bucket_frames=64)


@pytest.fixture(scope="module")
def speech(bridge):
    """Its samples."""
    return bridge.read(0, bridge.n_samples)


@pytest.fixture(scope="module")
def clips(speech):
    return [speech[20_000 : 20_000 + n] for n in LENGTHS]


@pytest.fixture(scope="module")
def transformers_states(folder):
    """All hidden states of a clip by transformers alone: (layers, 1500, dim)."""
    from transformers import WhisperFeatureExtractor, WhisperModel

    extractor, encoder = WhisperFeatureExtractor.from_pretrained(folder), WhisperModel.from_pretrained(folder).encoder

    def states(clip):
        features = extractor(clip, sampling_rate=16_000, return_tensors="pt")["input_features"]
        with torch.inference_mode():
            made = encoder.eval()(features, output_hidden_states=True)
        return [*(state[0].numpy() for state in made.hidden_states[:-1]), made.last_hidden_state[0].numpy()]

    return states


def frames_of(clip):
    return -(-clip.size // 320)


def of(model, clips, *outputs):
    return model.embed(clips, [Output(*output) for output in outputs])


def test_vectors_are_the_means_of_transformers_hidden_states(of_transformers, transformers_states, clips):
    layers = ("encoder.0", "encoder.1", "encoder")
    for layer, made in enumerate(of(of_transformers, clips, *((name, "mean", "padded") for name in layers))):
        expected = np.stack([transformers_states(clip)[layer][: frames_of(clip)].mean(0) for clip in clips])
        np.testing.assert_allclose(made.vectors, expected, atol=1e-4)


def test_kept_frames_are_the_1500_that_the_library_makes(of_transformers, transformers_states, clips):
    made = of(of_transformers, clips, ("encoder", "none", "padded"))[0]
    for frames, clip in zip(made.frames, clips, strict=True):
        np.testing.assert_allclose(frames, transformers_states(clip)[-1], atol=1e-4)
    np.testing.assert_array_equal(made.vectors, of(of_transformers, clips, ("encoder", "mean", "padded"))[0].vectors)


def test_a_file_of_openai_gives_what_its_library_gives(of_openai, file, clips):
    import whisper

    encoder = whisper.load_model(str(file), device="cpu").encoder.eval()
    made = of(of_openai, clips, ("encoder", "none", "padded"))[0]
    for clip, frames, vector in zip(clips, made.frames, made.vectors, strict=True):
        with torch.inference_mode():
            expected = encoder(whisper.log_mel_spectrogram(whisper.pad_or_trim(clip))[None])[0].numpy()
        np.testing.assert_allclose(frames, expected, atol=1e-4)
        np.testing.assert_allclose(vector, expected[: frames_of(clip)].mean(0), atol=1e-4)


def test_128_mels_as_the_large_ones_have_them(models, speech):
    from transformers import WhisperFeatureExtractor

    model = family.load(LocalCheckpoint(tiny_whisper.untrained_folder(models / "mels", n_mels=128)), CPU)
    expected = WhisperFeatureExtractor(128)(speech[:50_000], sampling_rate=16_000, return_tensors="np")
    np.testing.assert_allclose(
        model.mel.padded(model.mel.rows([speech[:50_000]])), expected["input_features"], atol=1e-5
    )


@pytest.mark.parametrize("n_samples", [1, 319, 320, 321, 47_123, WINDOW - 600, WINDOW - 321, WINDOW - 1, WINDOW])
def test_the_trimmed_spectrogram_is_the_padded_ones_beginning(model, speech, n_samples):
    clip = speech[:n_samples].copy()
    clip[-200:] *= 30  # the loudest is at the end, where a frame behind the clip may see it
    rows = model.mel.rows([clip])
    trimmed, padded = model.mel.trimmed(rows), model.mel.padded(rows)
    assert padded.shape[2] == 3_000
    assert trimmed.shape[2] == min(2 * frames_of(clip) + 3, 3_000)
    np.testing.assert_allclose(trimmed, padded[:, :, : trimmed.shape[2]], atol=1e-6)


def test_windows_are_the_same_until_attention_misses_the_silence(model, clips):
    for layer, alike in (("conv", True), ("encoder.0", True), ("encoder.1", False)):
        padded, trimmed = of(model, clips, (layer, "none", "padded"), (layer, "none", "trimmed"))
        assert [len(frames) for frames in trimmed.frames] == [frames_of(clip) for clip in clips]
        gaps = [float(np.abs(p[: len(t)] - t).max()) for p, t in zip(padded.frames, trimmed.frames, strict=True)]
        assert all((gap < 1e-5) is alike for gap in gaps), gaps


def test_a_clip_that_fills_the_window_has_the_same_vector_trimmed(model, speech):
    padded, trimmed = of(model, [speech[:WINDOW]], ("encoder", "stats", "padded"), ("encoder", "stats", "trimmed"))
    np.testing.assert_allclose(trimmed.vectors, padded.vectors, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("of_transformers", "padded"),
        ("of_transformers", "trimmed"),
        ("of_openai", "padded"),
        ("of_openai", "trimmed"),
        ("bucketed", "trimmed"),
    ],
)
def test_a_row_is_the_same_alone_in_a_batch_and_in_another_order(name, window, request, speech, rng):
    model = request.getfixturevalue(name)
    clips = [speech[30_000 : 30_000 + n] for n in (1, 1_600, 16_000, 16_000, 16_321, 17_000, 20_479, 48_000)]
    outputs = [("encoder", pooling, window) for pooling in POOLINGS]
    order = rng.permutation(len(clips))
    together, shuffled = of(model, clips, *outputs), of(model, [clips[i] for i in order], *outputs)
    for row, clip in enumerate(clips):
        for alone, beside in zip(of(model, [clip], *outputs), together, strict=True):
            np.testing.assert_allclose(beside.vectors[row], alone.vectors[0], atol=1e-4)
    for one, other in zip(together, shuffled, strict=True):
        np.testing.assert_allclose(other.vectors, one.vectors[order], atol=1e-4)


@pytest.mark.parametrize("window", ["padded", "trimmed"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_clips_over_30_s_are_pooled_over_the_frames_of_all_their_windows(model, speech, window, pooling):
    clip = speech[: WINDOW + 100_100]
    parts = of(model, [clip[:WINDOW], clip[WINDOW:]], ("encoder.1", "none", window))[0].frames
    valid = np.concatenate([parts[0], parts[1][: frames_of(clip[WINDOW:])]])
    expected = tiny_audio.pooled_by_numpy(valid, pooling)
    made = of(model, [speech[:9_000], clip], ("encoder.1", pooling, window))[0]
    np.testing.assert_allclose(made.vectors[1], expected, atol=1e-4)
    if pooling == "none":
        np.testing.assert_allclose(made.frames[1], np.concatenate(parts), atol=1e-4)


@pytest.fixture
def calls(model):
    """Which parts ran, in order."""
    ran = []
    parts = {"conv": model.parts.stem[0], **{f"encoder.{n}": b for n, b in enumerate(model.parts.blocks, 1)}}
    handles = [part.register_forward_hook(partial(_note, ran, name)) for name, part in parts.items()]
    yield ran
    for handle in handles:
        handle.remove()


def _note(ran, name, *_):
    ran.append(name)


def test_one_pass_serves_every_output(model, calls, clips):
    outputs = [(layer, pooling, "trimmed") for layer in ("conv", "encoder.1", "encoder") for pooling in POOLINGS]
    of(model, clips[2:3], *outputs)
    assert calls == ["conv", "encoder.1", "encoder.2"]


def test_what_is_deeper_than_the_layers_asked_for_is_not_computed(model, calls, clips):
    of(model, clips[2:3], ("encoder.1", "mean", "padded"), ("conv", "mean", "padded"))
    assert calls == ["conv", "encoder.1"]


@pytest.mark.parametrize("window", ["padded", "trimmed"])
def test_many_passes_need_no_more_memory_than_one(model, speech, window, capsys):
    tiny_audio.check_memory(model, speech[:48_000], Output("encoder", "mean", window), capsys)


@pytest.fixture(scope="module")
def tiny_en(models):
    return family.load(LocalCheckpoint(checkpoints.whisper_tiny_en(models / "family_tiny.en.pt")), CPU)


def test_real_weights_on_real_speech_as_ctranslate2_has_them(tiny_en, speech):
    import ctranslate2

    clip = speech[:80_000]
    peer = ctranslate2.models.Whisper(str(checkpoints.ct2_tiny_en()), device="cpu", compute_type="float32")
    mels = np.ascontiguousarray(tiny_en.mel.padded(tiny_en.mel.rows([clip])).numpy())
    expected = np.array(peer.encode(ctranslate2.StorageView.from_array(mels)))[0]
    found = of(tiny_en, [clip], ("encoder", "none", "padded"))[0].frames[0]
    assert (unit_rows(found) * unit_rows(expected)).sum(1).min() > 0.9999


def test_both_libraries_forms_of_the_same_weights_have_the_same_vectors(tiny_en, models, speech):
    other = family.load(LocalCheckpoint(tiny_whisper.tiny_en_folder(models / "tiny.en")), CPU)
    clips = [speech[:30_000], speech[30_000:50_000]]
    outputs = [("conv", "stats", "trimmed"), ("encoder", "mean", "trimmed")]
    for one, two in zip(of(tiny_en, clips, *outputs), of(other, clips, *outputs), strict=True):
        np.testing.assert_allclose(two.vectors, one.vectors, atol=1e-4)
