"""The mel filterbank and the window that encoders share, in numpy: equal to librosa's defaults without needing it."""

import numpy as np
from jaxtyping import Float, Float32

_LINEAR_MEL_HZ = 200.0 / 3.0  # Slaney's scale: linear up to 1 kHz ...
_CORNER_HZ = 1000.0
_CORNER_MEL = _CORNER_HZ / _LINEAR_MEL_HZ
_LOG_STEP = np.log(6.4) / 27.0  # ... then 27 mels to a factor of 6.4


def hann_window(n_samples: int) -> Float32[np.ndarray, " n_samples"]:
    """The periodic Hann window, as spectral analysis wants it (the symmetric one is for filter design)."""
    return np.hanning(n_samples + 1)[:-1].astype(np.float32)


def mel_filterbank(n_mels: int, n_fft: int, sample_rate_hz: int) -> Float32[np.ndarray, "n_mels bins"]:
    """Triangles on Slaney's mel scale from 0 Hz to Nyquist, each of unit area; bins = n_fft // 2 + 1.

    Source: M. Slaney, Auditory Toolbox (1998), as `librosa.filters.mel(htk=False, norm="slaney")`.
    """
    nyquist_hz = sample_rate_hz / 2
    bin_hz = np.linspace(0.0, nyquist_hz, n_fft // 2 + 1)
    corner_hz = _hz(np.linspace(0.0, _mel(nyquist_hz), n_mels + 2))
    width_hz = np.diff(corner_hz)
    distance_hz = corner_hz[:, np.newaxis] - bin_hz  # (n_mels + 2, bins)
    rising = -distance_hz[:-2] / width_hz[:-1, np.newaxis]
    falling = distance_hz[2:] / width_hz[1:, np.newaxis]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area_hz = (corner_hz[2:] - corner_hz[:-2]) / 2
    return np.asarray(triangles / area_hz[:, np.newaxis], np.float32)


def _mel(frequency_hz: float) -> float:
    if frequency_hz < _CORNER_HZ:
        return frequency_hz / _LINEAR_MEL_HZ
    return float(_CORNER_MEL + np.log(frequency_hz / _CORNER_HZ) / _LOG_STEP)


def _hz(mel: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    above = _CORNER_HZ * np.exp(_LOG_STEP * (mel - _CORNER_MEL))
    return np.where(mel < _CORNER_MEL, mel * _LINEAR_MEL_HZ, above)
