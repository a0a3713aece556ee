"""Any corpus that has a table: CSV, TSV or JSON lines with a column `path`; every other column is an attribute."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from shared.corpora.items import CAPTIONS, JSON, Entry, Item, Problem
from shared.corpora.metadata import BrokenMetadata, json_from, rows_of
from shared.errors import InvalidRequest

NAMES: Final = ("manifest.csv", "manifest.tsv", "manifest.jsonl")
_PATH: Final = "path"


class NoManifest(InvalidRequest):
    """Name the manifest itself, or a folder with one that is called manifest.csv, manifest.tsv or manifest.jsonl."""

    code = "no_manifest"


def read(place: Path, split: str | None = None) -> Iterator[Entry]:
    """Every row's file, in the manifest's order; paths are relative to it and stay below it.

    Types are kept in JSON lines; in a table every value is a text, and an empty cell is none. `captions` in JSON lines
    and columns `caption` or `caption_<k>` in tables are captions. Raises NoManifest.
    """
    manifest = place if place.is_file() else next((p for n in NAMES if (p := place / n).is_file()), None)
    if manifest is None:
        raise NoManifest(f"There is no manifest in {place}.")
    seen: set[int] = set()  # hashes: a million of them are small
    try:
        for line, row in _rows(manifest):
            if split is None or row.get("split") == split:
                yield _once(_item(manifest.parent, line, row), line, seen)
    except BrokenMetadata as error:
        yield Problem("broken_metadata", manifest.name, error.detail)


def _once(entry: Entry, line: int, seen: set[int]) -> Entry:
    if isinstance(entry, Problem):
        return entry
    mark = hash(entry.key)
    if mark in seen:
        return Problem("doubled_file", entry.key, f"Line {line} names it again; the first time counts.")
    seen.add(mark)
    return entry


def _rows(manifest: Path) -> Iterator[tuple[int, dict[str, JSON]]]:
    if manifest.suffix.lower() in {".jsonl", ".ndjson", ".json"}:
        yield from _json_lines(manifest)
        return
    for line, cells in rows_of(manifest, "\t" if manifest.suffix.lower() == ".tsv" else ","):
        row: dict[str, JSON] = {name: cell for name, cell in cells.items() if cell}
        captions: list[JSON] = [row.pop(name) for name in cells if _is_caption(name) and name in row]
        yield line, row | ({CAPTIONS: captions} if captions else {})


def _is_caption(column: str) -> bool:
    return column == "caption" or (column.startswith("caption_") and column.removeprefix("caption_").isdigit())


def _json_lines(manifest: Path) -> Iterator[tuple[int, dict[str, JSON]]]:
    try:
        with manifest.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json_from(line)
                if not isinstance(row, dict):
                    raise BrokenMetadata(f"Line {number} is no JSON object.")
                yield number, row
    except OSError as error:
        raise BrokenMetadata(f"It cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise BrokenMetadata("It is not UTF-8.") from None


def _item(folder: Path, line: int, row: dict[str, JSON]) -> Entry:
    named = row.pop(_PATH, None)
    if not isinstance(named, str) or not named or "\x00" in named:
        return Problem("bad_name", f"line {line}", f"It has no {_PATH!r}.")
    place = PurePosixPath(named)
    if place.is_absolute() and place.is_relative_to(folder.as_posix()):
        place = place.relative_to(folder.as_posix())
    if place.is_absolute() or ".." in place.parts:
        return Problem("outside", named, f"Line {line} leads out of the manifest's folder.")
    if not (folder / place).is_file():
        return Problem("missing_file", str(place), f"Line {line} names it, but it is not there.")
    captions = row.pop(CAPTIONS, [])
    if not isinstance(captions, list) or not all(isinstance(text, str) and text.strip() for text in captions):
        return Problem("bad_attributes", str(place), f"In line {line}, {CAPTIONS!r} is no list of texts.")
    return Item(folder / place, str(place), row, tuple(str(text) for text in captions))
