"""Which inputs go through a network together, and what a device that runs out of memory does about it."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import torch

from services.embedder.encoders.staging_torch import Batch, Staging
from shared.errors import TransientError

Made = TypeVar("Made")

Load = Callable[[list[int]], Batch]
"""Makes ready, on the host, the inputs at these positions."""

Compute = Callable[[list[int], Batch], Callable[[], Made]]
"""Has the device begin with the inputs at these positions, and gives the function that waits for what it makes."""


class DeviceOutOfMemory(TransientError):
    """The GPU has no room for a single window; another process holds its memory. Stop it or use `device=cpu`."""

    code = "device_out_of_memory"


@dataclass(slots=True)
class Passes:
    """Batches within a budget of padded size (samples, or tokens); the budget shrinks where memory runs out."""

    budget: int
    staging: Staging

    def run(
        self, sizes: Sequence[int], kinds: Sequence[Hashable], load: Load, compute: Compute[Made]
    ) -> list[tuple[list[int], Made]]:
        """What each pass made, with the positions of its inputs; only inputs of one kind share one, the largest first.

        While the device computes a pass, the next one is loaded and sent to it, until both at once have no room. Both
        may raise torch.OutOfMemoryError. Kinds of exact lengths keep networks that feel padding from feeling any.
        Raises DeviceOutOfMemory.
        """
        left = sorted(range(len(sizes)), key=lambda i: (-sizes[i], str(kinds[i]), i))
        done: list[tuple[list[int], Made]] = []
        sent: Batch | None = None
        look_ahead = True
        while left:
            positions = self._next(left, sizes, kinds)
            taken = set(positions)
            rest = [i for i in left if i not in taken]
            following = self._next(rest, sizes, kinds) if look_ahead else []
            with suppress(torch.OutOfMemoryError):
                made, sent = self._pass(positions, sent, following, load, compute)
                done.append((positions, made))
                left = rest
                continue
            # only here, past the exception, is what the failed pass held free again
            sent = None
            if following:
                look_ahead = False  # it may be that only two passes at once have no room
            else:
                self._halve(len(positions), sizes[positions[0]])
        return done

    def _pass(
        self, positions: list[int], sent: Batch | None, following: list[int], load: Load, compute: Compute[Made]
    ) -> tuple[Made, Batch | None]:
        """What came of these positions, and the following ones' batch on its way."""
        batch = self.staging.sent(load(positions)) if sent is None else sent
        wait = compute(positions, self.staging.received(batch))
        ahead = self.staging.sent(load(following)) if following else None
        return wait(), ahead

    def _next(self, left: Sequence[int], sizes: Sequence[int], kinds: Sequence[Hashable]) -> list[int]:
        if not left:
            return []
        most = max(1, self.budget // max(1, sizes[left[0]]))
        alike = [i for i in left if kinds[i] == kinds[left[0]]]
        return alike[:most]

    def _halve(self, n_inputs: int, size: int) -> None:
        if n_inputs == 1:
            raise DeviceOutOfMemory
        self.budget = n_inputs // 2 * size
        torch.cuda.empty_cache()
