"""Models of published sizes on a GPU, with random weights: how fast they are, and that they have the CPU's vectors."""

import shutil

import numpy as np
import pytest

from services.embedder.encoders import ecapa
from services.embedder.families import roberta, wav2vec2, whisper
from services.embedder.families.fidelity_torch import LEAST_COSINE
from shared.checkpoints import LocalCheckpoint
from shared.encoders.families import Output
from shared.encoders.protocol import EncoderOptions
from tests.support import checkpoints, gpu_checks, tiny_audio, tiny_texts, tiny_whisper, torchaudio_stub

pytestmark = pytest.mark.gpu

LARGE = {"n_blocks": 32, "width": 1280, "n_mels": 128}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
CONVOLUTIONS = {"conv_dim": (512,) * 7, "num_conv_pos_embeddings": 128, "num_conv_pos_embedding_groups": 16}
TRIMMED, PADDED = (Output("encoder", "mean", window) for window in ("trimmed", "padded"))
MEAN = Output("encoder", "mean")
CPU = EncoderOptions(device="cpu", cpu_threads=4, dtype="float32")
EXACT, REDUCED = (EncoderOptions(device="cuda", dtype=dtype) for dtype in ("float32", "bfloat16"))


@pytest.fixture(scope="module", autouse=True)
def _torchaudio():
    torchaudio_stub.install()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A function that saves weights in a folder, which is gone at the end of the module: some are gigabytes."""
    root = tmp_path_factory.mktemp("weights")
    yield lambda make, name, **sizes: LocalCheckpoint(make(root / name, **sizes))
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def large(weights):
    return weights(tiny_whisper.untrained_folder, "whisper", **LARGE)


@pytest.fixture(scope="module")
def reduced(large):
    return whisper.family.load(large, REDUCED)


@pytest.fixture(scope="module")
def ecapa_weights(weights):
    pytest.importorskip("speechbrain", reason="earmark[ecapa] is not installed")
    return weights(checkpoints.ecapa, "ecapa", width=1024, attention=128, dimension=192)


@pytest.fixture(scope="module")
def on_gpu(ecapa_weights):
    return ecapa.plugin_of(str(ecapa_weights.path)).build(EncoderOptions(device="cuda"))


@pytest.fixture(scope="module")
def base(weights):
    return weights(tiny_audio.wav2vec2, "wav2vec2", **BASE, **CONVOLUTIONS)


def noise(n_clips, shortest_s=1.0, longest_s=10.0):
    rng = np.random.default_rng(3)
    lengths = (rng.uniform(shortest_s, longest_s, n_clips) * 16_000).astype(int)
    return [rng.normal(0, 10 ** rng.uniform(-2, -0.5), n).astype(np.float32) for n in lengths]


@pytest.fixture
def say(capsys):
    def say(line):
        with capsys.disabled():
            print(f"\n  {line}", end="")  # noqa: T201

    return say


class TestWhisperOfLargeSize:
    def test_the_gpu_agrees_with_the_cpu(self, large, say):
        clips = noise(2, longest_s=2.0)
        found, expected = (gpu_checks.of(whisper.family.load(large, one), TRIMMED)(clips) for one in (EXACT, CPU))
        say(f"whisper large, float32: at most {np.abs(found - expected).max():.1e} from the CPU")
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_bfloat16_is_faithful(self, large, reduced, say):
        exact = gpu_checks.of(whisper.family.load(large, EXACT), TRIMMED)
        cosine, centred = gpu_checks.fidelity(exact, gpu_checks.of(reduced, TRIMMED), noise(32))
        say(f"whisper large, bfloat16 against float32: cosine {cosine:.6f}, {centred:.5f} less the mean")
        assert cosine >= LEAST_COSINE
        assert centred >= 0.99  # 0.9994 on a CPU, of 32 blocks of 256

    def test_buckets_are_faster_than_one_at_a_time(self, reduced, say):
        gain = gpu_checks.batching_gain(gpu_checks.of(reduced, TRIMMED), noise(48), "bfloat16")
        say(f"whisper large, 48 clips of 1 to 10 s: buckets {gain:.1f} times as fast as one at a time")
        assert gain > 1.5

    def test_windows_a_second(self, reduced, say):
        flops = gpu_checks.whisper_flops(1500, **LARGE)
        say(f"whisper large, 30 s: {gpu_checks.rate(gpu_checks.of(reduced, PADDED), noise(40), flops, 'bfloat16')}")

    def test_memory_that_runs_out_halves_passes(self, reduced, say):
        clips = noise(16, 9.0, 10.0)
        before = reduced._passes.budget
        gpu_checks.assert_halves(
            reduced, clips, PADDED, lambda: gpu_checks.crowded_gpu(lambda: reduced.embed(clips, [PADDED]))
        )
        say(
            f"whisper large, memory short: {before / 16_000:.0f} s a pass, then {reduced._passes.budget / 16_000:.0f} s"
        )


class TestEcapaOfItsSize:
    def test_the_gpu_agrees_with_the_cpu(self, on_gpu, ecapa_weights, say):
        clips = noise(6)
        expected = ecapa.plugin_of(str(ecapa_weights.path)).build(CPU).embed(clips)
        found = on_gpu.embed(clips)
        say(f"ecapa: at most {np.abs(found - expected).max():.1e} from the CPU")
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_batches_are_faster_than_one_at_a_time(self, on_gpu, say):
        gain = gpu_checks.batching_gain(on_gpu.embed, noise(64))
        say(f"ecapa, 64 clips of 1 to 10 s: batches {gain:.1f} times as fast as one at a time")
        assert gain > 1.5

    def test_clips_a_second(self, on_gpu, say):
        clips = noise(256, 3.0, 3.0)
        flops = gpu_checks.counted_flops(lambda: on_gpu.embed(clips[:1]))
        say(f"ecapa, 3 s: {gpu_checks.rate(on_gpu.embed, clips, flops, 'float32')}")


class TestOthersOfBaseSize:
    def test_wav2vec2_agrees_with_the_cpu(self, base, say):
        clips = noise(6)
        found, expected = (gpu_checks.of(wav2vec2.family.load(base, one), MEAN)(clips) for one in (EXACT, CPU))
        say(f"wav2vec2 base, float32: at most {np.abs(found - expected).max():.1e} from the CPU")
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_wav2vec2_halves_passes_where_memory_runs_out(self, base):
        model, clips = wav2vec2.family.load(base, REDUCED), noise(24, 9.0, 10.0)
        gpu_checks.assert_halves(model, clips, MEAN, lambda: gpu_checks.crowded_gpu(lambda: model.embed(clips, [MEAN])))

    def test_a_text_encoder_agrees_with_the_cpu(self, weights, say):
        folder = weights(tiny_texts.tiny_text_network, "roberta", max_tokens=512, **BASE, initializer_range=0.02)
        texts = ["Who said that?", "The choir sang on the bridge; rain fell. " * 8, "x"] * 4
        found, expected, rough = (
            gpu_checks.of(roberta.family.load(folder, one), MEAN)(texts) for one in (EXACT, CPU, REDUCED)
        )
        cosine = float((rough * expected).sum(1).min())
        say(f"roberta base: at most {np.abs(found - expected).max():.1e} from the CPU; bfloat16: cosine {cosine:.6f}")
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert cosine >= LEAST_COSINE
