"""Lets speechbrain's ECAPA-TDNN take clips of different lengths at once, each as if it were alone.

Its convolutions continue a clip past its ends by reflection. In a batch the shorter clips end before the batch does,
and would be continued by padding instead: cosine .97 to .99 to the vector alone, relative lengths or not. So before
each convolution, the frames behind a clip's end are made its reflection.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float32, Int
from torch import nn

if TYPE_CHECKING:
    from speechbrain.inference.speaker import EncoderClassifier


class MixedLengths:
    """The network of a classifier, on clips of any lengths; the features of each are computed alone."""

    def __init__(self, classifier: "EncoderClassifier", device: torch.device) -> None:
        self._modules = classifier.mods
        self._device = device
        self._n_frames: Int[torch.Tensor, " clips"] = torch.zeros(0, dtype=torch.int64)
        convolutions = [m for m in self._modules.embedding_model.modules() if isinstance(m, nn.Conv1d)]
        self._reach = max(_reach(convolution) for convolution in convolutions)
        for layer in self._modules.embedding_model.modules():
            inner = getattr(layer, "conv", None)
            if isinstance(inner, nn.Conv1d) and _reach(inner) > 0:
                layer.register_forward_pre_hook(self._reflect)

    def __call__(self, clips: Sequence[Float32[torch.Tensor, " _samples"]]) -> Float32[torch.Tensor, "clips dim"]:
        """The last layer's output for each clip. Raises ValueError if one is too short to be reflected."""
        features = [self._features(clip.to(self._device)) for clip in clips]
        lengths = [len(rows) for rows in features]
        if min(lengths) <= self._reach:
            raise ValueError(f"{min(lengths)} frames have no reflection of {self._reach}")
        self._n_frames = torch.tensor(lengths, device=self._device)
        width = max(lengths) + self._reach  # so that the batch's own end is out of everyone's sight
        batch = torch.stack([nn.functional.pad(rows, (0, 0, 0, width - len(rows))) for rows in features])
        # half a frame less, since a mask is made by comparing positions with the product: no rounding may add a frame
        relative_lengths = (self._n_frames - 0.5) / width
        rows: Float32[torch.Tensor, "clips 1 dim"] = self._modules.embedding_model(batch, relative_lengths)
        return rows[:, 0]

    def _features(self, clip: Float32[torch.Tensor, " samples"]) -> Float32[torch.Tensor, "frames mels"]:
        whole = torch.ones(1, device=self._device)
        rows: Float32[torch.Tensor, "1 frames mels"] = self._modules.compute_features(clip[None])
        normalised: Float32[torch.Tensor, "1 frames mels"] = self._modules.mean_var_norm(rows, whole)
        return normalised[0]

    def _reflect(
        self, layer: nn.Module, inputs: tuple[Float32[torch.Tensor, "clips channels frames"]]
    ) -> tuple[Float32[torch.Tensor, "clips channels frames"]]:
        """The input with each clip's last frames mirrored behind its end, as far as the convolution sees."""
        (frames,) = inputs
        assert isinstance(layer.conv, nn.Conv1d)
        steps = torch.arange(1, _reach(layer.conv) + 1, device=frames.device)
        last = self._n_frames[:, None, None] - 1  # (clips, 1, 1)
        shape = (frames.shape[0], frames.shape[1], len(steps))
        mirrored = frames.gather(2, (last - steps).expand(shape))
        return (frames.scatter(2, (last + steps).expand(shape), mirrored),)


def _reach(convolution: nn.Conv1d) -> int:
    """How many frames it sees beyond the one that it answers for, on either side."""
    return convolution.dilation[0] * (convolution.kernel_size[0] - 1) // 2
