"""What a check of an encoder finds, of clips and of texts."""

from dataclasses import replace

import numpy as np
import pytest

from services.embedder.checking import check_of, examine
from services.embedder.defining import CheckpointChanged
from services.embedder.encoders.spectral import plugin
from services.embedder.layered import LayerEncoder
from shared.encoders.families import Pooled
from shared.encoders.protocol import EncoderOptions, EncoderSpec

TEXT = EncoderSpec("words", "r1", "encoder", "mean", 0, 3, 0.0, "cosine", 0.9, modality="text")


class Letters:
    """Counts vowels, blanks and the rest; `error` grows with the number of batch mates."""

    size_bytes = 3 << 20

    def __init__(self, dtype="float32", error=0.0):
        self.made_with = {"device": "cpu", "dtype": dtype}
        self._error = error

    def embed(self, inputs, outputs):
        rows = [[sum(c in "aeiou" for c in text) + 1, text.count(" "), len(text)] for text in inputs]
        vectors = np.array(rows, np.float32) * (1 + self._error * len(inputs) * np.array([1, 0, 0]))
        return [Pooled(vectors.astype(np.float32)) for _ in outputs]


def test_an_encoder_of_clips_is_measured_in_seconds_of_audio():
    found = examine(plugin.build(EncoderOptions()))
    assert found["passed"]
    assert set(found["promises"]) == {"dimension", "unit_rows", "batched_equals_single", "order_equivariant"}
    assert found["dimension"] == 64
    assert found["audio_s_per_s"] > 0
    assert found["peak_memory_mib"] > 1


def test_an_encoder_of_texts_is_measured_in_characters():
    found = examine(LayerEncoder(TEXT, Letters()))
    assert found["passed"]
    assert found["characters_per_s"] > 0
    assert "audio_s_per_s" not in found
    assert (found["device"], found["dtype"], found["model_mib"]) == ("cpu", "float32", 3.0)


@pytest.mark.parametrize(("dtype", "passed"), [("float32", False), ("bfloat16", True)])
def test_batch_mates_may_count_for_rounding_only(dtype, passed):
    found = examine(LayerEncoder(TEXT, Letters(dtype, error=1e-3)))
    assert found["passed"] is passed
    assert found["promises"]["batched_equals_single"] is passed
    assert 1e-4 < found["largest_difference"] < 1e-2


def test_another_dimension_than_was_announced_is_found():
    found = examine(LayerEncoder(replace(TEXT, dimension=4), Letters()))
    assert (found["passed"], found["promises"]["dimension"]) == (False, False)


def test_an_encoder_that_cannot_be_had_is_a_finding_with_its_code():
    def build():
        raise CheckpointChanged("Other weights.")

    found = check_of("words", build)
    assert (found["passed"], found["code"]) == (False, "checkpoint_changed")
    assert "Other weights." in found["reason"]
