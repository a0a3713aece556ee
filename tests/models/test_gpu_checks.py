"""What `make gpu` calls on a GPU with models of published sizes, here on a CPU with tiny ones."""

import numpy as np
import pytest

from services.embedder.encoders import ecapa
from services.embedder.families import wav2vec2, whisper
from shared.checkpoints import LocalCheckpoint
from shared.encoders.families import Output
from shared.encoders.protocol import EncoderOptions
from tests.support import gpu_checks, tiny_audio, tiny_whisper

EXACT, REDUCED = (EncoderOptions(device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
SIZES = {"n_blocks": 3, "width": 64, "n_mels": 80}
TRIMMED, PADDED = (Output("encoder", "mean", window) for window in ("trimmed", "padded"))


@pytest.fixture(scope="module")
def small(models):
    return LocalCheckpoint(tiny_whisper.untrained_folder(models / "gpu-checks-whisper", **SIZES))


@pytest.fixture(scope="module")
def exact(small):
    return whisper.family.load(small, EXACT)


@pytest.fixture
def clips(rng):
    return [rng.normal(0, 0.1, n).astype(np.float32) for n in (8_000, 8_000, 9_000, 16_000)]


@pytest.mark.parametrize(
    ("name", "dtype", "tflops"),
    [
        ("NVIDIA H200", "bfloat16", 989),
        ("NVIDIA H100 80GB HBM3", "float32", 67),
        ("NVIDIA A100-SXM4-40GB", "bfloat16", 312),
        ("NVIDIA L4", "bfloat16", 121),
    ],
)
def test_chips_are_known_by_their_names(name, dtype, tflops):
    assert gpu_checks.peak_flops(name, dtype) == tflops * 1e12


@pytest.mark.parametrize("name", ["NVIDIA L40S", "NVIDIA GeForce RTX 4090", "cpu"])
def test_other_chips_have_no_limit_here(name):
    assert gpu_checks.peak_flops(name, "bfloat16") is None


def test_operations_counted_from_the_sizes_are_those_that_run(exact, clips):
    counted = gpu_checks.counted_flops(lambda: exact.embed(clips[:1], [PADDED]))
    attention = 4 * 1500**2 * 64 * 3
    mel = 2 * 80 * 201 * 53  # what a clip of 0.5 s fills of the window, and three frames
    mean = 2 * 1500 * 64
    assert counted + attention - mel - mean == gpu_checks.whisper_flops(1500, **SIZES)


def test_whisper_of_large_size_makes_two_tflop_of_a_window():
    assert gpu_checks.whisper_flops(1500, n_blocks=32, width=1280, n_mels=128) == pytest.approx(2.27e12, rel=0.01)


def test_clips_together_are_compared_with_one_at_a_time(exact, clips):
    assert gpu_checks.batching_gain(gpu_checks.of(exact, TRIMMED), clips) > 0


def test_clips_whose_rows_differ_in_company_are_found(clips):
    def feels_company(inputs):
        return np.eye(4, dtype=np.float32)[: len(inputs)]

    with pytest.raises(AssertionError):
        gpu_checks.batching_gain(feels_company, clips)


def test_bfloat16_is_compared_with_single_precision(small, exact, clips):
    reduced = whisper.family.load(small, REDUCED)
    cosine, centred = gpu_checks.fidelity(gpu_checks.of(exact, TRIMMED), gpu_checks.of(reduced, TRIMMED), clips)
    assert 0.999 < cosine < 1
    assert 0.9 < centred < cosine


def test_a_rate_is_a_line_with_a_part_of_the_limit_where_that_is_known(exact, clips, monkeypatch):
    embed = gpu_checks.of(exact, TRIMMED)
    assert "limit is not known" in gpu_checks.rate(embed, clips, 10**9, "float32")
    monkeypatch.setattr(gpu_checks, "peak_flops", lambda *_: 67e12)
    assert "of the 67000/s that 67 TFLOP/s allow" in gpu_checks.rate(embed, clips, 10**9, "float32")


def test_memory_that_runs_out_halves_passes_of_whisper(small, clips):
    model = whisper.family.load(small, EXACT)
    model._passes.budget = 4 * 480_000
    gpu_checks.assert_halves(model, clips, PADDED, lambda: gpu_checks.crowded_cpu(model.parts.stem[0], most_rows=2))
    assert model._passes.budget == 2 * 480_000


def test_memory_that_runs_out_halves_passes_of_wav2vec2(models, clips):
    folder = LocalCheckpoint(tiny_audio.wav2vec2(models / "gpu-checks-wav2vec2"))
    model = wav2vec2.family.load(folder, EXACT)
    gpu_checks.assert_halves(
        model, clips, Output("encoder", "mean"), lambda: gpu_checks.crowded_cpu(model._network, most_rows=1)
    )


def test_operations_of_ecapa_are_counted_as_they_run(ecapa_folder, rng):
    encoder = ecapa.plugin_of(str(ecapa_folder)).build(EXACT)
    one, two = (rng.normal(0, 0.1, n).astype(np.float32) for n in (16_000, 32_000))
    short, long = (gpu_checks.counted_flops(lambda clip=clip: encoder.embed([clip])) for clip in (one, two))
    assert long / short == pytest.approx(2, rel=0.05)
