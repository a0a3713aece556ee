"""Read the files that describe a corpus: JSON and tables, strictly enough that what is wrong is told where it is."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shared.errors import PermanentError

MAX_JSON_BYTES: Final = 64 << 20
_MAX_FIELD_CHARACTERS: Final = 1 << 20


class BrokenMetadata(PermanentError):
    """Fetch the file anew, or mend it where the message says."""

    code = "broken_metadata"


def json_of(path: Path) -> Any:
    """The one JSON document of a file. Raises BrokenMetadata, also for a field that an object names twice."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise BrokenMetadata(f"It has more than {MAX_JSON_BYTES >> 20} MiB.")
        return json_from(path.read_text("utf-8-sig"))
    except OSError as error:
        raise BrokenMetadata(f"It cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise BrokenMetadata("It is not UTF-8.") from None


def json_from(text: str) -> Any:
    """The value. Raises BrokenMetadata."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise BrokenMetadata(f"It is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    except (RecursionError, ValueError) as error:
        raise BrokenMetadata(f"It is not JSON: {type(error).__name__}.") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BrokenMetadata("An object names one field twice.")
    return found


def _constant(text: str) -> float:
    raise BrokenMetadata(f"{text} is not JSON.")


def rows_of(path: Path, delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table by the names of its columns, each with its line; lazily.

    Raises BrokenMetadata for a row with more or fewer cells than columns, and for columns of one name.
    """
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            if not columns or len(set(columns)) != len(columns) or "" in columns:
                raise BrokenMetadata("Its first line does not name each column, once.")
            for cells in reader:
                if len(cells) == len(columns):
                    yield reader.line_num, dict(zip(columns, cells, strict=True))
                elif cells:
                    raise BrokenMetadata(
                        f"Line {reader.line_num} has {len(cells)} cells where {len(columns)} columns are named."
                    )
    except OSError as error:
        raise BrokenMetadata(f"It cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise BrokenMetadata("It is not UTF-8.") from None
    except csv.Error as error:
        raise BrokenMetadata(f"It is no table: {error}.") from error
