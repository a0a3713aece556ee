"""In which numbers networks compute on a CPU: what bfloat16 keeps of their vectors, and when it is taken unasked."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from services.embedder.families import ast, fidelity_torch, roberta, runtime_torch, sentence, wav2vec2, whisper
from services.embedder.families.fidelity_torch import pays, settled
from services.embedder.families.runtime_torch import Runtime, runtime_of
from shared.checkpoints import LocalCheckpoint
from shared.encoders.families import Card, Output, Pooled
from shared.encoders.protocol import EncoderOptions
from shared.vectors import unit_rows
from tests.support import tiny_audio, tiny_texts, tiny_whisper

CARD = Card("plain-1", "audio", 16_000, {"first": 2, "last": 2}, "last")


def options(dtype):
    return EncoderOptions(device="cpu", dtype=dtype)


@pytest.fixture(scope="module")
def tiny_en(models):
    return LocalCheckpoint(tiny_whisper.tiny_en_folder(models / "number-types-tiny.en"))


@pytest.fixture(scope="module")
def spoken(bridge):
    return [bridge.read(start, start + 24_000) for start in range(16_000, 160_000, 24_000)]


MAKERS = {
    "wav2vec2": (wav2vec2.family, tiny_audio.wav2vec2),
    "wavlm": (wav2vec2.family, lambda folder: tiny_audio.wav2vec2(folder, "WavLM")),
    "ast": (ast.family, tiny_audio.ast),
    "whisper": (whisper.family, tiny_whisper.untrained_folder),
    "roberta": (roberta.family, tiny_texts.tiny_text_network),
    "sentence": (sentence.family, tiny_texts.tiny_sentence_encoder),
}


@pytest.fixture(scope="module", params=MAKERS)
def loaded(request, models, spoken):
    """A function from a number type to a model, what it reads, and an output of each of its layers."""
    family, make = MAKERS[request.param]
    weights = LocalCheckpoint(make(models / f"number-types-{request.param}"))
    card = family.card(weights)
    window = card.windows[-1] if card.windows else None
    inputs = ["Who said that?", "Nobody."] if card.modality == "text" else spoken[:2]
    return lambda dtype: family.load(weights, options(dtype)), inputs, [Output(n, "mean", window) for n in card.layers]


def vectors(model, inputs, outputs):
    return [made.vectors for made in model.embed(inputs, outputs)]


def test_weights_kept_in_bfloat16_make_the_numbers_that_autocast_makes(loaded):
    load, inputs, outputs = loaded
    kept, converting = load("bfloat16"), load("float32")
    converting.runtime.dtype = torch.bfloat16  # with its weights in single precision, as autocast alone has them
    assert kept.size_bytes < 0.95 * converting.size_bytes
    for one, other in zip(vectors(kept, inputs, outputs), vectors(converting, inputs, outputs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_reduced_on_trial_comes_back_to_the_last_bit(loaded):
    load, inputs, outputs = loaded
    model = load("float32")
    before, size_bytes = vectors(model, inputs, outputs), model.size_bytes
    restore = model.runtime.reduce()
    assert model.made_with["dtype"] == "bfloat16"
    assert any((one != other).any() for one, other in zip(vectors(model, inputs, outputs), before, strict=True))
    restore()
    assert (model.made_with["dtype"], model.size_bytes) == ("float32", size_bytes)
    for one, other in zip(vectors(model, inputs, outputs), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_half_the_bits_keep_the_direction_of_speech(tiny_en, spoken):
    outputs = [Output(layer, "mean", "trimmed") for layer in whisper.family.card(tiny_en).layers]
    full, half = (vectors(whisper.family.load(tiny_en, options(d)), spoken, outputs) for d in ("float32", "bfloat16"))
    assert min((unit_rows(a) * unit_rows(b)).sum(1).min() for a, b in zip(full, half, strict=True)) > 0.999


@pytest.mark.parametrize(
    ("cosine", "gain", "taken"),
    [(0.9995, 2.0, True), (0.9985, 5.0, False), (1.0, 1.1, False), (float("nan"), 5.0, False)],
)
def test_bfloat16_is_taken_where_it_is_faithful_and_pays(cosine, gain, taken):
    assert pays(cosine, gain) is taken


@pytest.mark.parametrize(
    ("able", "dtype", "is_open"), [(True, "auto", True), (False, "auto", False), (True, "float32", False)]
)
def test_it_is_an_open_question_where_nobody_has_chosen_and_the_processor_multiplies_it(
    monkeypatch, able, dtype, is_open
):
    monkeypatch.setattr(runtime_torch, "multiplies_bfloat16", lambda: able)
    runtime = runtime_of(options(dtype))
    assert (runtime.is_open, runtime.dtype) == (is_open, torch.float32)


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self):
        return self.now_s


@dataclass
class Model:
    """Whose passes take so long, and in bfloat16 a part of that, if they end; there its last layer is turned."""

    clock: Clock
    gain: float = 2.0
    angle: float = 0.0
    breaks: bool = False
    runtime: Runtime = field(default_factory=lambda: Runtime(torch.device("cpu"), torch.float32, is_open=True))
    made_with: dict[str, str] = field(default_factory=dict)
    size_bytes: int = 0

    def embed(self, inputs, outputs):
        reduced = self.runtime.dtype == torch.bfloat16
        if reduced and self.breaks:
            raise RuntimeError("not implemented for 'BFloat16'")
        self.clock.now_s += 1 / self.gain if reduced else 1
        turned = [np.cos(self.angle), np.sin(self.angle)] if reduced else [1, 0]
        rows = {"first": [1, 0], "last": turned}
        return [Pooled(np.array([rows[output.layer]] * len(inputs), np.float32)) for output in outputs]


@pytest.mark.parametrize(
    ("change", "dtype"),
    [
        ({}, torch.bfloat16),
        ({"angle": 0.04}, torch.bfloat16),
        ({"angle": 0.05}, torch.float32),  # a cosine of 0.99875
        ({"angle": float("nan")}, torch.float32),
        ({"gain": 1.2}, torch.float32),
        ({"breaks": True}, torch.float32),
    ],
)
def test_a_trial_at_loading_decides_once(monkeypatch, change, dtype):
    clock = Clock()
    monkeypatch.setattr(fidelity_torch, "process_time", clock)
    model = settled(Model(clock, **change), CARD)
    assert (model.runtime.dtype, model.runtime.is_open) == (dtype, False)
    took_s = clock.now_s
    settled(model, CARD)
    assert clock.now_s == took_s


def test_on_a_processor_that_multiplies_it_a_whisper_computes_in_bfloat16(tiny_en, monkeypatch):
    monkeypatch.setattr(fidelity_torch, "LEAST_GAIN", 0.0)  # what it gains on this busy machine is not asked
    dtype = "bfloat16" if runtime_torch.multiplies_bfloat16() else "float32"
    assert whisper.family.load(tiny_en, options("auto")).made_with["dtype"] == dtype
