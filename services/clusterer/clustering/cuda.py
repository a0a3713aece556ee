"""The same nearest neighbours on a CUDA device, where CuPy and a device are there. Loads CuPy when first asked."""

from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from services.clusterer.clustering.types import Graph, Progress

_BLOCK: Final = 2048  # rows: their cosines with 100,000 others are 0.8 GB


@lru_cache(maxsize=1)
def present() -> bool:
    """Whether CuPy is installed and finds a device."""
    if find_spec("cupy") is None:
        return False
    try:
        return int(_cupy().cuda.runtime.getDeviceCount()) > 0
    except Exception:  # noqa: BLE001  a broken driver raises what it likes, and the processor can do the work
        return False


def _cupy() -> Any:
    import cupy  # type: ignore[import-not-found,unused-ignore]  # an optional dependency

    return cupy


def neighbours(rows: Float32[np.ndarray, "rows dim"], k: int, progress: Progress) -> Graph:
    """As `neighbours.neighbours`; of equal cosines any may be kept."""
    cupy = _cupy()
    width = min(k, len(rows) - 1)
    columns = np.empty((len(rows), width), np.int32)
    cosines = np.empty((len(rows), width), np.float32)
    there = cupy.asarray(rows)
    for first in range(0, len(rows), _BLOCK):
        block = there[first : first + _BLOCK] @ there.T
        at = cupy.arange(len(block))
        block[at, first + at] = -np.inf
        best = cupy.argpartition(block, -width, axis=1)[:, -width:]
        best = cupy.take_along_axis(best, cupy.argsort(-cupy.take_along_axis(block, best, axis=1), axis=1), axis=1)
        columns[first : first + _BLOCK] = cupy.asnumpy(best)
        cosines[first : first + _BLOCK] = cupy.asnumpy(cupy.take_along_axis(block, best, axis=1))
        progress(min(1.0, (first + _BLOCK) / len(rows)))
    return Graph(columns, cosines)
