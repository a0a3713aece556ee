"""The Descript audio codec (Kumar et al. 2023) by transformers, its encoder and quantiser; light before `load`."""

import math
from dataclasses import replace
from typing import Any, Final

from services.embedder.families.library_family import LibraryFamily
from services.embedder.families.transformers_files import config_of, extractor_of
from shared.checkpoints import Checkpoint
from shared.encoders.families import Card, Model
from shared.encoders.protocol import EncoderOptions
from shared.units import seconds

_REVISION: Final = 1  # of the code here and in `dac_torch`, where it decides a vector's value

MODELS: Final = {
    "16khz": "descript/dac_16khz",
    "24khz": "descript/dac_24khz",
    "44khz": "descript/dac_44khz",
}


def card(checkpoint: Checkpoint) -> Card:
    """Layers `encoder`, `latent`, `quantized` and `codes`; see docs/encoders.md for where each is taken.

    Raises UnreadableCheckpoint, MissingModel.
    """
    config = config_of(checkpoint, "dac")
    n_codebooks = config["n_codebooks"]
    dimension = config["encoder_hidden_size"] * 2 ** len(config["downsampling_ratios"])
    rate_hz = config["sampling_rate"]
    return Card(
        identity=f"{checkpoint.identity}-{_REVISION}",
        modality="audio",
        sample_rate_hz=rate_hz,
        layers={
            "encoder": dimension,
            "latent": n_codebooks * config["codebook_dim"],
            "quantized": dimension,
            "codes": n_codebooks,
        },
        default_layer="latent",
        min_duration_s=seconds(samples_per_frame(config), rate_hz),
    )


def samples_per_frame(config: dict[str, Any]) -> int:
    """320 in the published models of 16 and 24 kHz, 512 in that of 44.1 kHz."""
    return math.prod(config["downsampling_ratios"])


def precise(options: EncoderOptions) -> EncoderOptions:
    """With single precision for `auto`, on a GPU too: what is rounded has other codes."""
    return replace(options, dtype="float32") if options.dtype == "auto" else options


def _load(checkpoint: Checkpoint, options: EncoderOptions) -> Model:
    from services.embedder.families.dac_torch import load_dac

    config = config_of(checkpoint, "dac")
    multiple_samples = extractor_of(checkpoint)["hop_length"]
    return load_dac(checkpoint, samples_per_frame(config), multiple_samples, precise(options))


family: Final = LibraryFamily("dac", MODELS, card, _load)
