"""One layer of a model as an encoder; several of one model share its pass."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from services.embedder.defining import output_of
from shared.encoders.families import Input, Model
from shared.encoders.protocol import EncoderSpec
from shared.vectors import unit_rows


class LayerEncoder:
    """Unit rows of one layer, pooled."""

    def __init__(self, spec: EncoderSpec, model: Model) -> None:
        self.spec = spec
        self.model = model
        self.output = output_of(spec)

    def embed(self, clips: Sequence[Input]) -> Float32[np.ndarray, "clips dim"]:
        """One unit row a clip or text. Raises ZeroVector, and what the model raises."""
        if not clips:
            return np.empty((0, self.spec.dimension), np.float32)
        return unit_rows(self.model.embed(clips, [self.output])[0].vectors)
