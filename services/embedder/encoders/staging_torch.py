"""Batches on their way to a device while it computes another one."""

import torch

Batch = tuple[torch.Tensor, ...]


class Staging:
    """Copies out of pinned memory, on a stream of their own; on a CPU everything is where it is wanted already.

    The host waits for nothing: what it prepares next, and the copy of that, go on beside the passes. torch hands a
    pinned buffer out again once its copy is done, so that two of them take turns.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def sent(self, batch: Batch) -> Batch:
        """The batch on the device, once it is `received`. Raises torch.OutOfMemoryError."""
        if self._copying is None:
            return batch
        with torch.cuda.stream(self._copying):
            return tuple(one.pin_memory().to(self._device, non_blocking=True) for one in batch)

    def received(self, batch: Batch) -> Batch:
        """What was sent, for whatever is computed from here on: the device waits for the copies, not the host."""
        if self._copying is not None:
            computing = torch.cuda.current_stream(self._device)
            computing.wait_stream(self._copying)
            for one in batch:
                one.record_stream(computing)  # or its memory would be the next copy's as soon as Python lets it go
        return batch
