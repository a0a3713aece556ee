"""Whisper's encoder in torch: one pass over windows of 30 s, or over as much of each as the clip fills."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

import torch
from jaxtyping import Float32, Int
from torch.nn.functional import gelu

from services.embedder.encoders.staging_torch import Batch
from services.embedder.families.clips_torch import passes_of_audio
from services.embedder.families.fidelity_torch import settled
from services.embedder.families.gathering_torch import Gathering, in_order
from services.embedder.families.runtime_torch import Runtime, runtime_of
from services.embedder.families.whisper import FRAME_SAMPLES, WhisperSizes, card, sizes_of
from services.embedder.families.whisper_mel_torch import WhisperMel, frames_of
from services.embedder.families.whisper_parts_torch import Frames, Seen, WhisperParts, load_parts
from services.embedder.families.windows import Clip, cut, joined
from shared.checkpoints import Checkpoint
from shared.encoders.families import Input, Output, Pooled
from shared.encoders.protocol import EncoderOptions
from shared.units import SAMPLE_RATE_HZ

# Trimmed windows share a pass if their lengths differ by less. Padding is work for nothing on a CPU, while a GPU would
# wait for the next call.
_BUCKET_FRAMES: Final = {"cpu": 1, "cuda": 64}


def load_whisper(checkpoint: Checkpoint, options: EncoderOptions) -> "Whisper":
    """After Radford et al., "Robust speech recognition via large-scale weak supervision" (2022): its encoder.

    Raises MissingLibrary, MissingModel, UnreadableCheckpoint.
    """
    runtime = runtime_of(options)
    parts = load_parts(checkpoint, runtime)
    model = Whisper(parts, sizes_of(checkpoint), runtime, _BUCKET_FRAMES[runtime.device.type])
    return settled(model, card(checkpoint))


class Whisper:
    """Clips longer than the window are cut into windows that follow each other, and pooled together.

    A clip has as many frames of 20 ms as it begins, so at least one, and they alone are pooled. `padded`: the window is
    filled up with silence as the libraries do it; frames that are kept are all of the window's. `trimmed`: the network
    sees the clip's frames alone. Up to `encoder.0` these are the same; attention then misses the silence.
    """

    def __init__(self, parts: WhisperParts, sizes: WhisperSizes, runtime: Runtime, bucket_frames: int) -> None:
        self.parts = parts
        self._window_samples = sizes.window_samples
        self._n_positions = sizes.n_positions
        self.runtime = runtime
        self._bucket_frames = bucket_frames if parts.takes_masks else 1
        self.mel = WhisperMel(sizes.n_mels, sizes.window_samples, runtime.device)
        self._passes = passes_of_audio(runtime.device, SAMPLE_RATE_HZ)

    @property
    def made_with(self) -> Mapping[str, str]:
        """See Model."""
        return self.runtime.made_with

    @property
    def size_bytes(self) -> int:
        """See Model."""
        return self.runtime.size_bytes

    def embed(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> list[Pooled]:
        """See Model. One pass for all outputs with padded windows, one for all with trimmed ones."""
        windows, n_windows = cut(cast("Sequence[Clip]", inputs), self._window_samples)
        n_valid = [frames_of(window.size) for window in windows]
        made: dict[Output, Pooled] = {}
        for trimmed in (False, True):
            if wanted := [output for output in outputs if (output.window == "trimmed") is trimmed]:
                made.update(zip(wanted, self._run(windows, n_valid, wanted, trimmed=trimmed), strict=True))
        return [joined(made[output], n_valid, n_windows, output.pooling) for output in outputs]

    def _run(
        self, windows: Sequence[Clip], n_valid: Sequence[int], outputs: Sequence[Output], *, trimmed: bool
    ) -> list[Pooled]:
        sizes = [n * FRAME_SAMPLES if trimmed else self._window_samples for n in n_valid]
        kinds = [-(-n // self._bucket_frames) if trimmed else 0 for n in n_valid]

        def load(positions: list[int]) -> Batch:
            return self.mel.rows([windows[i] for i in positions]), torch.tensor([n_valid[i] for i in positions])

        def compute(positions: list[int], batch: Batch) -> Callable[[], list[Pooled]]:
            return self._pass(batch, [n_valid[i] for i in positions] if trimmed else None, outputs)

        return in_order(self._passes.run(sizes, kinds, load, compute))

    def _pass(
        self, batch: Batch, n_trimmed: Sequence[int] | None, outputs: Sequence[Output]
    ) -> Callable[[], list[Pooled]]:
        """`n_trimmed`: frames of each window, to which they are trimmed; None: they are padded."""
        rows, n_valid = batch
        gathering = Gathering(outputs, n_valid, n_kept=None if n_trimmed else self._n_positions)
        waiting = set(gathering.layers)
        with self.runtime.passing():
            layers = self._trimmed(rows, n_valid, n_trimmed) if n_trimmed else self._layers(self.mel.padded(rows), None)
            for layer, frames in layers:
                gathering.add(layer, frames)
                waiting.discard(layer)
                if not waiting:  # what is deeper is not computed
                    break
        return gathering.on_host

    def _trimmed(
        self, rows: Float32[torch.Tensor, "windows samples"], n_valid: Int[torch.Tensor, " windows"], n: Sequence[int]
    ) -> Iterator[tuple[str, Frames]]:
        seen = None
        if len(set(n)) > 1:
            seen = (torch.arange(max(n), device=n_valid.device) < n_valid[:, None])[:, None, None]
        return self._layers(self.mel.trimmed(rows), seen, max(n))

    def _layers(
        self, mels: Float32[torch.Tensor, "windows mels mel_frames"], seen: Seen | None, n_frames: int | None = None
    ) -> Iterator[tuple[str, Frames]]:
        """Each layer's name and frames, the next one computed when it is asked for."""
        first, second = self.parts.stem
        frames = gelu(second(gelu(first(mels)))).transpose(1, 2)  # (windows, frames, dim)
        frames = frames[:, :n_frames].contiguous()  # or every sum to come would be laid out as the convolution's
        yield "conv", frames
        frames = frames + self.parts.positions[: frames.shape[1]]
        yield "encoder.0", frames
        for number, block in enumerate(self.parts.blocks, start=1):
            frames = block(frames, seen)
            yield f"encoder.{number}", frames
        yield "encoder", self.parts.norm(frames)
