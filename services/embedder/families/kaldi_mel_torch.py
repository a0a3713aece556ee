"""Kaldi's log-mel spectrogram of many clips at once, as torchaudio.compliance.kaldi.fbank makes it of one."""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch.nn.functional import pad

from services.embedder.families.ast import FRAME_SAMPLES, HOP_SAMPLES
from shared.units import SAMPLE_RATE_HZ

_FFT_SAMPLES: Final = 512
_LOWEST_HZ: Final = 20.0
_PREEMPHASIS: Final = 0.97
_LEAST_ENERGY: Final = torch.finfo(torch.float32).eps


class KaldiMel:
    """Frames of 25 ms every 10 ms, those only that lie wholly in the samples; no dither."""

    def __init__(self, n_mels: int, device: torch.device) -> None:
        self._filters = torch.from_numpy(kaldi_filterbank(n_mels)).to(device)
        self._hann = torch.hann_window(FRAME_SAMPLES, periodic=False, device=device)

    def __call__(self, samples: Float32[torch.Tensor, "clips samples"]) -> Float32[torch.Tensor, "clips frames mels"]:
        """Natural logarithms of energies, in single precision under any autocast."""
        with torch.autocast(samples.device.type, enabled=False):
            frames = samples.unfold(1, FRAME_SAMPLES, HOP_SAMPLES)  # (clips, samples) -> (clips, frames, samples)
            centred = frames - frames.mean(dim=2, keepdim=True)
            before = pad(centred, (1, 0), mode="replicate")[:, :, :-1]
            windowed = (centred - _PREEMPHASIS * before) * self._hann
            power = torch.fft.rfft(windowed, _FFT_SAMPLES).abs().square()
            return torch.clamp(power @ self._filters, min=_LEAST_ENERGY).log()


def kaldi_filterbank(n_mels: int) -> Float32[np.ndarray, "bins n_mels"]:
    """Triangles from 20 Hz to Nyquist that are straight on the mel scale, of height 1; a narrow one may miss all bins.

    The last bin, Nyquist's, has no weight.
    """
    bins = _mel(np.arange(_FFT_SAMPLES // 2 + 1) * SAMPLE_RATE_HZ / _FFT_SAMPLES)[:, np.newaxis]
    corners = np.linspace(_mel(np.array(_LOWEST_HZ)), _mel(np.array(SAMPLE_RATE_HZ / 2)), n_mels + 2)
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), np.float32)


def _mel(frequency_hz: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return 1127.0 * np.log1p(frequency_hz / 700.0)
