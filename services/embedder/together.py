"""Embed inputs by several encoders at once: those that are layers of one model share its pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from jaxtyping import Float, Float32

from services.embedder.batching import pack
from services.embedder.layered import LayerEncoder
from shared import metrics
from shared.encoders.clips import Unusable, why_unusable
from shared.encoders.families import Input, Model, Pooled
from shared.encoders.protocol import Encoder
from shared.vectors import ZeroVector, unit


@dataclass(frozen=True, slots=True)
class Row:
    """A unit vector of one input, and its frames where the encoder keeps them."""

    vector: Float32[np.ndarray, " dim"]
    frames: Float[np.ndarray, "frames frame_dim"] | None = None


Result = Row | Unusable


def embed_inputs(
    encoders: Mapping[str, Encoder], inputs: Sequence[Input], batch_audio_s: float
) -> dict[str, list[Result]]:
    """For each encoder, in the order of the inputs, a row or the reason why there is none.

    The encoders want inputs of one kind and rate. An unusable input costs nobody else's row. Raises what encoders
    raise, which then concerns the whole batch.
    """
    reasons = [why_unusable(one) if isinstance(one, np.ndarray) else _why_unreadable(one) for one in inputs]
    usable = [i for i, reason in enumerate(reasons) if reason is None]
    found: dict[str, list[Result | None]] = {name: list(reasons) for name in encoders}
    rate_hz = next(iter(encoders.values())).spec.sample_rate_hz
    sizes = [len(inputs[i]) for i in usable]
    for batch in pack(sizes, max(1, round(batch_audio_s * (rate_hz or _CHARACTERS_PER_S)))):
        positions = [usable[i] for i in batch]
        began_s = monotonic()
        passes = _passes(encoders, [inputs[i] for i in positions])
        audio_s = sum(sizes[i] for i in batch) / rate_hz if rate_hz else 0.0
        _measure(len(positions), audio_s, len(passes), monotonic() - began_s)
        for names, rows in passes:
            for name, results in zip(names, rows, strict=True):
                for position, result in zip(positions, results, strict=True):
                    found[name][position] = result
    return {name: [result for result in results if result is not None] for name, results in found.items()}


def _measure(n_inputs: int, audio_s: float, n_passes: int, took_s: float) -> None:
    metrics.observe("earmark_model_batch_inputs", n_inputs)
    metrics.observe("earmark_model_batch_audio_seconds", audio_s)
    metrics.observe("earmark_model_seconds", took_s)
    metrics.count("earmark_embedded_audio_seconds_total", audio_s * n_passes)


_CHARACTERS_PER_S = 15  # of speech: a batch of texts is about what is said in a batch of audio


def _passes(encoders: Mapping[str, Encoder], inputs: Sequence[Input]) -> list[tuple[list[str], list[list[Result]]]]:
    """Names of encoders that shared a pass, and what each made of the inputs."""
    of_models: dict[int, tuple[Model, list[tuple[str, LayerEncoder]]]] = {}
    found: list[tuple[list[str], list[list[Result]]]] = []
    for name, encoder in encoders.items():
        if isinstance(encoder, LayerEncoder):
            of_models.setdefault(id(encoder.model), (encoder.model, []))[1].append((name, encoder))
        else:
            found.append(([name], [[Row(row) for row in encoder.embed(inputs)]]))  # type: ignore[arg-type]  # clips
    for model, layers in of_models.values():
        pooled = model.embed(inputs, [layer.output for _, layer in layers])
        found.append(([name for name, _ in layers], [_rows(one) for one in pooled]))
    return found


def _rows(pooled: Pooled) -> list[Result]:
    frames = pooled.frames or [None] * len(pooled.vectors)
    return [_row(vector, kept) for vector, kept in zip(pooled.vectors, frames, strict=True)]


def _row(vector: Float32[np.ndarray, " dim"], frames: Float[np.ndarray, "frames dim"] | None) -> Result:
    try:
        return Row(unit(vector), frames)
    except ZeroVector:
        return "zero_vector"


def _why_unreadable(text: str) -> Unusable | None:
    return None if text.strip() else "no_text"
