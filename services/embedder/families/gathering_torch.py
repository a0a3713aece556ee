"""Collect the outputs of one pass: pooled on the device as each layer comes, brought to the host together."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from services.embedder.families.pooling_torch import pooled
from shared.encoders.families import Output, Pooled


class Gathering:
    """What is kept of one pass over some inputs, of which the first `n_valid` frames count.

    Of frames that are kept, those are, or `n_kept` of each input.
    """

    def __init__(
        self, outputs: Sequence[Output], n_valid: Int[torch.Tensor, " inputs"], n_kept: int | None = None
    ) -> None:
        self._outputs = outputs
        self._n_valid = n_valid
        self._n_kept = n_valid if n_kept is None else torch.full_like(n_valid, n_kept)
        self._vectors: dict[Output, Float[torch.Tensor, "inputs _dim"]] = {}
        self._frames: dict[Output, Float[torch.Tensor, "inputs frames _dim"]] = {}

    @property
    def layers(self) -> list[str]:
        """The layers that are wanted, each once."""
        return list(dict.fromkeys(output.layer for output in self._outputs))

    def add(
        self,
        layer: str,
        frames: Float[torch.Tensor, "inputs frames _dim"],
        kept: Float[torch.Tensor, "inputs _kept _dim"] | None = None,
    ) -> None:
        """Pool a layer for every output that wants it; its frames are let go, but where they are to be kept.

        `kept` is kept instead, where that is not what is pooled.
        """
        for output in self._outputs:
            if output.layer == layer:
                self._vectors[output] = pooled(frames, self._n_valid, output.pooling)
                if output.keeps_frames:
                    self._frames[output] = frames if kept is None else kept

    def on_host(self) -> list[Pooled]:
        """In the order of the outputs."""
        return [Pooled(_on_host(self._vectors[output]), self._kept(output)) for output in self._outputs]

    def _kept(self, output: Output) -> tuple[Float[np.ndarray, "_frames _dim"], ...] | None:
        if output not in self._frames:
            return None
        frames = _on_host(self._frames[output])
        return tuple(frames[i, :n].copy() for i, n in enumerate(self._n_kept.tolist()))


def in_order(done: Sequence[tuple[list[int], list[Pooled]]]) -> list[Pooled]:
    """One Pooled an output out of those of several passes, each with the positions of its inputs."""
    order = np.argsort([i for positions, _ in done for i in positions])
    outputs = []
    for parts in zip(*(made for _, made in done), strict=True):
        vectors = np.concatenate([part.vectors for part in parts])[order]
        outputs.append(Pooled(vectors, _frames(parts, order)))
    return outputs


def _frames(parts: Sequence[Pooled], order: np.ndarray) -> tuple[Float[np.ndarray, "_frames _dim"], ...] | None:
    if parts[0].frames is None:
        return None
    every = [frames for part in parts for frames in part.frames or ()]
    return tuple(every[i] for i in order)


def _on_host(rows: Float[torch.Tensor, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """A copy in the host's memory, in single precision; waits for the device."""
    return np.asarray(rows.float().cpu().numpy(), np.float32)
