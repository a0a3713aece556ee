"""Encoders whose network takes a whole clip: which clips share a pass, and what becomes of those that are too short."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.encoders.ge2e_torch import DeviceOutOfMemory
from shared.encoders.protocol import EncoderOptions, EncoderSpec
from shared.units import samples
from shared.vectors import unit_rows

# A CPU gains nothing from width here, and is best within its caches; a GPU wants as much as there is.
_SAMPLES_PER_PASS: Final = {"cpu": samples(10.0), "cuda": samples(300.0)}
_LONGEST_MINIMUM_S: Final = 0.5  # a network that answers nothing shorter is none for segments of speech


@dataclass(frozen=True, slots=True)
class Network:
    """A function from clips to one row each, on its device; a row depends on its clip alone.

    It raises torch.OutOfMemoryError where the device has no room, and anything but that if a clip is too short.
    """

    rows: Callable[[Sequence[Float32[torch.Tensor, " _samples"]]], Float32[torch.Tensor, "clips dim"]]
    mixes_lengths: bool  # False: the clips of one call must be of one length, as nothing may be padded


class WholeClipEncoder:
    """Unit rows of one network. Clips too short for it to answer are repeated up to what it needs.

    Raises UnreadableCheckpoint when it is made with a network of another dimension than the spec's.
    """

    def __init__(self, spec: EncoderSpec, network: Network, samples_per_pass: int) -> None:
        self.spec = spec
        self._network = network
        self._samples_per_pass = samples_per_pass
        longest = samples(_LONGEST_MINIMUM_S, spec.sample_rate_hz)
        dimension = self._pass([np.zeros(longest, np.float32)]).shape[1]
        if dimension != spec.dimension:
            raise UnreadableCheckpoint(f"The network makes {dimension} numbers, not {spec.dimension} as was announced.")
        self.min_samples = self._shortest(longest)

    def embed(self, clips: Sequence[Float32[np.ndarray, " _samples"]]) -> Float32[np.ndarray, "clips dim"]:
        """One unit row a clip; half as wide passes from when the GPU's memory first runs out.

        Raises DeviceOutOfMemory, and ZeroVector if a clip's numbers are beyond all audio.
        """
        if not clips:
            return np.empty((0, self.spec.dimension), np.float32)
        enough = [repeated(clip, self.min_samples) for clip in clips]
        left = sorted(range(len(enough)), key=lambda i: -enough[i].size)  # the longest first, where memory is short
        rows: dict[int, Float32[np.ndarray, " _dim"]] = {}
        while left:
            positions = self._next_pass(left, enough)
            with suppress(torch.OutOfMemoryError):
                rows.update(zip(positions, self._pass([enough[i] for i in positions]), strict=True))
                left = left[len(positions) :]
                continue
            # only here, past the exception, is what the failed pass held free again
            self._halve(len(positions), enough[positions[0]].size)
        return unit_rows(np.stack([rows[i] for i in range(len(clips))]))

    def _next_pass(self, left: Sequence[int], clips: Sequence[Float32[np.ndarray, " _samples"]]) -> list[int]:
        """The first of what is left, and as many as fit beside it; padding, which its length decides, is counted."""
        n_samples = clips[left[0]].size
        first = left[: max(1, self._samples_per_pass // n_samples)]
        return [i for i in first if self._network.mixes_lengths or clips[i].size == n_samples]

    def _halve(self, n_clips: int, n_samples: int) -> None:
        if n_clips == 1:
            raise DeviceOutOfMemory
        self._samples_per_pass = n_clips // 2 * n_samples
        torch.cuda.empty_cache()

    def _pass(self, clips: Sequence[Float32[np.ndarray, " _samples"]]) -> Float32[np.ndarray, "clips dim"]:
        # cuDNN would round the convolutions' products to TF32, which moves vectors by 1e-3
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            rows = self._network.rows([torch.tensor(clip) for clip in clips])
        return np.asarray(rows.cpu().numpy(), np.float32)

    def _shortest(self, longest: int) -> int:
        """The fewest samples of which the network makes a finite vector, at most `longest`, by bisection.

        Some networks fail on less, others answer NaN (a standard deviation over one frame).
        """
        noise = np.random.default_rng(0).normal(0, 0.1, longest).astype(np.float32)
        low, high = 0, longest  # `high` serves, `low` does not
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what is asked for here
            while low + 1 < high:
                middle = (low + high) // 2
                low, high = (low, middle) if self._serves(noise[:middle]) else (middle, high)
        return high

    def _serves(self, clip: Float32[np.ndarray, " samples"]) -> bool:
        try:
            return bool(np.isfinite(self._pass([clip])).all())
        except (RuntimeError, AssertionError, ValueError, IndexError):  # as many kinds as there are libraries
            return False


def repeated(clip: Float32[np.ndarray, " samples"], min_samples: int) -> Float32[np.ndarray, " _samples"]:
    """The clip, over and over until it is long enough; as it is if it is."""
    if clip.size >= min_samples:
        return clip
    return np.tile(clip, -(-min_samples // clip.size))[:min_samples]


def prepared_device(options: EncoderOptions) -> tuple[torch.device, int]:
    """The device that the options name, and samples per pass on it; sets the process's torch threads on a CPU."""
    wanted = options.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device("cuda:0" if wanted == "cuda" else wanted)
    if device.type == "cpu":
        torch.set_num_threads(options.cpu_threads)
    return device, _SAMPLES_PER_PASS[device.type]
