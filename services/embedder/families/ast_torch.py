"""The Audio Spectrogram Transformer in torch, through transformers' own loader."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float, Float32, Int
from torch import nn

from services.embedder.encoders.staging_torch import Batch
from services.embedder.encoders.whole_clips import repeated
from services.embedder.families import transformers_torch
from services.embedder.families.ast import FRAME_SAMPLES, HOP_SAMPLES, POOLER, AstSizes, card
from services.embedder.families.clips_torch import passes_of_audio, stacked
from services.embedder.families.fidelity_torch import settled
from services.embedder.families.gathering_torch import Gathering, in_order
from services.embedder.families.kaldi_mel_torch import KaldiMel
from services.embedder.families.runtime_torch import Runtime, runtime_of
from services.embedder.families.taps_torch import run_tapped
from services.embedder.families.transformers_library import transformers_library
from services.embedder.families.windows import Clip, cut, joined
from shared.checkpoints import Checkpoint
from shared.encoders.families import Input, Output, Pooled
from shared.encoders.protocol import EncoderOptions
from shared.units import SAMPLE_RATE_HZ

Tokens = Float[torch.Tensor, "windows tokens dim"]
Rows = Float32[torch.Tensor, "windows samples"]
Counts = Int[torch.Tensor, " windows"]

_N_SPECIAL = 2  # the class token and the distillation token, before the patches


def load_ast(checkpoint: Checkpoint, sizes: AstSizes, options: EncoderOptions) -> "Ast":
    """Raises MissingLibrary, MissingModel, UnreadableCheckpoint."""
    with transformers_library():
        from transformers import ASTModel
    model = Ast(transformers_torch.network(ASTModel, checkpoint), sizes, runtime_of(options))
    return settled(model, card(checkpoint))


class Ast:
    """Clips longer than the window are cut into windows that follow each other, and pooled together; the last one is
    filled up as the library does it. Clips shorter than one frame of the spectrogram are repeated up to that.

    What is pooled are the patches that begin within the clip, in the order of time; pooling `first` is the class token.
    Frames that are kept are all tokens of the window, in the library's order.
    """

    def __init__(self, network: Any, sizes: AstSizes, runtime: Runtime) -> None:
        self._network: Any = runtime.moved(network)
        self._sizes = sizes
        self.runtime = runtime
        self._mel = KaldiMel(sizes.n_mels, runtime.device)
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
        """See Model."""
        windows, n_windows = cut(cast("Sequence[Clip]", inputs), self._sizes.window_samples)
        windows = [repeated(window, FRAME_SAMPLES) for window in windows]
        n_valid = [self._sizes.n_valid_columns(window.size) for window in windows]
        sizes = [self._sizes.window_samples] * len(windows)

        def load(positions: list[int]) -> Batch:
            return stacked([windows[i] for i in positions]), torch.tensor([n_valid[i] for i in positions])

        def compute(positions: list[int], batch: Batch) -> Callable[[], list[Pooled]]:
            rows, n_columns = batch
            return self._pass([windows[i].size for i in positions], rows, n_columns, outputs)

        made = in_order(self._passes.run(sizes, sizes, load, compute))
        return [joined(one, n_valid, n_windows, output.pooling) for one, output in zip(made, outputs, strict=True)]

    def _pass(
        self, n_samples: Sequence[int], rows: Rows, n_columns: Counts, outputs: Sequence[Output]
    ) -> Callable[[], list[Pooled]]:
        single = [output for output in outputs if _is_single(output)]
        several = [output for output in outputs if not _is_single(output)]
        tokens = Gathering(single, torch.ones_like(n_columns))
        n_kept = _N_SPECIAL + self._sizes.n_bands * self._sizes.n_columns
        patches = Gathering(several, n_columns * self._sizes.n_bands, n_kept)
        with self.runtime.passing():
            spectrograms = self._spectrograms(n_samples, rows)
            run_tapped(lambda: self._network(spectrograms), self._taps(tokens, patches))

        def wait() -> list[Pooled]:
            made = dict(zip([*single, *several], [*tokens.on_host(), *patches.on_host()], strict=True))
            return [made[output] for output in outputs]

        return wait

    def _spectrograms(self, n_samples: Sequence[int], rows: Rows) -> Float32[torch.Tensor, "windows frames mels"]:
        """Zeros behind each window's last frame, then scaled, as the library does it."""
        sizes = self._sizes
        mels = self._mel(rows)
        filled = mels.new_zeros(len(rows), sizes.n_frames, sizes.n_mels)
        for row, (of_window, n) in enumerate(zip(mels, n_samples, strict=True)):
            n_frames = (n - FRAME_SAMPLES) // HOP_SAMPLES + 1
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
