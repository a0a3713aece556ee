"""Clotho (Drossos et al., 2020): clips with five captions each; `clotho_csv_files` beside `clotho_audio_files`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.corpora.items import Entry, Item, Problem
from shared.corpora.metadata import BrokenMetadata, rows_of

SPLITS: Final = ("development", "validation", "evaluation")
_TABLES, _AUDIO = "clotho_csv_files", "clotho_audio_files"
_NAME: Final = "file_name"
_CAPTIONS: Final = tuple(f"caption_{k}" for k in range(1, 6))


def read(root: Path, split: str | None = None) -> Iterator[Entry]:
    """Every clip that a table names, split by split in the tables' order."""
    for name in SPLITS:
        table = root / _TABLES / f"clotho_captions_{name}.csv"
        if split in {None, name} and table.is_file():
            yield from _read_split(root, table, name)
        elif split in {None, name} and (root / _AUDIO / name).is_dir():
            yield Problem("no_metadata", f"{_AUDIO}/{name}", f"There is no {_TABLES}/{table.name}.", name)


def _read_split(root: Path, table: Path, split: str) -> Iterator[Entry]:
    named: set[str] = set()
    try:
        for line, row in rows_of(table):
            _check_columns(row)
            yield _clip(root, split, row, line, named)
            named.add(row[_NAME])
    except BrokenMetadata as error:
        yield Problem("broken_metadata", f"{_TABLES}/{table.name}", error.detail, split)


def _check_columns(row: dict[str, str]) -> None:
    if missing := [name for name in (_NAME, *_CAPTIONS) if name not in row]:
        raise BrokenMetadata(f"There is no column {missing[0]!r}.")


def _clip(root: Path, split: str, row: dict[str, str], line: int, named: set[str]) -> Entry:
    name = row[_NAME]
    key = f"{_AUDIO}/{split}/{name}"
    if not name or "/" in name or "\x00" in name or name in {".", ".."}:
        return Problem("bad_name", key, f"Line {line} names no file.", split)
    if name in named:
        return Problem("doubled_file", key, f"Line {line} names it again; the first time counts.", split)
    path = root / _AUDIO / split / name
    if not path.is_file():
        return Problem("missing_file", key, f"Line {line} names it, but it is not there.", split)
    captions = tuple(text for column in _CAPTIONS if (text := row[column].strip()))
    return Item(path, key, {"split": split, "file_name": name}, captions)
