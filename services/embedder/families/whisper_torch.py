"""Whisper's encoder in torch: one pass over windows of 30 s, or over as much of each as the clip fills."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

import torch
from jaxtyping import Float32, Int
from torch.nn.functional import gelu

from services.embedder.families.clips_torch import samples_per_pass
from services.embedder.families.gathering_torch import Gathering
from services.embedder.families.passes_torch import Passes
from services.embedder.families.runtime_torch import Runtime, runtime_of, size_of
from services.embedder.families.whisper import FRAME_SAMPLES, WhisperSizes, sizes_of
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
    return Whisper(parts, sizes_of(checkpoint), runtime, _BUCKET_FRAMES[runtime.device.type])


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
        self._runtime = runtime
        self._bucket_frames = bucket_frames if parts.takes_masks else 1
        self.mel = WhisperMel(sizes.n_mels, sizes.window_samples, runtime.device)
        self._passes = Passes(samples_per_pass(runtime.device, SAMPLE_RATE_HZ))
        self.size_bytes = size_of(parts.network)

    @property
    def made_with(self) -> Mapping[str, str]:
        """See Model."""
        return self._runtime.made_with

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

        def one_pass(positions: list[int]) -> list[Pooled]:
            return self._pass([windows[i] for i in positions], outputs, trimmed=trimmed)

        return self._passes.run(sizes, kinds, one_pass)

    def _pass(self, windows: Sequence[Clip], outputs: Sequence[Output], *, trimmed: bool) -> list[Pooled]:
        n_valid = torch.tensor([frames_of(window.size) for window in windows], device=self._runtime.device)
        gathering = Gathering(outputs, n_valid, n_kept=None if trimmed else self._n_positions)
        waiting = set(gathering.layers)
        with self._runtime.passing():
            layers = self._trimmed(windows, n_valid) if trimmed else self._layers(self.mel.padded(windows), None)
            for layer, frames in layers:
                gathering.add(layer, frames)
                waiting.discard(layer)
                if not waiting:  # what is deeper is not computed
                    break
        return gathering.on_host()

    def _trimmed(self, windows: Sequence[Clip], n_valid: Int[torch.Tensor, " windows"]) -> Iterator[tuple[str, Frames]]:
        n_frames = max(frames_of(window.size) for window in windows)
        seen = None
        if len({frames_of(window.size) for window in windows}) > 1:
            seen = (torch.arange(n_frames, device=n_valid.device) < n_valid[:, None])[:, None, None]
        return self._layers(self.mel.trimmed(windows), seen, n_frames)

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
