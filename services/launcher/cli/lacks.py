"""What the stack lacks for its work, as `missing` of the API names it, in a sentence each."""

from typing import Final

_PROGRESS: Final = "progress of "
_ANNOUNCED: Final = {"encoders": "an encoder", "segmenters": "a segmenter"}


def lack(name: str) -> str:
    """What is not there, and where to look."""
    if name.startswith(_PROGRESS):
        return f"Work of {name.removeprefix(_PROGRESS)} is due, and nobody does any; see its log, and earmark doctor."
    if name in _ANNOUNCED:
        return f"No worker has announced {_ANNOUNCED[name]}; see earmark doctor."
    if name == "database":
        return "The database does not answer; see earmark doctor."
    return f"{name} is not seen: what it does waits; see its log, and earmark doctor."
