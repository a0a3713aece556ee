"""The Descript audio codec in torch, through transformers' own loader."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import torch
from jaxtyping import Float, Float32, Shaped
from torch import nn

from services.embedder.encoders.staging_torch import Batch
from services.embedder.families import transformers_torch
from services.embedder.families.chunks import Chunk, chunked
from services.embedder.families.clips_torch import passes_of_audio, stacked
from services.embedder.families.gathering_torch import Gathering, in_order
from services.embedder.families.runtime_torch import Runtime, runtime_of
from services.embedder.families.taps_torch import run_tapped
from services.embedder.families.transformers_library import transformers_library
from services.embedder.families.windows import Clip, joined
from shared.checkpoints import Checkpoint
from shared.encoders.families import Input, Output, Pooled
from shared.encoders.protocol import EncoderOptions
from shared.units import samples

_CHUNK_S: Final = 10.0  # of which the first convolution makes 40 MB at 16 kHz, and 110 MB at 44.1 kHz


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
    """Clips are filled up with silence to whole frames, as the library does; a pass takes what is of one length then,
    since more silence would be heard. Long clips go through in chunks, and have the frames that they have whole.
    """

    def __init__(self, network: Any, frame_samples: int, multiple_samples: int, runtime: Runtime) -> None:
        self._frame_samples = frame_samples
        self._multiple_samples = multiple_samples
        self._runtime = runtime
        self._network: Any = runtime.moved(network)
        rate_hz = network.config.sampling_rate
        self._chunk_frames = samples(_CHUNK_S, rate_hz) // frame_samples
        self._margin_frames = -(-reach(network.encoder) // frame_samples)
        self._passes = passes_of_audio(runtime.device, rate_hz)

    @property
    def made_with(self) -> Mapping[str, str]:
        """See Model."""
        return self._runtime.made_with

    @property
    def size_bytes(self) -> int:
        """See Model."""
        return self._runtime.size_bytes

    def embed(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> list[Pooled]:
        """See Model."""
        clips = [clip for clip in inputs if not isinstance(clip, str)]
        of_clips = [chunked(self._n_frames(clip.size), self._chunk_frames, self._margin_frames) for clip in clips]
        chunks = [(clip, chunk) for clip, mine in zip(clips, of_clips, strict=True) for chunk in mine]
        sizes = [(chunk.seen_end - chunk.seen_begin) * self._frame_samples for _, chunk in chunks]
        kinds = [
            (size, chunk.n_before, chunk.end - chunk.begin) for size, (_, chunk) in zip(sizes, chunks, strict=True)
        ]

        def load(positions: list[int]) -> Batch:
            seen = [self._seen(*chunks[i]) for i in positions]
            return (stacked(seen, sizes[positions[0]])[:, None],)  # (chunks, samples) -> (chunks, 1, samples)

        def compute(positions: list[int], batch: Batch) -> Callable[[], list[Pooled]]:
            return self._pass(batch[0], chunks[positions[0]][1], outputs)

        made = in_order(self._passes.run(sizes, kinds, load, compute))
        n_valid, n_chunks = [chunk.end - chunk.begin for _, chunk in chunks], [len(mine) for mine in of_clips]
        return [joined(one, n_valid, n_chunks, output.pooling) for one, output in zip(made, outputs, strict=True)]

    def _n_frames(self, n_samples: int) -> int:
        filled = -(-n_samples // self._multiple_samples) * self._multiple_samples
        return filled // self._frame_samples

    def _seen(self, clip: Clip, chunk: Chunk) -> Clip:
        return clip[chunk.seen_begin * self._frame_samples : chunk.seen_end * self._frame_samples]

    def _pass(
        self, rows: Float32[torch.Tensor, "chunks 1 samples"], chunk: Chunk, outputs: Sequence[Output]
    ) -> Callable[[], list[Pooled]]:
        """`chunk`: any of them, as they are alike."""
        own = slice(chunk.n_before, chunk.n_before + chunk.end - chunk.begin)
        gathering = Gathering(outputs, torch.full((len(rows),), chunk.end - chunk.begin, device=rows.device))
        taps: dict[nn.Module, Callable[[Any], None]] = {}
        if "encoder" in gathering.layers:
            taps[self._network.encoder] = partial(_add, gathering, own, "encoder")
        if layers := [layer for layer in gathering.layers if layer != "encoder"]:
            taps[self._network.quantizer] = partial(_add_quantised, gathering, own, layers)
        with self._runtime.passing():
            run_tapped(lambda: self._network.encode(rows), taps)
        return gathering.on_host


def reach(encoder: nn.Module) -> int:
    """How many samples a frame sees on either side of its own, of convolutions that follow each other."""
    n_samples, step = 0, 1
    for module in encoder.modules():
        if isinstance(module, nn.Conv1d):
            seen = module.dilation[0] * (module.kernel_size[0] - 1)
            before = int(module.padding[0])
            n_samples += max(before, seen - before) * step
            step *= module.stride[0]
    return n_samples


def _add(gathering: Gathering, own: slice, layer: str, made: Shaped[torch.Tensor, "chunks dim frames"]) -> None:
    frames: Float[torch.Tensor, "chunks own_frames dim"] = made.transpose(1, 2)[:, own].float()
    gathering.add(layer, frames)


def _add_quantised(gathering: Gathering, own: slice, layers: Sequence[str], made: tuple[Any, ...]) -> None:
    quantised, codes, latents = made[:3]
    found = {"quantized": quantised, "codes": codes, "latent": latents}
    for layer in layers:
        _add(gathering, own, layer, found[layer])
