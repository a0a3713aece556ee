"""The encoders and segmenters that running workers offer."""

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console.api.shapes import Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.storage import encoders

router = APIRouter(tags=["models"], dependencies=[Depends(Requires("read", "ingest"))])


class EncoderShown(Shown):
    """An encoder; vectors compare within one `space` only."""

    name: str = Field(examples=["ge2e"])
    space: str
    dimension: int
    spec: dict[str, Any]


class SegmenterShown(Shown):
    """A segmenter."""

    name: str = Field(examples=["vad"])
    spec: dict[str, Any]


@router.get("/v1/encoders")
def known_encoders(console: ConsoleDep) -> list[EncoderShown]:
    """By name."""
    with console.database.begin() as tx:
        return [EncoderShown.model_validate(found) for _, found in sorted(encoders.encoders(tx).items())]


@router.get("/v1/segmenters")
def known_segmenters(console: ConsoleDep) -> list[SegmenterShown]:
    """By name."""
    with console.database.begin() as tx:
        return [SegmenterShown(name=name, spec=spec) for name, spec in encoders.segmenters(tx).items()]
