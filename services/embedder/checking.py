"""Does an encoder keep its promises on this machine, how fast is it, and how much memory does it take?"""

import resource
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

import numpy as np

from services.embedder.layered import LayerEncoder
from shared.encoders.families import Input
from shared.encoders.protocol import Encoder, EncoderSpec
from shared.errors import PermanentError
from shared.units import KIB, MIB, samples

_DURATIONS_S: Final = (0.4, 1.0, 1.0, 2.5, 5.0, 9.0)
_SENTENCE: Final = "Whoever sat by the window said that rain was coming, and that nobody would mind. "
_CHARACTERS: Final = (1, 12, 40, 40, 160, 4_000)  # of texts; the longest is more than most networks take at a time
_TOLERANCE: Final = {"float32": 1e-4, "bfloat16": 5e-2}
"""How much a vector may depend on its batch mates, by the number type of the passes: eight bits are not many."""


def check_of(name: str, build: Callable[[], Encoder]) -> dict[str, Any]:
    """What `examine` finds, or why the encoder cannot be had: its code and reason."""
    try:
        return examine(build())
    except PermanentError as error:
        return {"encoder": name, "passed": False, "code": error.code, "reason": str(error)}


def examine(encoder: Encoder) -> dict[str, Any]:
    """Findings by name: promises as booleans, speed per second of this process's time, memory in MiB.

    Speed is seconds of audio, or characters of text, of a batch of several lengths.
    """
    spec = encoder.spec
    inputs, size = _inputs(spec)
    alone = np.concatenate([_embed(encoder, [one]) for one in inputs])  # which warms the model up, too
    began_s = perf_counter()
    together = _embed(encoder, inputs)
    took_s = perf_counter() - began_s
    shuffled = _embed(encoder, inputs[::-1])[::-1]
    made_with = encoder.model.made_with if isinstance(encoder, LayerEncoder) else {}
    tolerance = _TOLERANCE[made_with.get("dtype", "float32")]
    promises = {
        "dimension": together.shape == (len(inputs), spec.dimension),
        "unit_rows": bool(np.allclose(np.linalg.norm(together, axis=1), 1, atol=_TOLERANCE["float32"])),
        "batched_equals_single": bool(np.allclose(together, alone, atol=tolerance)),
        "order_equivariant": bool(np.allclose(together, shuffled, atol=tolerance)),
    }
    return {
        "encoder": spec.name,
        "space": spec.space,
        "dimension": spec.dimension,
        "promises": promises,
        "passed": all(promises.values()),
        "largest_difference": float(np.abs(together - alone).max()),
        "characters_per_s" if spec.modality == "text" else "audio_s_per_s": round(size / took_s, 1),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB / MIB),
        **({"model_mib": round(encoder.model.size_bytes / MIB, 1)} if isinstance(encoder, LayerEncoder) else {}),
        **made_with,
    }


def _inputs(spec: EncoderSpec) -> tuple[list[Input], float]:
    """Clips of noise, or texts, of several lengths; and how many seconds or characters they are together."""
    if spec.modality == "text":
        long = _SENTENCE * (max(_CHARACTERS) // len(_SENTENCE) + 1)
        return [long[:n] for n in _CHARACTERS], sum(_CHARACTERS)
    rng = np.random.default_rng(0)
    return [
        rng.normal(0, 0.1, samples(duration_s, spec.sample_rate_hz)).astype(np.float32) for duration_s in _DURATIONS_S
    ], sum(_DURATIONS_S)


def _embed(encoder: Encoder, inputs: Sequence[Input]) -> np.ndarray:
    return encoder.embed(inputs)  # type: ignore[arg-type]  # clips or texts, as its spec says
