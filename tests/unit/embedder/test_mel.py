import librosa
import numpy as np
import pytest

from services.embedder.encoders.mel import hann_window, mel_filterbank


@pytest.mark.parametrize(("n_mels", "n_fft", "rate_hz"), [(40, 400, 16_000), (32, 512, 16_000), (128, 1024, 32_000)])
def test_the_filterbank_equals_librosas(n_mels, n_fft, rate_hz):
    expected = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels)
    np.testing.assert_allclose(mel_filterbank(n_mels, n_fft, rate_hz), expected, atol=1e-8)


def test_the_window_equals_librosas():
    expected = librosa.filters.get_window("hann", 400, fftbins=True)
    np.testing.assert_allclose(hann_window(400), expected, atol=1e-7)
