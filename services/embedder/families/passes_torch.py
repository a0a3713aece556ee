"""Which inputs go through a network together, and what a device that runs out of memory does about it."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32

from services.embedder.encoders.ge2e_torch import DeviceOutOfMemory
from shared.encoders.families import Pooled


@dataclass(slots=True)
class Passes:
    """Batches within a budget of padded size (samples, or tokens); the budget shrinks where memory runs out."""

    budget: int

    def run(
        self,
        sizes: Sequence[int],
        kinds: Sequence[Hashable],
        one_pass: Callable[[list[int]], list[Pooled]],
    ) -> list[Pooled]:
        """Every output for every input, in order; only inputs of one kind share a pass, the largest first.

        `one_pass` takes positions of inputs and gives one Pooled an output; it may raise torch.OutOfMemoryError. Kinds
        of exact lengths keep networks that feel padding from feeling any. Raises DeviceOutOfMemory.
        """
        left = sorted(range(len(sizes)), key=lambda i: (-sizes[i], str(kinds[i]), i))
        done: list[tuple[list[int], list[Pooled]]] = []
        while left:
            positions = self._next(left, sizes, kinds)
            with suppress(torch.OutOfMemoryError):
                done.append((positions, one_pass(positions)))
                taken = set(positions)
                left = [i for i in left if i not in taken]
                continue
            # only here, past the exception, is what the failed pass held free again
            self._halve(len(positions), sizes[positions[0]])
        return _in_order(done)

    def _next(self, left: Sequence[int], sizes: Sequence[int], kinds: Sequence[Hashable]) -> list[int]:
        most = max(1, self.budget // max(1, sizes[left[0]]))
        alike = [i for i in left if kinds[i] == kinds[left[0]]]
        return alike[:most]

    def _halve(self, n_inputs: int, size: int) -> None:
        if n_inputs == 1:
            raise DeviceOutOfMemory
        self.budget = n_inputs // 2 * size
        torch.cuda.empty_cache()


def _in_order(done: Sequence[tuple[list[int], list[Pooled]]]) -> list[Pooled]:
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


def on_host(rows: Float[torch.Tensor, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """A copy in the host's memory, in single precision."""
    return np.asarray(rows.float().cpu().numpy(), np.float32)
