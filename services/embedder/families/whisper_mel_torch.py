"""Whisper's log-mel spectrogram of clips as long as they are; what padding up to its window would add is known."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32

from services.embedder.encoders.mel import mel_filterbank
from services.embedder.families.clips_torch import stacked
from services.embedder.families.whisper import FFT_SAMPLES, FRAME_SAMPLES, HOP_SAMPLES
from shared.units import SAMPLE_RATE_HZ

# Behind the clip's last frame. Of the three frames that begin here, the first two may see the clip's end.
_SILENCE_SAMPLES = 3 * HOP_SAMPLES
_LEAST_POWER = 1e-10
_RANGE = 8.0  # powers of ten below the loudest


class WhisperMel:
    """As the feature extractors of openai-whisper and transformers make it, to 1e-5."""

    def __init__(self, n_mels: int, window_samples: int, device: torch.device) -> None:
        self._window_samples = window_samples
        self._hann = torch.hann_window(FFT_SAMPLES, device=device)
        self._filters = torch.from_numpy(mel_filterbank(n_mels, FFT_SAMPLES, SAMPLE_RATE_HZ)).to(device)

    def rows(self, clips: Sequence[Float32[np.ndarray, " _samples"]]) -> Float32[torch.Tensor, "clips samples"]:
        """On the host, as many samples as a spectrogram is made of: the longest clip's and a little silence."""
        n_samples = frames_of(max(clip.size for clip in clips)) * FRAME_SAMPLES
        return stacked(clips, min(n_samples + _SILENCE_SAMPLES, self._window_samples))

    def trimmed(self, rows: Float32[torch.Tensor, "clips samples"]) -> Float32[torch.Tensor, "clips mels frames"]:
        """The padded one's first frames, as many as the longest clip has and three more, or all of the window's.

        Equal to those, the range below the loudest included: every frame that sees anything of a clip is here.
        """
        with torch.autocast(rows.device.type, enabled=False):
            spectrum = torch.stft(rows, FFT_SAMPLES, HOP_SAMPLES, window=self._hann, return_complex=True)
            power = torch.view_as_real(spectrum[:, :, :-1]).square().sum(-1)  # (clips, bins, frames)
            mels = torch.clamp(self._filters @ power, min=_LEAST_POWER).log10()
            loudest = mels.amax(dim=(1, 2), keepdim=True)
            return (torch.maximum(mels, loudest - _RANGE) + 4.0) / 4.0

    def padded(self, rows: Float32[torch.Tensor, "clips samples"]) -> Float32[torch.Tensor, "clips mels frames"]:
        """The spectrogram of the whole window: behind the clip is silence, of which one frame is computed."""
        mels = self.trimmed(rows)
        n_silent = self._window_samples // HOP_SAMPLES - mels.shape[2]
        return torch.cat([mels, mels[:, :, -1:].expand(-1, -1, n_silent)], dim=2)


def frames_of(n_samples: int) -> int:
    """Of 20 ms, the last one begun counts: 1 for one sample, 1500 for 30 s."""
    return -(-n_samples // FRAME_SAMPLES)
