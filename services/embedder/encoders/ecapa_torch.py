"""ECAPA-TDNN in torch, through speechbrain's own loader."""

from services.embedder.encoders.ecapa_edges import MixedLengths
from services.embedder.encoders.whole_clips import Network, WholeClipEncoder, prepared_device
from shared.checkpoints import Checkpoint, library
from shared.encoders.protocol import EncoderOptions, EncoderSpec


def build_ecapa(spec: EncoderSpec, weights: Checkpoint, options: EncoderOptions) -> WholeClipEncoder:
    """Speaker vectors after Desplanques, Thienpondt and Demuynck, "ECAPA-TDNN" (2020), as speechbrain makes them.

    80 log-mel bands less their mean over the clip, the network, its last layer scaled to length one. Clips of any
    lengths share a pass (`ecapa_edges`). Less than five frames (640 samples) are repeated up to that.

    A folder holds `hyperparams.yaml`, which may name any Python class, and `*.ckpt`: load only what you trust.
    Raises MissingLibrary, MissingModel, UnreadableCheckpoint.
    """
    folder = weights.fetched()
    with library("ecapa"):
        from speechbrain.inference.speaker import EncoderClassifier
    device, samples_per_pass = prepared_device(options)
    classifier = EncoderClassifier.from_hparams(
        source=str(folder),
        overrides={"pretrained_path": str(folder)},  # the published file names the hub, a copy of it whatever it was
        run_opts={"device": str(device)},
    )
    network = Network(MixedLengths(classifier, device), mixes_lengths=True, device=device)
    return WholeClipEncoder(spec, network, samples_per_pass)
