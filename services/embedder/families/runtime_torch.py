"""Where a network runs and in which numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import nn

from shared.encoders.protocol import EncoderOptions

_MULTIPLYING: Final = (nn.Linear, nn.Conv1d, nn.Conv2d)


@dataclass(slots=True)
class Runtime:
    """A device and the number type of its passes; pooling and what follows are in single precision anyway."""

    device: torch.device
    dtype: torch.dtype
    is_open: bool = False  # whether bfloat16 may still be chosen, see `fidelity_torch`
    _networks: list[nn.Module] = field(default_factory=list)

    @property
    def made_with(self) -> Mapping[str, str]:
        """As it is recorded beside what was made with it."""
        kind = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return {"device": kind, "dtype": str(self.dtype).removeprefix("torch."), "torch": torch.__version__}

    @property
    def size_bytes(self) -> int:
        """Of the networks' parameters and buffers."""
        tensors = [one for network in self._networks for one in (*network.parameters(), *network.buffers())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

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
        self._networks.append(network.requires_grad_(requires_grad=False).eval().to(self.device))
        if self.dtype != torch.float32:
            _convert(_weights(network), self.dtype)
        return network

    def reduce(self) -> Callable[[], None]:
        """Compute in bfloat16 from here on; what it returns takes that back, to the last bit."""
        weights = [one for network in self._networks for one in _weights(network)]
        before = [one.data for one in weights]

        def restore() -> None:
            self.dtype = torch.float32
            for parameter, values in zip(weights, before, strict=True):
                parameter.data = values

        self.dtype = torch.bfloat16
        _convert(weights, self.dtype)
        return restore


def _weights(network: nn.Module) -> list[nn.Parameter]:
    """Of the products that autocast does in fewer bits.

    Not of a library's own kinds of layers, which convert weights by themselves, nor of computed ones.
    """
    layers = [module for module in network.modules() if type(module) in _MULTIPLYING]
    return [parameter for layer in layers for parameter in layer.parameters(recurse=False)]


def _convert(weights: Sequence[nn.Parameter], dtype: torch.dtype) -> None:
    """For good: autocast would do it in each pass anew, as it remembers only what has gradients. The same numbers."""
    for parameter in weights:
        parameter.data = parameter.data.to(dtype)


def runtime_of(options: EncoderOptions) -> Runtime:
    """What the options and this machine make of it; sets the process's torch threads on a CPU.

    With `dtype` auto: bfloat16 on a GPU, and open on a processor that multiplies it.
    """
    wanted = options.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device("cuda:0" if wanted == "cuda" else wanted)
    if device.type == "cpu":
        torch.set_num_threads(options.cpu_threads)
    is_auto = options.dtype == "auto"
    reduced = options.dtype == "bfloat16" or (is_auto and device.type == "cuda")
    is_open = is_auto and device.type == "cpu" and multiplies_bfloat16()
    return Runtime(device, torch.bfloat16 if reduced else torch.float32, is_open)


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for it: AVX512-BF16, and with it AMX wherever that is."""
    return torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 -- torch 2.8 has no other name for it
