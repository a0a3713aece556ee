"""The Descript audio codec in torch, through transformers' own loader."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Shaped
from torch import nn

from services.embedder.families import transformers_torch
from services.embedder.families.clips_torch import samples_per_pass, stacked
from services.embedder.families.gathering_torch import Gathering
from services.embedder.families.passes_torch import Passes
from services.embedder.families.runtime_torch import Runtime, runtime_of, size_of
from services.embedder.families.taps_torch import run_tapped
from services.embedder.families.transformers_library import transformers_library
from shared.checkpoints import Checkpoint
from shared.encoders.families import Input, Output, Pooled
from shared.encoders.protocol import EncoderOptions


def load_dac(checkpoint: Checkpoint, frame_samples: int, multiple_samples: int, options: EncoderOptions) -> "Dac":
    """The encoder and the quantiser, without the decoder; `multiple_samples` is what clips are filled up to a multiple
    of.

    Raises MissingLibrary, MissingModel, UnreadableCheckpoint.
    """
    with transformers_library():
        from transformers import DacModel
    network = transformers_torch.network(DacModel, checkpoint)
    del network.decoder
    return Dac(network, frame_samples, multiple_samples, runtime_of(options))


class Dac:
    """Clips are filled up with silence to whole frames, as the library does; a pass takes clips that are of one length
    then, since more silence would be heard.
    """

    def __init__(self, network: Any, frame_samples: int, multiple_samples: int, runtime: Runtime) -> None:
        self._frame_samples = frame_samples
        self._multiple_samples = multiple_samples
        self._runtime = runtime
        self._network: Any = runtime.moved(network)
        self._passes = Passes(samples_per_pass(runtime.device, network.config.sampling_rate))
        self.size_bytes = size_of(network)

    @property
    def made_with(self) -> Mapping[str, str]:
        """See Model."""
        return self._runtime.made_with

    def embed(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> list[Pooled]:
        """See Model."""
        clips = [clip for clip in inputs if not isinstance(clip, str)]
        sizes = [-(-clip.size // self._multiple_samples) * self._multiple_samples for clip in clips]
        return self._passes.run(
            sizes, sizes, lambda positions: self._pass([clips[i] for i in positions], sizes[positions[0]], outputs)
        )

    def _pass(
        self, clips: Sequence[Float32[np.ndarray, " _samples"]], n_samples: int, outputs: Sequence[Output]
    ) -> list[Pooled]:
        n_frames = n_samples // self._frame_samples
        device = self._runtime.device
        gathering = Gathering(outputs, torch.full((len(clips),), n_frames, device=device))
        values = stacked(clips, device, n_samples)[:, None]  # (clips, samples) -> (clips, 1, samples)
        taps: dict[nn.Module, Callable[[Any], None]] = {}
        if "encoder" in gathering.layers:
            taps[self._network.encoder] = partial(_add, gathering, "encoder")
        if layers := [layer for layer in gathering.layers if layer != "encoder"]:
            taps[self._network.quantizer] = partial(_add_quantised, gathering, layers)
        with self._runtime.passing():
            run_tapped(lambda: self._network.encode(values), taps)
        return gathering.on_host()


def _add(gathering: Gathering, layer: str, made: Shaped[torch.Tensor, "clips dim frames"]) -> None:
    frames: Float[torch.Tensor, "clips frames dim"] = made.transpose(1, 2).float()
    gathering.add(layer, frames)


def _add_quantised(gathering: Gathering, layers: Sequence[str], made: tuple[Any, ...]) -> None:
    quantised, codes, latents = made[:3]
    found = {"quantized": quantised, "codes": codes, "latent": latents}
    for layer in layers:
        _add(gathering, layer, found[layer])
