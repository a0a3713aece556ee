"""GE2E on a GPU gives the vectors that it gives on a CPU."""

import time

import numpy as np
import pytest

from services.embedder.encoders.ge2e import SPEC
from services.embedder.encoders.ge2e_weights import MissingWeights, find_weights
from shared.encoders.protocol import EncoderOptions

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def state():
    """The real weights, or ones of the same shapes and about the same spread on a machine without the package."""
    import torch

    try:
        return torch.load(find_weights(), weights_only=True, map_location="cpu")["model_state"]
    except MissingWeights:
        torch.manual_seed(0)
        lstm, linear = torch.nn.LSTM(40, 256, 3), torch.nn.Linear(256, 256)
        named = {"lstm": lstm, "linear": linear}
        return {f"{name}.{key}": 2 * v for name, part in named.items() for key, v in part.state_dict().items()}


@pytest.fixture(scope="module")
def on_gpu(state):
    from services.embedder.encoders.ge2e_torch import assemble_ge2e

    return assemble_ge2e(SPEC, state, EncoderOptions(device="cuda"))


@pytest.fixture(scope="module")
def on_cpu(state):
    from services.embedder.encoders.ge2e_torch import assemble_ge2e

    return assemble_ge2e(SPEC, state, EncoderOptions(device="cpu", cpu_threads=4))


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(3)
    lengths = [1, 320, 16_000, 25_600, *rng.integers(8_000, 160_000, 60)]
    return [rng.normal(0, 10 ** rng.uniform(-3, -1), n).astype(np.float32) for n in lengths]


def test_gpu_and_cpu_agree(on_gpu, on_cpu, clips):
    np.testing.assert_allclose(on_gpu.embed(clips), on_cpu.embed(clips), atol=1e-4)


def test_auto_takes_the_gpu(state, clips):
    import torch

    from services.embedder.encoders.ge2e_torch import assemble_ge2e

    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    assemble_ge2e(SPEC, state, EncoderOptions(device="auto")).embed(clips[:3])
    assert torch.cuda.max_memory_allocated() > before


def test_a_crowded_gpu_gives_the_same_vectors(state, on_gpu, clips):
    import torch

    from services.embedder.encoders.ge2e_torch import assemble_ge2e

    cramped = assemble_ge2e(SPEC, state, EncoderOptions(device="cuda"))
    many = clips * 12  # several passes' worth
    roomy = on_gpu.embed(many)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        # room for a fraction of a full pass, whose gates alone take 0.66 MB a window and layer
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 400e6) / total)
        crowded = cramped.embed(many)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_allclose(crowded, roomy, atol=1e-5)


def test_batching_on_the_gpu_pays(on_gpu, clips, record_property):
    on_gpu.embed(clips)
    began_s = time.perf_counter()
    for clip in clips:
        on_gpu.embed([clip])
    one_by_one_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    on_gpu.embed(clips)
    ratio = one_by_one_s / (time.perf_counter() - began_s)
    record_property("batching_ratio", ratio)
    assert ratio > 3
