"""Segmenters by name, from the entry-point group `earmark.segmenters`."""

from importlib.metadata import entry_points
from typing import Final

from services.ingest.segmenters.protocol import Segmenter, SegmenterPlugin, SegmenterSpec
from shared.distributions import installed
from shared.errors import NotFound

GROUP: Final = "earmark.segmenters"


class UnknownSegmenter(NotFound):
    """No installed package offers a segmenter of that name; `earmark segmenters list` shows those that exist."""

    code = "unknown_segmenter"


def specs() -> dict[str, SegmenterSpec]:
    """The specs of all segmenters whose libraries are installed, by name; no model is loaded."""
    plugins = {name: plugin(name) for name in _names()}
    return {name: found.spec for name, found in plugins.items() if installed(found.requires)}


def build(name: str) -> Segmenter:
    """Load the segmenter's model and make it ready. Raises UnknownSegmenter, and what the model's loading raises."""
    return plugin(name).build()


def plugin(name: str) -> SegmenterPlugin:
    """The plug-in of that name. Raises UnknownSegmenter."""
    for entry_point in entry_points(group=GROUP, name=name):
        found: SegmenterPlugin = entry_point.load()
        return found
    raise UnknownSegmenter(f"There is no segmenter {name!r}; there are {', '.join(_names())}.")


def _names() -> list[str]:
    return sorted({entry_point.name for entry_point in entry_points(group=GROUP)})
