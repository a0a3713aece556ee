"""The corpora that can be imported, by name."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from shared.corpora import clotho, manifest, sap, speech_commands
from shared.corpora.items import Entry, Item, Problem, why_unfit
from shared.errors import InvalidRequest


class Kind(StrEnum):
    """What a folder holds."""

    sap = "sap"
    clotho = "clotho"
    speech_commands = "speech-commands"
    manifest = "manifest"


class UnknownSplit(InvalidRequest):
    """Name a split that the corpus has."""

    code = "unknown_split"


_READERS: Final[Mapping[Kind, Callable[[Path, str | None], Iterator[Entry]]]] = {
    Kind.sap: sap.read,
    Kind.clotho: clotho.read,
    Kind.speech_commands: speech_commands.read,
    Kind.manifest: manifest.read,
}
_SPLITS: Final = {
    Kind.sap: sap.SPLITS,
    Kind.clotho: clotho.SPLITS,
    Kind.speech_commands: speech_commands.SPLITS,
}


def read(kind: Kind, place: Path, split: str | None = None) -> Iterator[Entry]:
    """The entries of a corpus, lazily and in the same order each time; what cannot be kept of an item is a problem.

    Raises UnknownSplit.
    """
    known = _SPLITS.get(kind)
    if split is not None and known is not None and split not in known:
        raise UnknownSplit(f"{split!r} is none of {', '.join(known)}.")
    for entry in _READERS[kind](place, split):
        reason = why_unfit(entry.data()) if isinstance(entry, Item) else None
        yield Problem("bad_attributes", entry.key, reason) if isinstance(entry, Item) and reason else entry
