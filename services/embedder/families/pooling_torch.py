"""Frames to one vector each, on the device, in single precision whatever the frames are in."""

import torch
from jaxtyping import Float, Float32, Int

from shared.encoders.families import Pooling


def pooled(
    frames: Float[torch.Tensor, "inputs frames dim"], n_valid: Int[torch.Tensor, " inputs"], pooling: Pooling
) -> Float32[torch.Tensor, "inputs pooled"]:
    """The first `n_valid` frames of each input, 1 or more of them, as one row; `stats` is twice as wide."""
    frames = frames.float()
    if pooling == "first":
        return frames[:, 0]
    if pooling == "last":
        return frames[torch.arange(len(frames), device=frames.device), n_valid - 1]
    inside = torch.arange(frames.shape[1], device=frames.device) < n_valid[:, None]  # (inputs, frames)
    if pooling == "max":
        return frames.masked_fill(~inside[:, :, None], -torch.inf).amax(dim=1)
    weights = inside / n_valid[:, None].float()
    with torch.autocast(frames.device.type, enabled=False):  # inside of a pass these products would have fewer bits
        means = torch.einsum("nt,ntd->nd", weights, frames)
        if pooling != "stats":  # mean, and none: the vector beside the frames
            return means
        variances = torch.einsum("nt,ntd->nd", weights, (frames - means[:, None]) ** 2)
    return torch.cat([means, variances.sqrt()], dim=1)
