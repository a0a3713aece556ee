"""Encoders whose network takes a whole clip: which clips share a pass, and what becomes of those that are too short."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.encoders.passes_torch import Passes
from services.embedder.encoders.staging_torch import Batch, Staging
from shared.encoders.protocol import EncoderOptions, EncoderSpec
from shared.units import samples
from shared.vectors import unit_rows

# A CPU gains nothing from width here, and is best within its caches; a GPU wants as much as there is.
_SAMPLES_PER_PASS: Final = {"cpu": samples(10.0), "cuda": samples(300.0)}
_CPU: Final = torch.device("cpu")
_LONGEST_MINIMUM_S: Final = 0.5  # a network that answers nothing shorter is none for segments of speech


Rows = Callable[[Sequence[Float32[torch.Tensor, " _samples"]]], Float32[torch.Tensor, "clips dim"]]


@dataclass(frozen=True, slots=True)
class Network:
    """A function from clips to one row each, on its device; a row depends on its clip alone.

    It raises torch.OutOfMemoryError where the device has no room, and anything but that if a clip is too short.
    """

    rows: Rows
    mixes_lengths: bool  # False: the clips of one call must be of one length, as nothing may be padded
    device: torch.device = _CPU


class WholeClipEncoder:
    """Unit rows of one network. Clips too short for it to answer are repeated up to what it needs.

    Raises UnreadableCheckpoint when it is made with a network of another dimension than the spec's.
    """

    def __init__(self, spec: EncoderSpec, network: Network, samples_per_pass: int) -> None:
        self.spec = spec
        self._network = network
        self._passes = Passes(samples_per_pass, Staging(network.device))
        longest = samples(_LONGEST_MINIMUM_S, spec.sample_rate_hz)
        dimension = self._alone(np.zeros(longest, np.float32)).shape[1]
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
        sizes = [clip.size for clip in enough]
        kinds = [0] * len(sizes) if self._network.mixes_lengths else sizes

        def load(positions: list[int]) -> Batch:
            return (torch.from_numpy(np.concatenate([enough[i] for i in positions])),)

        def compute(positions: list[int], batch: Batch) -> Callable[[], Float32[np.ndarray, "clips dim"]]:
            rows = self._rows(torch.split(batch[0], [sizes[i] for i in positions]))
            return lambda: rows.cpu().numpy()

        made = self._passes.run(sizes, kinds, load, compute)
        order = np.argsort([i for positions, _ in made for i in positions])
        return unit_rows(np.concatenate([rows for _, rows in made])[order])

    def _rows(self, clips: Sequence[Float32[torch.Tensor, " _samples"]]) -> Float32[torch.Tensor, "clips dim"]:
        # cuDNN would round the convolutions' products to TF32, which moves vectors by 1e-3
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return self._network.rows(clips)

    def _alone(self, clip: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, "1 dim"]:
        return np.asarray(self._rows([torch.tensor(clip)]).cpu().numpy(), np.float32)

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
            return bool(np.isfinite(self._alone(clip)).all())
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
