"""The encoders and segmenters that workers offer, the families of models that they know, and encoders to add."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.api.shapes import Asked, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.encoders.choices import check_window, frames_of, pooling_of
from shared.ledger.outbox import announce, publish
from shared.storage import definitions, encoders, model_families
from shared.storage.database import Transaction
from shared.storage.definitions import Defined, Definition
from shared.storage.encoders import StoredEncoder

router = APIRouter(tags=["models"], dependencies=[Depends(Requires("read", "ingest"))])

Names = Annotated[list[str], Field(min_length=1, max_length=64)]


class NewEncoders(Asked):
    """One encoder, or one for each layer and pooling of a model.

    Several are called NAME:LAYER:POOLING, with those parts that were named. What is left out is for the model to say.
    """

    name: str = Field(examples=["words"])
    family: str = Field(examples=["whisper"])
    model: str = Field(
        min_length=1,
        description="a path on the workers' machines, OWNER/NAME[@COMMIT] in the hub, or a family's short name for one",
        examples=["openai/whisper-tiny"],
    )
    layers: Names | None = Field(None, examples=[["encoder.2", "encoder.4"]])
    poolings: Names | None = Field(None, examples=[["mean"]])
    window: str | None = Field(None, description="padded or trimmed, for models that look through a window")
    frames: str | None = Field(None, description="float16 or float32: how pooling none keeps frames")

    def definitions(self) -> list[Definition]:
        """One for each pair of layer and pooling. Raises UnknownPooling, UnknownWindow, UnknownFrameType."""
        check_window(self.window)
        layers: list[str | None] = [*dict.fromkeys(self.layers)] if self.layers else [None]
        poolings: list[str | None] = [*dict.fromkeys(self.poolings)] if self.poolings else [None]
        several = len(layers) * len(poolings) > 1
        return [
            Definition(
                name=":".join(filter(None, (self.name, layer, pooling))) if several else self.name,
                family=self.family,
                model=self.model,
                layer=layer,
                pooling=pooling_of(pooling),
                window=self.window,
                frames=self._frames(pooling, several=several),
            )
            for layer in layers
            for pooling in poolings
        ]

    def _frames(self, pooling: str | None, *, several: bool) -> str | None:
        """Of several poolings, only `none` keeps frames."""
        known = pooling_of(pooling)
        return frames_of(None if several and known != "none" else self.frames, known)


class EncoderShown(Shown):
    """An encoder; vectors compare within one `space` only.

    What people added is `requested` until a worker has read its model, and then `ready`, or `failed` with the reason.
    """

    name: str = Field(examples=["ge2e"])
    state: Literal["requested", "ready", "failed"]
    family: str | None = Field(description="null: it comes with a package")
    model: str | None
    pinned: str | None = Field(description="the model with its commit, or its whole path")
    modality: str | None
    layer: str | None
    pooling: str | None
    window: str | None
    frames: str | None
    dimension: int | None
    space: str | None
    spec: dict[str, Any] | None
    code: str | None
    reason: str | None


class EncodersShown(Shown):
    """Several encoders."""

    items: list[EncoderShown]


class FamilyShown(Shown):
    """A family of models: what `family` of a new encoder can be. `installed`: whether the workers have its library."""

    name: str = Field(examples=["whisper"])
    installed: bool
    modality: str
    models: dict[str, str] = Field(description="short names, and where the hub has each")
    extra: str = Field(description="the extra of Earmark that brings its library")


class SegmenterShown(Shown):
    """A segmenter."""

    name: str = Field(examples=["vad"])
    spec: dict[str, Any]


@router.get("/v1/encoders")
def known_encoders(console: ConsoleDep) -> list[EncoderShown]:
    """By name."""
    with console.database.begin() as tx:
        return _shown(tx)


@router.post("/v1/encoders", status_code=202, dependencies=[Depends(Requires("ingest"))])
def add(console: ConsoleDep, new: NewEncoders) -> EncodersShown:
    """Have workers make encoders of a model's layers. With what stands already, nothing happens."""
    wanted = new.definitions()
    with console.database.begin() as tx:
        model_families.check(tx, new.family)
        events = [definitions.request(tx, definition) for definition in wanted]
        publish(tx, [announce(event) for event in events if event is not None])
        names = {definition.name for definition in wanted}
        return EncodersShown(items=[one for one in _shown(tx) if one.name in names])


@router.get("/v1/encoders/{name}")
def show(console: ConsoleDep, name: str) -> EncoderShown:
    """One encoder."""
    with console.database.begin() as tx:
        found = {one.name: one for one in _shown(tx)}
    if name not in found:
        raise encoders.UnknownEncoder(f"No encoder {name!r}; known are: {', '.join(found) or 'none yet'}.")
    return found[name]


@router.get("/v1/encoder-families")
def known_families(console: ConsoleDep) -> list[FamilyShown]:
    """By name."""
    with console.database.begin() as tx:
        return [FamilyShown(**asdict(family)) for family in model_families.listing(tx).values()]


@router.get("/v1/segmenters")
def known_segmenters(console: ConsoleDep) -> list[SegmenterShown]:
    """By name."""
    with console.database.begin() as tx:
        return [SegmenterShown(name=name, spec=spec) for name, spec in encoders.segmenters(tx).items()]


def _shown(tx: Transaction) -> list[EncoderShown]:
    announced, added = encoders.encoders(tx), definitions.listing(tx)
    return [_encoder(name, announced.get(name), added.get(name)) for name in sorted({*announced, *added})]


def _encoder(name: str, announced: StoredEncoder | None, added: Defined | None) -> EncoderShown:
    """What is known of an encoder: of one that is not ready, what was asked for."""
    spec = announced.spec if announced else None
    asked = asdict(added.definition) if added else {}
    facts = {part: (spec or asked).get(part) for part in ("layer", "pooling", "window", "frames", "modality")}
    return EncoderShown(
        name=name,
        state=added.state if added else "ready",
        family=asked.get("family"),
        model=asked.get("model"),
        pinned=added.pinned if added else None,
        **facts,
        dimension=announced.dimension if announced else None,
        space=announced.space if announced else None,
        spec=spec,
        code=added.code if added else None,
        reason=added.reason if added else None,
    )
