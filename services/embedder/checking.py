"""Does an encoder keep its promises on this machine, and how fast is it?"""

import resource
from time import perf_counter
from typing import Any

import numpy as np

from shared.encoders.protocol import Encoder
from shared.units import KIB, MIB, samples

_DURATIONS_S = (0.4, 1.0, 1.0, 2.5, 5.0, 9.0)
_TOLERANCE = 1e-4


def examine(encoder: Encoder) -> dict[str, Any]:
    """Findings by name: promises as booleans, speed as seconds of audio per second, memory in MiB."""
    rng = np.random.default_rng(0)
    rate_hz = encoder.spec.sample_rate_hz
    clips = [rng.normal(0, 0.1, samples(d, rate_hz)).astype(np.float32) for d in _DURATIONS_S]
    together = encoder.embed(clips)
    began_s = perf_counter()
    alone = np.concatenate([encoder.embed([clip]) for clip in clips])
    took_s = perf_counter() - began_s
    shuffled = encoder.embed(clips[::-1])[::-1]
    promises = {
        "dimension": together.shape == (len(clips), encoder.spec.dimension),
        "unit_rows": bool(np.allclose(np.linalg.norm(together, axis=1), 1, atol=_TOLERANCE)),
        "batched_equals_single": bool(np.allclose(together, alone, atol=_TOLERANCE)),
        "order_equivariant": bool(np.allclose(together, shuffled, atol=_TOLERANCE)),
    }
    return {
        "encoder": encoder.spec.name,
        "space": encoder.spec.space,
        "dimension": encoder.spec.dimension,
        "promises": promises,
        "passed": all(promises.values()),
        "audio_s_per_s": round(sum(_DURATIONS_S) / took_s, 1),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB / MIB),
    }
