"""What every corpus is read as: files with what is known of them, and what is wrong with it, one after the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

CAPTIONS: Final = "captions"
"""The attribute that holds the captions of a recording: a list of texts, each of which becomes a text segment."""

MAX_BYTES: Final = 1 << 16
"""Of the attributes of one object, as JSON."""

MAX_NAMES: Final = 200
MAX_NAME_CHARACTERS: Final = 200
MAX_CAPTIONS: Final = 100
MAX_INT: Final = 2**53
"""Beyond it a JSON number is not the same number in every language (RFC 8259, section 6)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a corpus; `key` is its path in the corpus, with slashes, and becomes the end of its object key."""

    path: Path
    key: str
    attributes: dict[str, JSON]
    captions: tuple[str, ...] = ()

    def data(self) -> dict[str, JSON]:
        """Attributes and captions in one, as they are kept."""
        return {**self.attributes, CAPTIONS: list(self.captions)} if self.captions else self.attributes


ProblemCode = Literal[
    "bad_attributes",
    "bad_name",
    "broken_metadata",
    "doubled_contributor",
    "doubled_file",
    "foreign_metadata",
    "missing_file",
    "no_metadata",
    "outside",
    "stray_folder",
    "unnamed_file",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be; it costs what it concerns and nothing else. `path` is in the corpus."""

    code: ProblemCode
    path: str
    detail: str
    split: str | None = None


Entry: TypeAlias = Item | Problem


@dataclass(slots=True)
class Tally:
    """Problems counted by code, and the first ones themselves: a corpus may have a million of them."""

    counts: dict[str, int] = field(default_factory=dict)
    first: list[Problem] = field(default_factory=list)
    most: int = 50

    def add(self, problem: Problem) -> None:
        """Count one."""
        self.counts[problem.code] = self.counts.get(problem.code, 0) + 1
        if len(self.first) < self.most:
            self.first.append(problem)


def why_unfit(data: Mapping[str, JSON]) -> str | None:
    """Why these cannot be an object's attributes, as a sentence; None if they can."""
    return _why_names(data) or _why_captions(data.get(CAPTIONS, [])) or _why_values(data)


def _why_names(data: Mapping[str, JSON]) -> str | None:
    if len(data) > MAX_NAMES:
        return f"There are {len(data)} attributes; {MAX_NAMES} are kept."
    if any(not 0 < len(name) <= MAX_NAME_CHARACTERS for name in data):
        return f"An attribute's name has 1 to {MAX_NAME_CHARACTERS} characters."
    return None


def _why_captions(captions: JSON) -> str | None:
    if not isinstance(captions, list) or not all(isinstance(text, str) and text.strip() for text in captions):
        return f"{CAPTIONS!r} is a list of texts."
    return None if len(captions) <= MAX_CAPTIONS else f"There are {MAX_CAPTIONS} captions at most."


def _why_values(data: Mapping[str, JSON]) -> str | None:
    try:
        n_bytes = len(json.dumps(data, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError:
        return "A text holds half a surrogate pair."
    except ValueError:
        return "A number is not finite."
    if n_bytes > MAX_BYTES:
        return f"The attributes have {n_bytes} bytes as JSON; {MAX_BYTES} are kept."
    pending: list[object] = [data]
    while pending:
        match pending.pop():
            case dict() as found:
                pending.extend((*found, *found.values()))
            case list() as found:
                pending.extend(found)
            case str() as text if "\x00" in text:
                return "A text holds a NUL."
            case int() as number if abs(number) > MAX_INT:
                return "A number is larger than 2^53."
    return None
