"""ECAPA-TDNN in torch, through speechbrain's own loader."""

import numpy as np
import torch
from jaxtyping import Float32

from services.embedder.encoders.whole_clips import WholeClipEncoder, prepared_device
from shared.checkpoints import Checkpoint, library
from shared.encoders.protocol import EncoderOptions, EncoderSpec


def build_ecapa(spec: EncoderSpec, weights: Checkpoint, options: EncoderOptions) -> WholeClipEncoder:
    """Speaker vectors after Desplanques, Thienpondt and Demuynck, "ECAPA-TDNN" (2020), as speechbrain makes them.

    80 log-mel bands less their mean over the clip, the network, its last layer scaled to length one. A clip goes
    through alone or with others of its very length: padding moves its vector (cosine .97 to .99), relative lengths or
    not, since convolutions see past a clip's end. Less than five frames (640 samples) are repeated up to that.

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

    @torch.inference_mode()
    def forward(clips: Float32[np.ndarray, "clips samples"]) -> Float32[np.ndarray, "clips dim"]:
        # cuDNN would round the convolutions' products to TF32, which moves vectors by 1e-3
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            rows = classifier.encode_batch(torch.from_numpy(clips))
        return np.asarray(rows[:, 0].cpu().numpy(), np.float32)  # (clips, 1, dim) -> (clips, dim)

    return WholeClipEncoder(spec, forward, samples_per_pass)
