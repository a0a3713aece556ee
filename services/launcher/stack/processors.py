"""What this machine has to compute with, found without loading any numerical library."""

import importlib.util
import math
import os
from collections.abc import Mapping
from pathlib import Path


def cores() -> int:
    """How many cores we may use: those we are pinned to, or the share that a container is given, at least 1."""
    pinned = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(pinned, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no limit
        return pinned


def gpus(env: Mapping[str, str]) -> tuple[str, ...]:
    """The CUDA devices that the embedder should use, as CUDA_VISIBLE_DEVICES names them; empty means the CPU."""
    wanted = env.get("EARMARK_EMBEDDER__DEVICE", "auto")
    if wanted == "cpu" or not _torch_has_cuda():
        return ()
    visible = env.get("CUDA_VISIBLE_DEVICES")
    # In a container there are only the device files of its own GPUs, but CUDA counts them from 0.
    n_devices = len(list(Path("/dev").glob("nvidia[0-9]*")))
    devices = tuple(map(str, range(n_devices))) if visible is None else tuple(filter(None, visible.split(",")))
    return devices[:1] if wanted.startswith("cuda") else devices


def _torch_has_cuda() -> bool:
    spec = importlib.util.find_spec("torch")
    return bool(spec and spec.origin and (Path(spec.origin).parent / "lib" / "libtorch_cuda.so").exists())
