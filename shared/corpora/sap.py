"""The Speech Accessibility Project's release on a disk: `{Train,Dev,Test}/<CONTRIBUTOR_ID>/`, JSON and WAVs.

Only folders that hold `<CONTRIBUTOR_ID>.json` count; folders named after the outer tars are duplicates of them.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.corpora.items import JSON, Entry, Item, Problem
from shared.corpora.metadata import BrokenMetadata, json_of

SPLITS: Final = ("Train", "Dev", "Test")  # releases have had the first two so far
ETIOLOGIES: Final = ("Parkinson's Disease", "ALS", "Cerebral Palsy", "Down Syndrome", "Stroke")
"""Of the release, most frequent first."""

_OF_OUTER_TARS: Final = "SpeechAccessibility_"


class _Part(BaseModel):
    """Of the metadata only what is named here is read; the questionnaire is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Prompt(_Part):
    text: str | None = Field(None, alias="Prompt Text")
    transcript: str | None = Field(None, alias="Transcript")
    category: str | None = Field(None, alias="Category Description")
    sub_category: str | None = Field(None, alias="Sub Category Description")


class _Rating(_Part):
    level: str | int | float | None = Field(None, alias="Level")
    dimension: str | None = Field(None, alias="Dimension Description")
    category: str | None = Field(None, alias="Dimension Category Description")


class _File(_Part):
    filename: str = Field(alias="Filename", pattern=r"^[^/\\\x00]+$")
    prompt: _Prompt | None = Field(None, alias="Prompt")
    ratings: tuple[_Rating, ...] | None = Field(None, alias="Ratings")


class Contributor(_Part):
    """One contributor's JSON file, as far as Earmark uses it."""

    contributor_id: str = Field(alias="Contributor ID")
    etiology: str | None = Field(None, alias="Etiology")
    files: tuple[_File, ...] = Field(alias="Files")


def read(root: Path, split: str | None = None) -> Iterator[Entry]:
    """Every WAV that some contributor's metadata name, contributor by contributor in the order of their ids."""
    if split is None:
        for folder in _folders(root):
            if folder.name not in SPLITS:
                yield Problem("stray_folder", folder.name, f"Only {', '.join(SPLITS)} hold contributors.")
    for name in SPLITS:
        if split in {None, name} and (root / name).is_dir():
            for contributor in _folders(root / name):
                yield from _read_folder(root, name, contributor)


def _read_folder(root: Path, split: str, folder: Path) -> Iterator[Entry]:
    key, metadata = f"{split}/{folder.name}", f"{folder.name}/{folder.name}.json"
    if folder.name.startswith(_OF_OUTER_TARS):
        yield Problem("stray_folder", key, "It is named after an outer tar and duplicates the contributors.", split)
    elif not (root / split / metadata).is_file():
        yield Problem("no_metadata", key, f"There is no {folder.name}.json in it.", split)
    elif before := [s for s in SPLITS[: SPLITS.index(split)] if (root / s / metadata).is_file()]:
        yield Problem("doubled_contributor", key, f"The contributor is in {before[0]} already.", split)
    else:
        yield from _read_contributor(folder, split)


def _read_contributor(folder: Path, split: str) -> Iterator[Entry]:
    key = f"{split}/{folder.name}"
    try:
        contributor = parse(folder / f"{folder.name}.json")
    except BrokenMetadata as error:
        yield Problem("broken_metadata", f"{key}/{folder.name}.json", error.detail, split)
        return
    if contributor.contributor_id != folder.name:
        detail = f"It is of contributor {contributor.contributor_id!r}."
        yield Problem("foreign_metadata", f"{key}/{folder.name}.json", detail, split)
        return
    present = {entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(".wav")}
    named: set[str] = set()
    for file in contributor.files:
        path = f"{key}/{file.filename}"
        if file.filename in named:
            yield Problem("doubled_file", path, "The metadata name it twice; the first time counts.", split)
        elif file.filename not in present:
            yield Problem("missing_file", path, "The metadata name it, but it is not there.", split)
        else:
            yield Item(folder / file.filename, path, _attributes(contributor, split, file))
        named.add(file.filename)
    for name in sorted(present - named):
        yield Problem("unnamed_file", f"{key}/{name}", "No metadata name it.", split)


def etiologies(root: Path) -> set[str]:
    """Those of all contributors whose metadata can be read."""
    found: set[str] = set()
    for path in (path for split in SPLITS for path in (root / split).glob("*/*.json") if path.stem == path.parent.name):
        with suppress(BrokenMetadata):
            found.update(filter(None, [parse(path).etiology]))
    return found


def parse(path: Path) -> Contributor:
    """Raises BrokenMetadata."""
    try:
        return Contributor.model_validate(json_of(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BrokenMetadata(f"{place or 'The whole'}: {first['msg']}.") from None


def _attributes(contributor: Contributor, split: str, file: _File) -> dict[str, JSON]:
    prompt = file.prompt or _Prompt()
    ratings: list[JSON] = [
        {"dimension": r.dimension, "category": r.category, "level": r.level} for r in file.ratings or ()
    ]
    found: dict[str, JSON] = {
        "contributor_id": contributor.contributor_id,
        "etiology": contributor.etiology,
        "split": split,
        "category": prompt.category,
        "sub_category": prompt.sub_category,
        "prompt": prompt.text,
        "transcript": prompt.transcript,
        "ratings": ratings or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _folders(parent: Path) -> list[Path]:
    """By name; hidden ones are nobody's."""
    return sorted(Path(entry.path) for entry in os.scandir(parent) if entry.is_dir() and not entry.name.startswith("."))
