"""Speech Commands (Warden, 2018): `<word>/<speaker hash>_nohash_<take>.wav`, split by two lists of files."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.corpora.items import Entry, Item, Problem
from shared.corpora.metadata import BrokenMetadata

SPLITS: Final = ("training", "validation", "testing", "background")
_LISTED: Final = ("validation", "testing")
_BACKGROUND: Final = "_background_noise_"
_UTTERANCE: Final = re.compile(r"(?P<speaker>[0-9a-f]+)_nohash_(?P<take>\d{1,9})\.(?:wav|flac)")
_SOUNDS: Final = (".wav", ".flac")


def read(root: Path, split: str | None = None) -> Iterator[Entry]:
    """Every recording, word by word; those that are in neither list, if there is one, are for training."""
    listed: dict[str, str] = {}
    for name in _LISTED:
        path = root / f"{name}_list.txt"
        try:
            listed |= dict.fromkeys(_list(path), name) if path.exists() else {}
        except BrokenMetadata as error:
            yield Problem("broken_metadata", path.name, error.detail)
    for word in _names(root):
        if (root / word).is_dir():
            for name in _names(root / word):
                entry = _recording(root, word, name, listed)
                if entry is not None and (split is None or entry_split(entry) == split):
                    yield entry
    for key, of in sorted(listed.items()):  # what is left was not found
        if split in {None, of}:
            yield Problem("missing_file", key, f"{of}_list.txt names it, but it is not there.", of)


def entry_split(entry: Entry) -> str | None:
    """The split that an entry belongs to."""
    return entry.split if isinstance(entry, Problem) else str(entry.attributes["split"])


def _recording(root: Path, word: str, name: str, listed: dict[str, str]) -> Entry | None:
    key, path = f"{word}/{name}", root / word / name
    if not name.lower().endswith(_SOUNDS):
        return None
    if word == _BACKGROUND:
        return Item(path, key, {"split": "background"})
    found = _UTTERANCE.fullmatch(name)
    split = listed.pop(key, "training")
    if found is None:
        return Problem("bad_name", key, "It is not named <speaker hash>_nohash_<take>.wav.", split)
    return Item(path, key, {"word": word, "speaker": found["speaker"], "take": int(found["take"]), "split": split})


def _list(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line.strip() for line in file if line.strip())
    except OSError as error:
        raise BrokenMetadata(f"It cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise BrokenMetadata("It is not UTF-8.") from None


def _names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208  # of strings
