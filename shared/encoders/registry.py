"""Find encoders by name through the entry-point group `earmark.encoders`. Reading specs loads no model."""

from functools import cache
from importlib.metadata import EntryPoints, entry_points

from shared.checkpoints import Checkpoint
from shared.distributions import installed
from shared.encoders.protocol import Encoder, EncoderOptions, EncoderPlugin, EncoderSpec
from shared.errors import NotFound

GROUP = "earmark.encoders"


class UnknownEncoder(NotFound):
    """No installed package offers an encoder of that name; use one of the known ones or install its package."""

    code = "unknown_encoder"


def specs() -> dict[str, EncoderSpec]:
    """The spec of every encoder whose libraries are installed, by name, in the order of their names."""
    plugins = {name: _plugin(name) for name in sorted(_installed().names)}
    return {name: plugin.spec for name, plugin in plugins.items() if installed(plugin.requires)}


def spec(name: str) -> EncoderSpec:
    """The spec of one encoder. Raises UnknownEncoder."""
    return _plugin(name).spec


def build(name: str, options: EncoderOptions) -> Encoder:
    """Load a model. Takes seconds, and memory for good: once a worker process, never before a fork.

    Raises UnknownEncoder, and whatever the model says about missing weights.
    """
    return _plugin(name).build(options)


def weights(name: str) -> Checkpoint | None:
    """What an encoder loads, unless a package brings it. Raises UnknownEncoder."""
    return _plugin(name).weights


def names() -> frozenset[str]:
    """Of every encoder that a package offers, whether its libraries are installed or not."""
    return frozenset(_installed().names)


@cache  # it opens a file of every installed package, and is asked for several times a recording
def _installed() -> EntryPoints:
    return entry_points(group=GROUP)


def _plugin(name: str) -> EncoderPlugin:
    installed = _installed()
    if name not in installed.names:
        raise UnknownEncoder(f"No encoder is named {name!r}; known are {', '.join(sorted(installed.names))}.")
    plugin = installed[name].load()
    if not isinstance(plugin, EncoderPlugin):
        raise TypeError(f"{installed[name].value} is not an EncoderPlugin")
    return plugin
