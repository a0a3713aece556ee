"""A transformer over texts: windows of tokens through the network, its layers pooled on the device."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import torch
from jaxtyping import Float, Float32, Int
from torch import nn

from services.embedder.encoders.passes_torch import Passes
from services.embedder.encoders.staging_torch import Batch, Staging
from services.embedder.families.gathering_torch import Gathering, in_order
from services.embedder.families.runtime_torch import runtime_of
from services.embedder.families.taps_torch import run_tapped
from services.embedder.families.text_tokens_torch import TextReader
from services.embedder.families.windows import joined
from shared.encoders.families import Input, Output, Pooled
from shared.encoders.protocol import EncoderOptions

_TOKENS_PER_PASS: Final = {"cpu": 2048, "cuda": 16_384}  # padded ones; as for audio, see `clips_torch`
SENTENCE: Final = "sentence"

Frames = Float[torch.Tensor, "windows tokens dim"]
Tokens = Int[torch.Tensor, "windows tokens"]
Counts = Int[torch.Tensor, " windows"]
Sentences = Callable[[Frames, Counts], Float32[torch.Tensor, "windows pooled"]]
"""A checkpoint's own way from the last layer to one vector a window."""


class TextModel:
    """See `shared.encoders.families.Model`. Special tokens are pooled with the others, as the library's mask has them.

    So `first` is the token that opens a text, and `last` the one that closes it. A text of several windows is pooled
    over the tokens of all of them, each with its own special tokens; the layer `sentence` has one frame a window.
    """

    def __init__(
        self, network: nn.Module, reader: TextReader, options: EncoderOptions, sentences: Sentences | None = None
    ) -> None:
        self.runtime = runtime_of(options)
        self._network: Any = self.runtime.moved(network)
        self._reader = reader
        self._sentences = sentences
        device = self.runtime.device
        self._passes = Passes(_TOKENS_PER_PASS[device.type], Staging(device))

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
        of_texts = self._reader.windows([text for text in inputs if isinstance(text, str)])
        windows = [window for of_text in of_texts for window in of_text]
        sizes = [len(window) for window in windows]

        def load(positions: list[int]) -> Batch:
            rows = [torch.tensor(windows[i]) for i in positions]
            padded = nn.utils.rnn.pad_sequence(rows, True, self._reader.tokenizer.pad_token_id)
            return padded, torch.tensor([sizes[i] for i in positions])

        def compute(_positions: list[int], batch: Batch) -> Callable[[], list[Pooled]]:
            tokens, n_valid = batch
            return self._pass(tokens, n_valid, outputs)

        made = in_order(self._passes.run(sizes, [0] * len(sizes), load, compute))
        n_windows = [len(of_text) for of_text in of_texts]
        return [
            joined(one, [1] * len(sizes) if output.layer == SENTENCE else sizes, n_windows, output.pooling)
            for one, output in zip(made, outputs, strict=True)
        ]

    def _pass(self, tokens: Tokens, n_valid: Counts, outputs: Sequence[Output]) -> Callable[[], list[Pooled]]:
        of_tokens = Gathering([output for output in outputs if output.layer != SENTENCE], n_valid)
        of_windows = Gathering([output for output in outputs if output.layer == SENTENCE], torch.ones_like(n_valid))
        inside = torch.arange(tokens.shape[1], device=tokens.device) < n_valid[:, None]
        with self.runtime.passing():
            taps = self._taps(of_tokens, of_windows, n_valid)
            run_tapped(partial(self._network, input_ids=tokens, attention_mask=inside.long()), taps)

        def wait() -> list[Pooled]:
            made = {False: iter(of_tokens.on_host()), True: iter(of_windows.on_host())}
            return [next(made[output.layer == SENTENCE]) for output in outputs]

        return wait

    def _taps(
        self, of_tokens: Gathering, of_windows: Gathering, n_valid: Counts
    ) -> dict[nn.Module, Callable[[Any], None]]:
        """By module, since the last block's output goes by several names."""
        layers: dict[nn.Module, list[str]] = {}
        for layer in (*of_tokens.layers, *of_windows.layers):
            layers.setdefault(self._module(layer), []).append(layer)

        def tap(names: Sequence[str], output: Any) -> None:
            frames = output[0] if isinstance(output, tuple) else output
            for name in names:
                if name == SENTENCE and self._sentences is not None:
                    of_windows.add(
                        name, self._sentences(frames, n_valid)[:, None]
                    )  # (windows, dim) -> (windows, 1, dim)
                else:
                    of_tokens.add(name, frames)

        return {module: partial(tap, names) for module, names in layers.items()}

    def _module(self, layer: str) -> nn.Module:
        if layer == "embeddings":
            module: nn.Module = self._network.embeddings
            return module
        number = layer.removeprefix("encoder.")
        block: nn.Module = self._network.encoder.layer[int(number) - 1 if number.isdigit() else -1]
        return block
