"""wav2vec 2.0 and its kin in torch, through transformers' own loader."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import nn

from services.embedder.encoders.staging_torch import Batch
from services.embedder.encoders.whole_clips import repeated
from services.embedder.families import transformers_torch
from services.embedder.families.clips_torch import passes_of_audio, stacked
from services.embedder.families.fidelity_torch import settled
from services.embedder.families.gathering_torch import Gathering, in_order
from services.embedder.families.runtime_torch import Runtime, runtime_of
from services.embedder.families.taps_torch import run_tapped
from services.embedder.families.transformers_library import transformers_library
from services.embedder.families.wav2vec2 import card, min_samples, n_frames
from shared.checkpoints import Checkpoint
from shared.encoders.families import Input, Output, Pooled
from shared.encoders.protocol import EncoderOptions

Frames = Float[torch.Tensor, "clips frames dim"]
Channels = Float[torch.Tensor, "clips channels frames"]
Counts = Int[torch.Tensor, " clips"]

_FEEL_PADDING: Final = frozenset({"data2vec-audio"})
"""Several convolutions in a row before the attention: each carries what the one before left behind the clip's end."""

_UNMASKED: Final[Mapping[str, Any]] = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}
"""Masks are for training. Without them the network has no vector to fill them with, which not every file holds."""


def load_wav2vec2(checkpoint: Checkpoint, config: Mapping[str, Any], options: EncoderOptions) -> "Wav2Vec2":
    """After Baevski et al., "wav2vec 2.0" (2020), and what followed it, as transformers runs it.

    Raises MissingLibrary, MissingModel, UnreadableCheckpoint.
    """
    with transformers_library():
        from transformers import AutoFeatureExtractor, AutoModel
    extractor = transformers_torch.pretrained(AutoFeatureExtractor, checkpoint)
    network = transformers_torch.network(AutoModel, checkpoint, **_UNMASKED)
    return settled(Wav2Vec2(network, extractor, config, runtime_of(options)), card(checkpoint))


class Wav2Vec2:
    """Clips of several lengths share a pass and have the vectors that each would have alone, where the network can be
    kept from feeling the padding; else only clips of one length do. Clips shorter than what makes a frame are repeated
    up to that.
    """

    def __init__(self, network: Any, extractor: Any, config: Mapping[str, Any], runtime: Runtime) -> None:
        self._config = config
        self._min_samples = min_samples(config)
        self._extractor = extractor
        self.runtime = runtime
        self._norm = _over_valid_frames(network)
        self._network: Any = runtime.moved(network)
        self._exact = config["model_type"] in _FEEL_PADDING or bool(config.get("conv_pos_batch_norm"))
        self._passes = passes_of_audio(runtime.device, extractor.sampling_rate)

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
        clips = [clip for clip in inputs if not isinstance(clip, str)]
        sizes = [max(clip.size, self._min_samples) for clip in clips]
        kinds = sizes if self._exact else [0] * len(sizes)

        def load(positions: list[int]) -> Batch:
            return self._loaded([clips[i] for i in positions], [sizes[i] for i in positions])

        def compute(positions: list[int], batch: Batch) -> Callable[[], list[Pooled]]:
            return self._pass(batch, outputs, mixed=len({sizes[i] for i in positions}) > 1)

        return in_order(self._passes.run(sizes, kinds, load, compute))

    def _prepared(self, clip: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " _samples"]:
        """Long enough, and scaled by the library's extractor as the checkpoint wants it: alone, before any padding."""
        enough = repeated(clip, self._min_samples)
        made = self._extractor(enough, sampling_rate=self._extractor.sampling_rate)
        return np.asarray(made["input_values"][0], np.float32)

    def _loaded(self, raw: Sequence[Float32[np.ndarray, " _samples"]], sizes: Sequence[int]) -> Batch:
        """Rows of samples; how many are each clip's, how many frames it has, and how many after one convolution."""
        rows = stacked([self._prepared(clip) for clip in raw])
        n_valid = [n_frames(self._config, n) for n in sizes]
        n_normed = [n_frames(self._config, n, n_convolutions=1) for n in sizes]
        return rows, torch.tensor(sizes), torch.tensor(n_valid), torch.tensor(n_normed)

    def _pass(self, batch: Batch, outputs: Sequence[Output], *, mixed: bool) -> Callable[[], list[Pooled]]:
        rows, n_samples, n_valid, n_normed = batch
        gathering = Gathering(outputs, n_valid)
        mask = _mask(n_samples, rows.shape[1]) if mixed else None
        with self.runtime.passing(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")  # WavLM's own masks
            if self._norm is not None:
                self._norm.n_valid = n_normed if mixed else None
            run_tapped(lambda: self._network(rows, attention_mask=mask), self._taps(gathering))
        return gathering.on_host

    def _taps(self, gathering: Gathering) -> dict[nn.Module, Callable[[Any], None]]:
        taps: dict[nn.Module, Callable[[Any], None]] = {}
        for layer in gathering.layers:
            module, frames_of = self._tapped(layer)
            taps[module] = partial(_give, gathering, layer, frames_of)
        return taps

    def _tapped(self, layer: str) -> tuple[nn.Module, Callable[[Any], Frames]]:
        """Where a layer comes out, and how its frames are found in what comes out there."""
        network = self._network
        if layer == "cnn":
            norm = getattr(network.feature_projection, "layer_norm", None)
            # some of HuBERT's have no norm between convolutions and projection
            return (norm, _first) if norm is not None else (network.feature_extractor, lambda o: o.transpose(1, 2))
        if layer == "projection":
            return network.feature_projection, _first
        if layer == "encoder":
            return network.encoder, lambda output: output.last_hidden_state
        n = int(layer.removeprefix("encoder."))
        # what dropout leaves as it is goes into the first block
        return (network.encoder.layers[n - 1] if n else network.encoder.dropout), _first


def _give(gathering: Gathering, layer: str, frames_of: Callable[[Any], Frames], output: Any) -> None:
    gathering.add(layer, frames_of(output))


def _first(output: Any) -> Frames:
    """What a module gives, or the first of several things that it gives."""
    frames: Frames = output[0] if isinstance(output, tuple) else output
    return frames


def _mask(n_samples: Counts, longest: int) -> Int[torch.Tensor, "clips samples"]:
    return (torch.arange(longest, device=n_samples.device) < n_samples[:, None]).long()


class _ValidGroupNorm(nn.Module):
    """A group a channel, normalised over its valid frames: what is padded has no part in mean and variance."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.norm = norm
        self.n_valid: Int[torch.Tensor, " clips"] | None = None  # None: all frames are

    def forward(self, frames: Channels) -> Channels:
        """What the group norm alone would make of each clip alone."""
        if self.n_valid is None:
            normed: Channels = self.norm(frames)
            return normed
        n_valid = self.n_valid[:, None, None]
        inside = torch.arange(frames.shape[2], device=frames.device) < n_valid  # (clips, 1, frames)
        centred = frames.float().masked_fill(~inside, 0.0)
        centred = (centred - centred.sum(2, keepdim=True) / n_valid).masked_fill(~inside, 0.0)
        variance = centred.square().sum(2, keepdim=True) / n_valid
        scale = self.norm.weight[:, None] * torch.rsqrt(variance + self.norm.eps)
        return centred * scale + self.norm.bias[:, None]


def _over_valid_frames(network: Any) -> _ValidGroupNorm | None:
    """Put our norm in the place of the first convolution's, if it is one over time."""
    first = network.feature_extractor.conv_layers[0]
    if not isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
        return None
    norm = first.layer_norm = _ValidGroupNorm(first.layer_norm)
    return norm
