"""Silero's voice activity model: find its weights, check them, run them over audio of any length.

The network is that of silero-vad 6.2.3 (MIT, https://github.com/snakers4/silero-vad) in its "sequence" form: one call
runs the recurrent layer over many frames, which gives the same bits as frame by frame at twice the speed.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32

from services.ingest.segmenters.protocol import AudioReader
from services.ingest.segmenters.speech import FRAME_SAMPLES
from shared.errors import PermanentError

_CONTEXT_SAMPLES: Final = 64  # of the frame before, in front of each frame
_FRAMES_PER_CALL: Final = 128  # 4 s: larger calls are no faster and leave the cache
_FILE: Final = "silero_vad_16k_sequence.onnx"
_SHA256: Final = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"  # as in silero-vad 6.2.3


class MissingWeights(PermanentError):
    """The voice activity model is not there: `pip install --no-deps -r requirements/weights.txt`."""

    code = "missing_weights"


def checked_weights(package: str = "silero_vad", sha256: str = _SHA256) -> bytes:
    """The model's bytes, out of the installed package but without importing it, as that would want torch.

    Raises MissingWeights if the package is not installed or its file is not the one that was tested.
    """
    found = find_spec(package)
    if found is None or found.origin is None:
        raise MissingWeights(f"The package {package} is not installed.")
    path = Path(found.origin).parent / "data" / _FILE
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise MissingWeights(f"{path} cannot be read.") from error
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise MissingWeights(f"{path} is not the file that Earmark was tested with.")
    return weights


class SileroModel:
    """The network in ONNX Runtime, on one thread. Raises MissingWeights."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # one process a core
        options.log_severity_level = 3  # its warnings tell of an unused initializer in the published file
        self._session = onnxruntime.InferenceSession(
            checked_weights(), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, audio: AudioReader) -> Float32[np.ndarray, " frames"]:
        """The probability of speech in each frame of 512 samples; the last one is padded with zeros."""
        hidden = cell = np.zeros((1, 1, 128), dtype=np.float32)
        context = np.zeros(_CONTEXT_SAMPLES, dtype=np.float32)
        found: list[Float32[np.ndarray, " frames"]] = []
        for block in audio.blocks(_FRAMES_PER_CALL * FRAME_SAMPLES):
            frames = _framed(block, context)
            context = frames[-1, -_CONTEXT_SAMPLES:]
            values, hidden, cell = self._session.run(
                ["speech_probs", "hn", "cn"], {"input": frames, "h": hidden, "c": cell}
            )
            found.append(values)
        return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)


def _framed(
    block: Float32[np.ndarray, " samples"], context: Float32[np.ndarray, "64"]
) -> Float32[np.ndarray, "frames 576"]:
    n_frames = -(-len(block) // FRAME_SAMPLES)
    padded = np.zeros(_CONTEXT_SAMPLES + n_frames * FRAME_SAMPLES, dtype=np.float32)
    padded[:_CONTEXT_SAMPLES] = context
    padded[_CONTEXT_SAMPLES : _CONTEXT_SAMPLES + len(block)] = block
    windows = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT_SAMPLES + FRAME_SAMPLES)
    return np.ascontiguousarray(windows[::FRAME_SAMPLES])  # (frames, context + frame)
