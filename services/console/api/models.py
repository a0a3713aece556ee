"""The encoders and segmenters that workers offer, the families of models that they know, and encoders to add."""

from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.api.shapes import Asked, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.encoders.choices import check_window, frames_of, pooling_of
from shared.ledger import dead
from shared.ledger.outbox import announce, publish
from shared.storage import definitions, encoder_removal, encoders, model_families
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


EncoderState = Literal["requested", "ready", "failed", "no_weights", "broken"]
_READING: Final = "embedder.define"
_WITHOUT_WEIGHTS: Final = frozenset({"missing_model", "unknown_model"})


class EncoderShown(Shown):
    """An encoder; vectors compare within one `space` only.

    What people added is `requested` until a worker has read its model, and then `ready`, or `failed` with the reason.
    `no_weights`: they were not on the workers' machine when it was last tried to have them; `broken`: they were, and
    could not be used.
    """

    name: str = Field(examples=["ge2e"])
    state: EncoderState
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


class EncoderTrouble(Shown):
    """An encoder that cannot embed as things stand, and why; see the states of encoders."""

    encoder: str = Field(examples=["ecapa"])
    state: EncoderState
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
    extra: str = Field(description="the extra of Earmark that brings its library; behind a comma that of single files")


class SegmenterShown(Shown):
    """A segmenter."""

    name: str = Field(examples=["vad"])
    spec: dict[str, Any]


@router.get("/v1/encoders")
def known_encoders(console: ConsoleDep) -> list[EncoderShown]:
    """By name."""
    with console.database.begin() as tx:
        return listed(tx)


@router.post("/v1/encoders", status_code=202, dependencies=[Depends(Requires("ingest"))])
def add(console: ConsoleDep, new: NewEncoders) -> EncodersShown:
    """Have workers make encoders of a model's layers. With what stands already, nothing happens.

    What workers gave up to read, since something unforeseen happened to them, is read again.
    """
    wanted = new.definitions()
    with console.database.begin() as tx:
        model_families.check(tx, new.family)
        events = [definitions.request(tx, definition) for definition in wanted]
        publish(tx, [announce(event) for event in events if event is not None])
        names = {definition.name for definition in wanted}
        given_up = dead.by_subject(tx, _READING)
        dead.requeue(tx, [given_up[name].event_id for name in names & given_up.keys()])
        return EncodersShown(items=[one for one in listed(tx) if one.name in names])


@router.get("/v1/encoders/{name}")
def show(console: ConsoleDep, name: str) -> EncoderShown:
    """One encoder."""
    with console.database.begin() as tx:
        found = {one.name: one for one in listed(tx)}
        if name not in found:
            encoders.by_name(tx, name)  # says which there are
    return found[name]


@router.delete("/v1/encoders/{name}", status_code=204, dependencies=[Depends(Requires("ingest"))])
def remove(console: ConsoleDep, name: str) -> None:
    """Remove an encoder that was added, that no collection names, and of which there are no vectors."""
    with console.database.begin() as tx:
        encoder_removal.remove(tx, name)


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


def listed(tx: Transaction) -> list[EncoderShown]:
    """All of them, by name."""
    announced, added = encoders.encoders(tx), definitions.listing(tx)
    for name, letter in dead.by_subject(tx, _READING).items():
        if name in added and added[name].state == "requested":
            added[name] = replace(added[name], state="failed", code=letter.error_code, reason=letter.last_error)
    return [_encoder(name, announced.get(name), added.get(name)) for name in sorted({*announced, *added})]


def troubles(tx: Transaction, names: Collection[str]) -> list[EncoderTrouble]:
    """Those of the named encoders that cannot embed as things stand."""
    return [
        EncoderTrouble(encoder=one.name, state=one.state, code=one.code, reason=one.reason)
        for one in listed(tx)
        if one.name in names and one.state != "ready"
    ]


def _encoder(name: str, announced: StoredEncoder | None, added: Defined | None) -> EncoderShown:
    """What is known of an encoder: of one that is not ready, what was asked for."""
    spec = announced.spec if announced else None
    asked = asdict(added.definition) if added else {}
    facts = {part: (spec or asked).get(part) for part in ("layer", "pooling", "window", "frames", "modality")}
    return EncoderShown(
        name=name,
        state=_state(announced, added),
        family=asked.get("family"),
        model=asked.get("model"),
        pinned=added.pinned if added else None,
        **facts,
        dimension=announced.dimension if announced else None,
        space=announced.space if announced else None,
        spec=spec,
        code=(announced and announced.code) or (added and added.code),
        reason=(announced and announced.reason) or (added and added.reason),
    )


def _state(announced: StoredEncoder | None, added: Defined | None) -> EncoderState:
    if announced is None or announced.code is None:
        return added.state if added else "ready"
    return "no_weights" if announced.code in _WITHOUT_WEIGHTS else "broken"
