"""Whether a network on a CPU computes in bfloat16: tried once, when it is loaded, against single precision."""

from collections.abc import Sequence
from time import process_time
from typing import Final, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float32

from services.embedder.families.runtime_torch import Runtime
from shared.encoders.families import Card, Input, Model, Output, Pooled
from shared.units import samples

LEAST_COSINE: Final = 0.999
"""Between a vector in bfloat16 and the same in single precision, of every layer.

Cosines between two clips then move by about 0.01 at most (measured: 0.0035 at 0.99987; they move with the root of
what is missing from 1), where names are given to what is 0.05 away (`Card.assign_threshold`).
"""

LEAST_GAIN: Final = 1.25
"""Times as fast. Less is not worth other numbers, and no two workers should decide differently by chance."""

_DURATION_S: Final = 2.0
_N_TEXTS: Final = 8
_N_TIMED: Final = 2
_TEXT: Final = "Whoever sat by the window said that rain was coming, and that nobody would mind. " * 2


@runtime_checkable  # beartype asks, in the test run
class Open(Model, Protocol):
    """A model whose number type may still be chosen."""

    runtime: Runtime


Kind = TypeVar("Kind", bound=Open)


def settled(model: Kind, card: Card) -> Kind:
    """The model, in bfloat16 from here on if that was left open, is faithful in every layer, and pays."""
    runtime = model.runtime
    if not runtime.is_open:
        return model
    inputs, outputs = _trial(card)
    exact, exact_s = _timed(model, inputs, outputs)
    restore = runtime.reduce()
    try:
        reduced, reduced_s = _timed(model, inputs, outputs)
        taken = pays(_least_cosine(exact, reduced), exact_s / reduced_s)
    except RuntimeError:  # of torch: one of the model's operations knows no bfloat16
        taken = False
    if not taken:
        restore()
    runtime.is_open = False
    return model


def pays(least_cosine: float, gain: float) -> bool:
    """Whether bfloat16 is taken, given its vectors' least cosine to single precision's and how much faster it is."""
    return least_cosine >= LEAST_COSINE and gain >= LEAST_GAIN


def _trial(card: Card) -> tuple[list[Input], list[Output]]:
    """Noise as loud as speech, which moves networks by as much as speech does; the mean of every layer."""
    rng = np.random.default_rng(0)
    window = card.windows[-1] if card.windows else None  # the trimmed one is the quicker
    outputs = [Output(layer, "mean", window) for layer in card.layers]
    if card.modality == "text":
        return [_TEXT] * _N_TEXTS, outputs
    n_samples = samples(_DURATION_S, card.sample_rate_hz)
    return [rng.normal(0, 0.1, n_samples).astype(np.float32)], outputs


def _timed(model: Model, inputs: Sequence[Input], outputs: Sequence[Output]) -> tuple[list[Pooled], float]:
    """What it makes, which warms it up, and how much of the processor it takes then, whoever else is busy there."""
    made = model.embed(inputs, outputs)
    took_s = []
    for _ in range(_N_TIMED):
        began_s = process_time()
        model.embed(inputs, outputs)
        took_s.append(process_time() - began_s)
    return made, min(took_s)


def _least_cosine(exact: Sequence[Pooled], reduced: Sequence[Pooled]) -> float:
    """NaN, which is no reason to take anything, where a network answers noise with nothing."""
    return float(np.min([_cosines(a.vectors, b.vectors).min() for a, b in zip(exact, reduced, strict=True)]))


def _cosines(
    left: Float32[np.ndarray, "inputs dim"], right: Float32[np.ndarray, "inputs dim"]
) -> Float32[np.ndarray, " inputs"]:
    with np.errstate(invalid="ignore"):
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        return np.asarray((left * right).sum(axis=1) / lengths)
