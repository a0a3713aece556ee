"""pyannote.audio's embedding models in torch, through its own loader and Inference."""

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float32

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.encoders.pyannote import weights_file
from services.embedder.encoders.pyannote_edges import MixedLengths
from services.embedder.encoders.whole_clips import Network, Rows, WholeClipEncoder, prepared_device
from shared.checkpoints import Checkpoint, library
from shared.encoders.protocol import EncoderOptions, EncoderSpec

if TYPE_CHECKING:
    from pyannote.audio import Inference


def build_pyannote(spec: EncoderSpec, weights: Checkpoint, options: EncoderOptions) -> WholeClipEncoder:
    """One vector of a whole clip, as `Inference(model, window="whole")` makes it, scaled to length one.

    Clips of any lengths share a pass of a WeSpeaker model (`pyannote_edges`); of another, those of the very same length
    do, so that nothing is padded. What is too short for the network to answer with numbers (1680 samples for WeSpeaker,
    5041 for XVectorSincNet) is repeated up to that.

    The file is unpickled, which can run any code: load only what you trust.
    Raises MissingLibrary, MissingModel, UnreadableCheckpoint.
    """
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")  # it reports each use to its makers otherwise
    folder = weights.fetched()
    with library("pyannote"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "\\s*torchcodec is not installed correctly")  # it is given samples, not files
        from pyannote.audio import Inference, Model
        from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet
    device, samples_per_pass = prepared_device(options)
    model = Model.from_pretrained(weights_file(folder))
    assert model is not None  # it is only where a hub denies one
    if model.audio.sample_rate != spec.sample_rate_hz:
        raise UnreadableCheckpoint(f"{folder} wants {model.audio.sample_rate} Hz, not {spec.sample_rate_hz}.")
    inference = Inference(model, window="whole", device=device)  # which moves the model, too
    if isinstance(model, BaseWeSpeakerResNet):
        network = Network(MixedLengths(model, device), mixes_lengths=True, device=device)
    else:
        network = Network(_of_one_length(inference), mixes_lengths=False, device=device)
    return WholeClipEncoder(spec, network, samples_per_pass)


def _of_one_length(inference: "Inference") -> Rows:
    def rows(clips: Sequence[Float32[torch.Tensor, " _samples"]]) -> Float32[torch.Tensor, "clips dim"]:
        try:
            found = inference.infer(torch.stack(list(clips))[:, None])  # (clips, channel, samples)
        except MemoryError as error:  # what Inference makes of a device's OutOfMemoryError
            raise torch.OutOfMemoryError from error
        return torch.from_numpy(found)

    return rows
