"""The Audio Spectrogram Transformer in torch, through transformers' own loader."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float, Float32
from torch import nn

from services.embedder.encoders.whole_clips import repeated
from services.embedder.families import transformers_torch
from services.embedder.families.ast import FRAME_SAMPLES, HOP_SAMPLES, POOLER, AstSizes
from services.embedder.families.clips_torch import samples_per_pass, stacked
from services.embedder.families.gathering_torch import Gathering
from services.embedder.families.kaldi_mel_torch import KaldiMel
from services.embedder.families.passes_torch import Passes
from services.embedder.families.runtime_torch import Runtime, runtime_of, size_of
from services.embedder.families.taps_torch import run_tapped
from services.embedder.families.transformers_library import transformers_library
from services.embedder.families.windows import Clip, cut, joined
from shared.checkpoints import Checkpoint
from shared.encoders.families import Input, Output, Pooled
from shared.encoders.protocol import EncoderOptions
from shared.units import SAMPLE_RATE_HZ

Tokens = Float[torch.Tensor, "windows tokens dim"]

_N_SPECIAL = 2  # the class token and the distillation token, before the patches


def load_ast(checkpoint: Checkpoint, sizes: AstSizes, options: EncoderOptions) -> "Ast":
    """Raises MissingLibrary, MissingModel, UnreadableCheckpoint."""
    with transformers_library():
        from transformers import ASTModel
    return Ast(transformers_torch.network(ASTModel, checkpoint), sizes, runtime_of(options))


class Ast:
    """Clips longer than the window are cut into windows that follow each other, and pooled together; the last one is
    filled up as the library does it. Clips shorter than one frame of the spectrogram are repeated up to that.

    What is pooled are the patches that begin within the clip, in the order of time; pooling `first` is the class token.
    Frames that are kept are all tokens of the window, in the library's order.
    """

    def __init__(self, network: Any, sizes: AstSizes, runtime: Runtime) -> None:
        self._network: Any = runtime.moved(network)
        self._sizes = sizes
        self._runtime = runtime
        self._mel = KaldiMel(sizes.n_mels, runtime.device)
        self._passes = Passes(samples_per_pass(runtime.device, SAMPLE_RATE_HZ))
        self.size_bytes = size_of(network)

    @property
    def made_with(self) -> Mapping[str, str]:
        """See Model."""
        return self._runtime.made_with

    def embed(self, inputs: Sequence[Input], outputs: Sequence[Output]) -> list[Pooled]:
        """See Model."""
        windows, n_windows = cut(cast("Sequence[Clip]", inputs), self._sizes.window_samples)
        windows = [repeated(window, FRAME_SAMPLES) for window in windows]
        n_valid = [self._sizes.n_valid_columns(window.size) for window in windows]
        sizes = [self._sizes.window_samples] * len(windows)
        made = self._passes.run(sizes, sizes, lambda found: self._pass([windows[i] for i in found], outputs))
        return [joined(one, n_valid, n_windows, output.pooling) for one, output in zip(made, outputs, strict=True)]

    def _pass(self, windows: Sequence[Clip], outputs: Sequence[Output]) -> list[Pooled]:
        device = self._runtime.device
        n_columns = torch.tensor([self._sizes.n_valid_columns(window.size) for window in windows], device=device)
        single = [output for output in outputs if _is_single(output)]
        several = [output for output in outputs if not _is_single(output)]
        tokens = Gathering(single, torch.ones_like(n_columns))
        n_kept = _N_SPECIAL + self._sizes.n_bands * self._sizes.n_columns
        patches = Gathering(several, n_columns * self._sizes.n_bands, n_kept)
        with self._runtime.passing():
            spectrograms = self._spectrograms(windows)
            run_tapped(lambda: self._network(spectrograms), self._taps(tokens, patches))
        made = dict(zip([*single, *several], [*tokens.on_host(), *patches.on_host()], strict=True))
        return [made[output] for output in outputs]

    def _spectrograms(self, windows: Sequence[Clip]) -> Float32[torch.Tensor, "windows frames mels"]:
        """Zeros behind each window's last frame, then scaled, as the library does it."""
        sizes = self._sizes
        mels = self._mel(stacked(windows, self._runtime.device))
        filled = mels.new_zeros(len(windows), sizes.n_frames, sizes.n_mels)
        for row, (of_window, window) in enumerate(zip(mels, windows, strict=True)):
            n_frames = (window.size - FRAME_SAMPLES) // HOP_SAMPLES + 1
            filled[row, :n_frames] = of_window[:n_frames]
        return (filled - sizes.mean) / (2 * sizes.deviation)

    def _taps(self, tokens: Gathering, patches: Gathering) -> dict[nn.Module, Callable[[Any], None]]:
        """By module, since `encoder` and `pooler` come out of one."""
        layers: dict[nn.Module, list[str]] = {}
        for layer in dict.fromkeys([*tokens.layers, *patches.layers]):
            layers.setdefault(self._module(layer), []).append(layer)
        return {module: partial(self._give, tokens, patches, names) for module, names in layers.items()}

    def _module(self, layer: str) -> nn.Module:
        if layer == "embeddings":
            module = self._network.embeddings
        elif layer in ("encoder", POOLER):
            module = self._network.layernorm
        else:
            module = self._network.layers[int(layer.removeprefix("encoder.")) - 1]
        return cast("nn.Module", module)

    def _give(self, tokens: Gathering, patches: Gathering, layers: Sequence[str], made: Tokens) -> None:
        for layer in layers:
            if layer == POOLER:
                tokens.add(layer, made[:, :_N_SPECIAL].mean(dim=1, keepdim=True))
            else:
                tokens.add(layer, made[:, :1])
                patches.add(layer, self._in_time(made), kept=made)

    def _in_time(self, tokens: Tokens) -> Tokens:
        """The patches, column by column, where the library has them band by band."""
        shape = (len(tokens), self._sizes.n_bands, self._sizes.n_columns, tokens.shape[2])
        by_band = tokens[:, _N_SPECIAL:].reshape(shape)
        return by_band.transpose(1, 2).flatten(1, 2)


def _is_single(output: Output) -> bool:
    """Whether it is one token a window, not patches over time."""
    return output.layer == POOLER or output.pooling == "first"
