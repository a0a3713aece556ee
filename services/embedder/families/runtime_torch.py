"""Where a network runs and in which numbers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from shared.encoders.protocol import EncoderOptions


@dataclass(frozen=True, slots=True)
class Runtime:
    """A device and the number type of its passes; pooling and what follows are in single precision anyway."""

    device: torch.device
    dtype: torch.dtype

    @property
    def made_with(self) -> Mapping[str, str]:
        """As it is recorded beside what was made with it."""
        kind = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return {"device": kind, "dtype": str(self.dtype).removeprefix("torch."), "torch": torch.__version__}

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Inference, with matrix products in `dtype`; single precision means all of its bits."""
        reduced = self.dtype != torch.float32
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
            torch.autocast(self.device.type, dtype=self.dtype, enabled=reduced),
        ):
            yield

    def moved(self, network: nn.Module) -> nn.Module:
        """The network on the device, without gradients, for inference."""
        return network.requires_grad_(requires_grad=False).eval().to(self.device)


def runtime_of(options: EncoderOptions) -> Runtime:
    """What the options and this machine make of it; sets the process's torch threads on a CPU.

    bfloat16 on a GPU and, with `dtype` auto or bfloat16, on a CPU that multiplies it (AMX or AVX512-BF16).
    """
    wanted = options.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device("cuda:0" if wanted == "cuda" else wanted)
    if device.type == "cpu":
        torch.set_num_threads(options.cpu_threads)
    return Runtime(device, _dtype(options.dtype, device))


def _dtype(wanted: str, device: torch.device) -> torch.dtype:
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if wanted == "bfloat16":
        return torch.bfloat16
    return torch.float32


def size_of(network: nn.Module) -> int:
    """Bytes of its parameters and buffers."""
    tensors = [*network.parameters(), *network.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
