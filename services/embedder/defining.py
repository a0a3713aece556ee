"""From what a person asked for to a space: which layer of which checkpoint, pooled how. Loads no model."""

from collections.abc import Mapping

from shared.encoders.choices import UnknownWindow, frames_of, pooling_of
from shared.encoders.families import Card, Output, Window
from shared.encoders.protocol import EncoderSpec
from shared.errors import PermanentError
from shared.storage.definitions import Definition


class UnknownLayer(PermanentError):
    """The checkpoint has no such layer; the message lists those that it has."""

    code = "unknown_layer"


class CheckpointChanged(PermanentError):
    """The weights are not those that the encoder was added with, and would make other vectors under its name. Put the
    old ones back, or add the new ones under a name of their own.
    """

    code = "checkpoint_changed"


def spec_of(definition: Definition, card: Card) -> EncoderSpec:
    """The space. Raises UnknownLayer, UnknownPooling, UnknownWindow, UnknownFrameType."""
    layer = definition.layer or card.default_layer
    if layer not in card.layers:
        raise UnknownLayer(f"{definition.model} has no layer {layer!r}; it has {_listed(card.layers)}.")
    output = Output(layer, pooling_of(definition.pooling), _window(definition, card))
    return EncoderSpec(
        name=definition.name,
        revision=card.identity,
        layer=layer,
        pooling=output.pooling,
        sample_rate_hz=card.sample_rate_hz,
        dimension=card.layers[layer] * (2 if output.pooling == "stats" else 1),
        min_duration_s=card.min_duration_s,
        metric="cosine",
        assign_threshold=card.assign_threshold,
        modality=card.modality,
        window=output.window,
        frames=frames_of(definition.frames, output.pooling),
    )


def output_of(spec: EncoderSpec) -> Output:
    """What a space wants of its model."""
    return Output(spec.layer, spec.pooling, spec.window)  # type: ignore[arg-type]  # made by `spec_of`


def _window(definition: Definition, card: Card) -> Window | None:
    if definition.window is None:
        return card.windows[0] if card.windows else None
    for window in card.windows:
        if window == definition.window:
            return window
    known = ", ".join(card.windows) or "none, since it takes input of any length"
    raise UnknownWindow(f"{definition.model} has no window {definition.window!r}; it has {known}.")


def _listed(layers: Mapping[str, int]) -> str:
    return ", ".join(layers)
