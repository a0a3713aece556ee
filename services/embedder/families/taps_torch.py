"""Take what a network computes on its way, and stop where nothing more is wanted."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn


class _Enough(Exception):
    """Everything that was wanted has been seen."""


def run_tapped(run: Callable[[], object], taps: Mapping[nn.Module, Callable[[Any], None]]) -> None:
    """Call `run`, hand the output of each tapped module to its function as it comes, and stop after the last of them.

    Nothing is kept of a layer but what its function keeps, and layers beyond the deepest one cost nothing. Modules
    that `run` does not reach are passed over.
    """
    waiting = dict(taps)

    def seen(module: nn.Module, _inputs: Any, output: Any) -> None:
        if tap := waiting.pop(module, None):
            tap(output)
        if not waiting:
            raise _Enough

    handles = [module.register_forward_hook(seen) for module in taps]
    try:
        run()
    except _Enough:
        pass
    finally:
        for handle in handles:
            handle.remove()
