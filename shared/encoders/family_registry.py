"""Find families of models by name through the entry-point group `earmark.encoder_families`."""

from importlib.metadata import entry_points

from shared.checkpoints import Checkpoint, MissingLibrary, is_file
from shared.distributions import installed
from shared.encoders.families import Family
from shared.errors import PermanentError

GROUP = "earmark.encoder_families"


class UnknownFamily(PermanentError):
    """No installed package offers a family of that name; use one of the known ones."""

    code = "unknown_family"


def family(name: str) -> Family:
    """Raises UnknownFamily, with the known ones."""
    known = entry_points(group=GROUP)
    if name not in known.names:
        raise UnknownFamily(f"No family of models is named {name!r}; known are {', '.join(sorted(known.names))}.")
    found = known[name].load()
    if not isinstance(found, Family):
        raise TypeError(f"{known[name].value} is not a Family")
    return found


def families() -> dict[str, tuple[Family, bool]]:
    """Every family by name, and whether its library is installed, or one of them."""
    known = entry_points(group=GROUP)
    found = {name: family(name) for name in sorted(known.names)}
    return {name: (one, any(map(installed, one.extras.values()))) for name, one in found.items()}


def check_library(of: Family, weights: Checkpoint) -> None:
    """Raises MissingLibrary if what loads this checkpoint is not installed."""
    extra = list(of.extras)[-1 if is_file(weights) else 0]
    if not installed(of.extras[extra]):
        raise MissingLibrary(f"The workers lack the library of {weights.identity}: pip install 'earmark[{extra}]'.")
