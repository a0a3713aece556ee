"""Lets pyannote's WeSpeaker ResNets take clips of different lengths at once, each as if it were alone.

Their convolutions see zeros past a clip's end. In a batch the shorter clips end before the batch does, where the layers
before have left something else: so before each convolution, what lies behind a clip's end is made zero.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from jaxtyping import Float32, Int
from torch import nn

if TYPE_CHECKING:
    from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet

_N_STRIDES: Final = 3  # the second, third and fourth stage each halve the number of frames, rounding up


class MixedLengths:
    """A WeSpeaker model on clips of any lengths; the features of each are computed alone."""

    def __init__(self, model: "BaseWeSpeakerResNet", device: torch.device) -> None:
        self._features = model.compute_fbank
        self._resnet: Any = model.resnet
        self._device = device
        self._n_frames: dict[int, Int[torch.Tensor, " clips"]] = {}  # of each clip, by the width of a batch's stage
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size[1] > 1:
                layer.register_forward_pre_hook(self._silence)

    def __call__(self, clips: Sequence[Float32[torch.Tensor, " _samples"]]) -> Float32[torch.Tensor, "clips dim"]:
        """The embedding of each clip. Raises ValueError if one leaves the pooling no deviation, that is one frame."""
        features = [self._features(clip[None, None].to(self._device))[0] for clip in clips]
        lengths = [len(rows) for rows in features]
        if min(lengths) <= 2**_N_STRIDES:
            raise ValueError(f"{min(lengths)} frames become one, which has no deviation")
        n_frames, width = torch.tensor(lengths, device=self._device), max(lengths)
        batch = torch.stack([nn.functional.pad(rows, (0, 0, 0, width - len(rows))) for rows in features])
        self._n_frames = {width: n_frames}
        for _ in range(_N_STRIDES):
            width, n_frames = -(-width // 2), (n_frames + 1) // 2
            self._n_frames[width] = n_frames
        rows: Float32[torch.Tensor, "clips dim"] = self._resnet(batch, weights=_within(n_frames, width))[1]
        return rows

    def _silence(
        self, _layer: nn.Module, inputs: tuple[Float32[torch.Tensor, "clips channels bands frames"]]
    ) -> tuple[Float32[torch.Tensor, "clips channels bands frames"]]:
        (frames,) = inputs
        width = frames.shape[3]
        return (frames * _within(self._n_frames[width], width)[:, None, None],)


def _within(n_frames: Int[torch.Tensor, " clips"], width: int) -> Float32[torch.Tensor, "clips width"]:
    """One for each clip's own frames, zero behind."""
    return (torch.arange(width, device=n_frames.device) < n_frames[:, None]).float()
