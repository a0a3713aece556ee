"""What is checked of models on a GPU, as functions of a device and of models of any size: a CPU with tiny ones will do.

`tests/gpu` calls them on CUDA with models of published sizes, `tests/models/test_gpu_checks.py` here with tiny ones.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Final

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from shared.encoders.families import Model, Output
from shared.vectors import unit_rows

Embed = Callable[[Sequence], np.ndarray]
"""Inputs to rows."""

TOLERANCE: Final = {"float32": 1e-4, "bfloat16": 2e-2}
"""How much numbers of a unit row may depend on company."""

# Dense, of the SXM boards, from NVIDIA's data sheets, in TFLOP/s; boards for PCIe reach less. Ours keep TF32 off.
_PEAK_TFLOPS: Final = {
    "H200": {"bfloat16": 989, "float32": 67},
    "H100": {"bfloat16": 989, "float32": 67},
    "A100": {"bfloat16": 312, "float32": 19.5},
    "L4": {"bfloat16": 121, "float32": 30.3},
}


def peak_flops(device_name: str, dtype: str) -> float | None:
    """The most floating-point operations a second that the chip is sold with; None for chips not known here."""
    for chip, peaks in _PEAK_TFLOPS.items():
        if re.search(rf"\b{chip}\b", device_name):
            return peaks[dtype] * 1e12
    return None


def whisper_flops(n_frames: int, width: int, n_blocks: int, n_mels: int) -> int:
    """Of a window of so many frames of 20 ms: two convolutions of three taps, and blocks with products of 12 width².

    A multiplication and an addition are two operations; attention sees every frame from every other one.
    """
    stem = 2 * 3 * (n_mels * width * 2 * n_frames + width * width * n_frames)
    block = 2 * 12 * width * width * n_frames + 2 * 2 * n_frames * n_frames * width
    return stem + n_blocks * block


def counted_flops(work: Callable[[], object]) -> int:
    """Of the products and convolutions that run; torch's counter misses attention on a CPU."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def seconds(work: Callable[[], object], n_runs: int = 2) -> float:
    """Of the best run, after one that warms up. What is embedded is on the host at the end, so nothing is pending."""
    took_s = []
    for _ in range(n_runs + 1):
        began_s = perf_counter()
        work()
        took_s.append(perf_counter() - began_s)
    return min(took_s[1:])


def of(model: Model, output: Output) -> Embed:
    """Unit rows of one output."""
    return lambda inputs: unit_rows(model.embed(inputs, [output])[0].vectors)


def batching_gain(embed: Embed, inputs: Sequence, dtype: str = "float32") -> float:
    """How much faster all inputs together are than one after the other; their rows are the same."""
    alone = np.concatenate([embed([one]) for one in inputs])
    np.testing.assert_allclose(embed(inputs), alone, atol=TOLERANCE[dtype])
    return seconds(lambda: [embed([one]) for one in inputs]) / seconds(lambda: embed(inputs))


def fidelity(exact: Embed, reduced: Embed, inputs: Sequence) -> tuple[float, float]:
    """The least cosine between rows of the same input in two number types; and the same less the inputs' mean.

    Vectors of untrained networks are much alike, so the second one says whether what tells inputs apart is kept.
    """
    left, right = exact(inputs), reduced(inputs)
    mean = left.mean(axis=0)
    return _least_cosine(left, right), _least_cosine(left - mean, right - mean)


def _least_cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float((unit_rows(left) * unit_rows(right)).sum(axis=1).min())


def rate(embed: Embed, inputs: Sequence, flops_each: int, dtype: str) -> str:
    """A line: how many inputs a second, and which part of what the chip's arithmetic would allow."""
    per_s = len(inputs) / seconds(lambda: embed(inputs))
    name = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    line = f"{per_s:.1f}/s of {flops_each / 1e9:.3g} GFLOP each in {dtype} on {name}"
    peak = peak_flops(name, dtype)
    if peak is None:
        return f"{line}, whose limit is not known here"
    return (
        f"{line}: {per_s * flops_each / peak:.1%} of the {peak / flops_each:.0f}/s that {peak / 1e12:g} TFLOP/s allow"
    )


def assert_halves(
    model: Model, inputs: Sequence, output: Output, crowded: Callable[[], AbstractContextManager]
) -> None:
    """Where memory is short, passes become narrower, vectors stay, and nothing is raised that would cost an attempt."""
    embed, before = of(model, output), model._passes.budget
    roomy = embed(inputs)
    with crowded():
        narrow = embed(inputs)
    assert 0 < model._passes.budget < before
    np.testing.assert_allclose(narrow, roomy, atol=TOLERANCE[model.made_with["dtype"]])


@contextmanager
def crowded_gpu(work: Callable[[], object]) -> Iterator[None]:
    """Half as much memory for this process as the work takes beyond what is allocated now."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_reserved()
    work()
    peak = torch.cuda.max_memory_reserved()
    torch.cuda.empty_cache()
    try:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((held + (peak - held) / 2) / total)
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@contextmanager
def crowded_cpu(module: torch.nn.Module, most_rows: int) -> Iterator[None]:
    """As if memory ran out where more than so many rows reach a module."""

    def refuse(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > most_rows:
            raise torch.OutOfMemoryError

    handle = module.register_forward_pre_hook(refuse)
    try:
        yield
    finally:
        handle.remove()
