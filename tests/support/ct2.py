"""Whisper's weights out of CTranslate2's file into the form of OpenAI's library: the same numbers under other names."""

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

_DTYPES: Final = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_HEAD_WIDTH: Final = 64

# CTranslate2's name of a linear or normalizing layer, and OpenAI's, below the same block.
_OF_A_BLOCK: Final = {
    "self_attention/layer_norm": "attn_ln",
    "self_attention/linear_1": "attn.out",
    "attention/layer_norm": "cross_attn_ln",
    "attention/linear_0": "cross_attn.query",
    "attention/linear_2": "cross_attn.out",
    "ffn/layer_norm": "mlp_ln",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
}
# Of these, CTranslate2 keeps several in one matrix, one below the other.
_STACKED: Final = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
}
_OUTSIDE: Final = {
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
    "encoder/layer_norm": "encoder.ln_post",
    "decoder/layer_norm": "decoder.ln",
}
_TABLES: Final = {
    "encoder/position_encodings/encodings": "encoder.positional_embedding",
    "decoder/position_encodings/encodings": "decoder.positional_embedding",
    "decoder/embeddings/weight": "decoder.token_embedding.weight",
}
_PARTS: Final = {"weight": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}

Arrays = Mapping[str, np.ndarray]


def read_ct2(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `model.bin`, by name; aliases and scalars included."""
    with path.open("rb") as file:
        _number(file, "I")  # the format's version
        _name(file)  # of the kind of model
        _number(file, "I")  # its revision
        arrays = dict(_array(file) for _ in range(_number(file, "I")))
        for _ in range(_number(file, "I")):
            alias = _name(file)
            arrays[alias] = arrays[_name(file)]
    return arrays


def openai_checkpoint(arrays: Arrays) -> dict[str, Any]:
    """What `torch.save` has to write for `whisper.load_model`: dimensions, and half-precision tensors by name."""
    import torch

    state = {name: torch.from_numpy(value.astype(np.float16)) for name, value in _renamed(arrays).items()}
    return {"dims": _dimensions(state), "model_state_dict": state}


def _renamed(arrays: Arrays) -> dict[str, np.ndarray]:
    state: dict[str, np.ndarray] = {}
    for name, value in arrays.items():
        layer, _, part = name.rpartition("/")
        if name in _TABLES:
            state[_TABLES[name]] = value
        elif layer in _OUTSIDE and part in _PARTS:
            state[f"{_OUTSIDE[layer]}.{_PARTS[part]}"] = value
        elif block := re.fullmatch(r"(encoder|decoder)/layer_(\d+)/(.+)", layer):
            state.update(_of_a_block(f"{block[1]}.blocks.{block[2]}", block[3], part, value))
    return state


def _of_a_block(block: str, layer: str, part: str, value: np.ndarray) -> dict[str, np.ndarray]:
    if part not in _PARTS:
        return {}
    if layer in _OF_A_BLOCK:
        return {f"{block}.{_OF_A_BLOCK[layer]}.{_PARTS[part]}": value}
    targets = _STACKED.get(layer, ())
    pieces = np.split(value, len(targets)) if targets else []
    named = {f"{block}.{target}.{_PARTS[part]}": piece for target, piece in zip(targets, pieces, strict=True)}
    return {name: piece for name, piece in named.items() if not name.endswith(".key.bias")}  # OpenAI's keys have none


def _dimensions(state: Mapping[str, Any]) -> dict[str, int]:
    width, n_mels, _ = state["encoder.conv1.weight"].shape
    shared = {
        f"n_{side}_{name}": number
        for side in ("audio", "text")
        for name, number in {
            "state": width,
            "head": width // _HEAD_WIDTH,
            "layer": len({name.split(".")[2] for name in state if name.startswith("encoder.blocks.")}),
        }.items()
    }
    return {
        **shared,
        "n_mels": n_mels,
        "n_audio_ctx": len(state["encoder.positional_embedding"]),
        "n_text_ctx": len(state["decoder.positional_embedding"]),
        "n_vocab": len(state["decoder.token_embedding.weight"]),
    }


def _number(file: BinaryIO, kind: str) -> int:
    value: int = struct.unpack(f"<{kind}", file.read(struct.calcsize(kind)))[0]
    return value


def _name(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _array(file: BinaryIO) -> tuple[str, np.ndarray]:
    name = _name(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    dtype = _DTYPES[_number(file, "B")]
    return name, np.frombuffer(file.read(_number(file, "I")), dtype).reshape(shape)
