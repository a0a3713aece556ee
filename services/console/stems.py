"""A file name for every recording that no other recording of the export has."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

_UNSPEAKABLE = re.compile(r"[\s\x00-\x1f\x7f\u2028\u2029\\/:]+")
"""What separates the fields of an RTTM line, or a file name on some system."""


def unique_stems(object_keys: Iterable[str]) -> dict[str, str]:
    """The stem of each key: the file's name without extension, with parent folders before it where two would clash.

    Names that differ in case alone clash too: not every file system can hold both.
    """
    paths = {key: PurePosixPath(key) for key in sorted(set(object_keys))}
    depths = dict.fromkeys(paths, 0)
    while clashing := _clashing({key: _stem(paths[key], depths[key]) for key in paths}):
        growable = [key for key in clashing if depths[key] < len(paths[key].parts) - 1]
        if not growable:
            break
        for key in growable:
            depths[key] += 1
    return _numbered({key: _stem(paths[key], depths[key]) for key in paths})


def _stem(path: PurePosixPath, n_parents: int) -> str:
    parts = (*path.parts[len(path.parts) - 1 - n_parents : -1], path.stem)
    return _UNSPEAKABLE.sub("_", "__".join(parts)) or "_"


def _clashing(stems: dict[str, str]) -> list[str]:
    keys_by_stem = defaultdict(list)
    for key, stem in stems.items():
        keys_by_stem[stem.casefold()].append(key)
    return [key for keys in keys_by_stem.values() if len(keys) > 1 for key in keys]


def _numbered(stems: dict[str, str]) -> dict[str, str]:
    """Tell apart what whole paths cannot: `a.wav` and `a.flac` in one folder."""
    taken: set[str] = set()
    unique = {}
    for key, stem in stems.items():
        candidate, n = stem, 1
        while candidate.casefold() in taken:
            n += 1
            candidate = f"{stem}-{n}"
        taken.add(candidate.casefold())
        unique[key] = candidate
    return unique
