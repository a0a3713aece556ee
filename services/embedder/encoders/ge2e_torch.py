"""GE2E in torch: mel frames, a three-layer LSTM over windows of 1.6 s, and the mean of a clip's windows."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Int, Shaped
from torch import nn

from services.embedder.encoders.ge2e_weights import find_weights
from services.embedder.encoders.ge2e_windows import FRAME_SAMPLES, HOP_SAMPLES, Layout, lay_out, stream_samples
from services.embedder.encoders.level import gain_to_at_least
from services.embedder.encoders.mel import hann_window, mel_filterbank
from services.embedder.encoders.passes_torch import DeviceOutOfMemory
from services.embedder.encoders.staging_torch import Staging
from shared.encoders.protocol import EncoderOptions, EncoderSpec
from shared.vectors import unit_rows

_N_MELS: Final = 40
_N_LAYERS: Final = 3
_QUIETEST_DB: Final = -30.0

# One torch thread on a CPU: oneDNN's LSTM reaches 85 % of what its matrix products alone do at 24 to 48 windows. A
# window alone costs three times as much; past 48 a layer's gates (0.66 MB a window) outgrow 32 MiB, from where glibc
# maps fresh pages for each pass.
_WINDOWS_PER_PASS: Final[Mapping[str, int]] = {"cpu": 40, "cuda": 1024}
_FRAMES_PER_BLOCK: Final[Mapping[str, int]] = {"cpu": 512, "cuda": 1 << 14}


class Ge2eEncoder:
    """Speaker vectors after Wan et al., "Generalized end-to-end loss for speaker verification" (2018).

    A clip is cut into windows of 1.6 s that begin every 0.8 s, padded with zeros past its end; a last window with less
    than 75 % signal is left out unless it is the only one. Each window's vector (the last layer's last state, linear,
    ReLU) is scaled to length one; their mean, scaled to length one, is the clip's.

    Of what the package's `preprocess_wav` does to a signal, one half is kept: clips quieter than -30 dBFS (root mean
    square) are raised to it, since the weights know no quieter speech. Equal error rates on our development trials of
    utterances and 1 s words: as it is 1.62 and 13.5 %, raised 1.46 and 13.6 %; with all of it 20 dB quieter, 11.1 and
    27.2 %, raised 2.6 and 16.0 %. The other half, cutting out what webrtcvad takes for silence, makes that 1.10 and
    14.5 %, but needs a compiler, and finding speech is the segmenter's work here.
    """

    def __init__(
        self, spec: EncoderSpec, lstm: nn.LSTM, linear: nn.Linear, device: torch.device, windows_per_pass: int
    ) -> None:
        self.spec = spec
        self._lstm = lstm
        self._linear = linear
        self._device = device
        self._staging = Staging(device)
        self._windows_per_pass = windows_per_pass
        self._hann = torch.from_numpy(hann_window(FRAME_SAMPLES)).to(device)
        filters = mel_filterbank(_N_MELS, FRAME_SAMPLES, spec.sample_rate_hz).T
        self._filters = torch.from_numpy(np.ascontiguousarray(filters)).to(device)

    @torch.inference_mode()
    def embed(self, clips: Sequence[Float32[np.ndarray, " _samples"]]) -> Float32[np.ndarray, "clips dim"]:
        """One unit row a clip; half as wide passes from when the GPU's memory first runs out.

        Raises DeviceOutOfMemory, and ZeroVector if a clip's numbers are beyond all audio.
        """
        if not clips:
            return np.empty((0, self.spec.dimension), np.float32)
        layout = lay_out([clip.size for clip in clips])
        table = self._mel_table(layout, clips)
        window_rows, window_clip = self._brought(layout.window_rows, layout.window_clip)
        windows = self._embed_windows(table, window_rows)
        sums = windows.new_zeros(len(clips), self.spec.dimension)
        sums.index_add_(0, window_clip, windows)
        return unit_rows(sums.cpu().numpy())

    def _mel_table(
        self, layout: Layout, clips: Sequence[Float32[np.ndarray, " _samples"]]
    ) -> Float32[torch.Tensor, "rows mels"]:
        """Mel power (not its logarithm) of every frame of the stream, and a last row for silence."""
        table = torch.zeros(layout.n_rows + 1, _N_MELS, device=self._device)
        gains = [gain_to_at_least(_QUIETEST_DB, clip) for clip in clips]
        rows_per_block = _FRAMES_PER_BLOCK[self._device.type]
        for first in range(0, layout.n_rows, rows_per_block):
            end = min(first + rows_per_block, layout.n_rows)
            (stretch,) = self._brought(stream_samples(layout, clips, gains, first, end))
            frames = stretch.unfold(0, FRAME_SAMPLES, HOP_SAMPLES)  # (rows, samples), a view
            spectrum = torch.view_as_real(torch.fft.rfft(frames * self._hann))  # (rows, bins, 2)
            torch.mm(spectrum.square_().sum(-1), self._filters, out=table[first:end])
        return table

    def _brought(self, *arrays: Shaped[np.ndarray, "..."]) -> tuple[torch.Tensor, ...]:
        return self._staging.received(self._staging.sent(tuple(torch.from_numpy(array) for array in arrays)))

    def _embed_windows(
        self, table: Float32[torch.Tensor, "rows mels"], window_rows: Int[torch.Tensor, "frames windows"]
    ) -> Float32[torch.Tensor, "windows dim"]:
        """Unit rows, one a window, in passes of about equal width."""
        while True:
            n_passes = -(-window_rows.shape[1] // self._windows_per_pass)
            with suppress(torch.OutOfMemoryError):
                return torch.cat([self._pass(table[rows]) for rows in window_rows.tensor_split(n_passes, dim=1)])
            # only here, past the exception, is what the failed pass held free again
            if self._windows_per_pass == 1:
                raise DeviceOutOfMemory
            self._windows_per_pass //= 2
            torch.cuda.empty_cache()

    def _pass(self, mels: Float32[torch.Tensor, "frames windows mels"]) -> Float32[torch.Tensor, "windows dim"]:
        # cuDNN would round the LSTM's products to TF32, which moves vectors by 1e-3
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            _, (hidden, _) = self._lstm(mels)
        return nn.functional.normalize(torch.relu(self._linear(hidden[-1])))


def build_ge2e(spec: EncoderSpec, options: EncoderOptions) -> Ge2eEncoder:
    """Load the weights onto the device; sets the torch threads of the whole process on a CPU.

    Raises MissingWeights, WrongWeights.
    """
    checkpoint = torch.load(find_weights(), map_location="cpu", weights_only=True)
    return assemble_ge2e(spec, checkpoint["model_state"], options)


def assemble_ge2e(spec: EncoderSpec, state: Mapping[str, torch.Tensor], options: EncoderOptions) -> Ge2eEncoder:
    """An encoder from a state of `lstm.*` and `linear.*` tensors; what else is in it is left alone."""
    device = _device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(options.cpu_threads)
    lstm, linear = nn.LSTM(_N_MELS, spec.dimension, _N_LAYERS), nn.Linear(spec.dimension, spec.dimension)
    lstm.load_state_dict(_below("lstm.", state))
    linear.load_state_dict(_below("linear.", state))
    for module in (lstm, linear):
        module.requires_grad_(requires_grad=False).eval().to(device)
    lstm.flatten_parameters()  # moving them scattered them; cuDNN wants one block
    return Ge2eEncoder(spec, lstm, linear, device, _WINDOWS_PER_PASS[device.type])


def _below(prefix: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)
