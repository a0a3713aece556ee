"""pyannote.audio's embedding models in torch, through its own loader and Inference."""

import os
import warnings

import numpy as np
import torch
from jaxtyping import Float32

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.encoders.pyannote import weights_file
from services.embedder.encoders.whole_clips import WholeClipEncoder, prepared_device
from shared.checkpoints import Checkpoint, library
from shared.encoders.protocol import EncoderOptions, EncoderSpec


def build_pyannote(spec: EncoderSpec, weights: Checkpoint, options: EncoderOptions) -> WholeClipEncoder:
    """One vector of a whole clip, as `Inference(model, window="whole")` makes it, scaled to length one.

    A clip goes through alone or with others of its very length, so that nothing is padded. What is too short for the
    network to answer with numbers (1680 samples for WeSpeaker's ResNet34) is repeated up to that.

    The file is unpickled, which can run any code: load only what you trust.
    Raises MissingLibrary, MissingModel, UnreadableCheckpoint.
    """
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")  # it reports each use to its makers otherwise
    folder = weights.fetched()
    with library("pyannote"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "\\s*torchcodec is not installed correctly")  # it is given samples, not files
        from pyannote.audio import Inference, Model
    device, samples_per_pass = prepared_device(options)
    model = Model.from_pretrained(weights_file(folder))
    assert model is not None  # it is only where a hub denies one
    if model.audio.sample_rate != spec.sample_rate_hz:
        raise UnreadableCheckpoint(f"{folder} wants {model.audio.sample_rate} Hz, not {spec.sample_rate_hz}.")
    inference = Inference(model, window="whole", device=device)

    def forward(clips: Float32[np.ndarray, "clips samples"]) -> Float32[np.ndarray, "clips dim"]:
        # cuDNN would round the convolutions' products to TF32, which moves vectors by 1e-3
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            try:
                rows = inference.infer(torch.from_numpy(clips[:, np.newaxis]))  # (clips, channel, samples)
            except MemoryError as error:  # what Inference makes of a device's OutOfMemoryError
                raise torch.OutOfMemoryError from error
        return np.asarray(rows, np.float32)

    return WholeClipEncoder(spec, forward, samples_per_pass)
