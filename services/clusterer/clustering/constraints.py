"""Make clusters obey what people said. Never puts two named speakers into one cluster.

A voice is what people hold together: rows named alike; or one row that was parted from another. Two voices are apart
if their names differ or if a person parted them. Where the two wishes collide, apart wins.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int64

from services.clusterer.clustering.groups import with_singles, without_singles
from services.clusterer.clustering.types import UNNAMED, Said


def obey(
    rows: Float32[np.ndarray, "rows dim"], labels: Int64[np.ndarray, " rows"], said: Said
) -> Int64[np.ndarray, " rows"]:
    """Split clusters that hold voices which are apart, then bring each voice together.

    A split cluster's rows follow the nearest of its voices by mean cosine. Clusters that share a voice become one,
    unless that would bring two voices together which are apart: then only the voice's own rows move. A row left alone
    is noise.
    """
    voices = _Voices(said)
    if not voices.of_row:
        return labels
    shelf = _Shelf(with_singles(labels), voices)
    shelf.split(rows)
    shelf.gather()
    return without_singles(shelf.groups)


class _Voices:
    """Which rows are one voice by what people said, and which voices are apart."""

    def __init__(self, said: Said) -> None:
        self._name: dict[int, int] = {}  # of a voice, which goes by its first row
        self._apart: dict[int, set[int]] = defaultdict(set)  # of a voice, both ways
        self.of_row = dict(sorted(self._heard(said).items()))

    def _heard(self, said: Said) -> dict[int, int]:
        first_named: dict[int, int] = {}
        voices: dict[int, int] = {}
        for row in map(int, np.flatnonzero(said.speakers != UNNAMED)):
            name = int(said.speakers[row])
            voices[row] = first_named.setdefault(name, row)
            self._name[voices[row]] = name
        for left, right in said.apart.tolist():
            one, other = voices.setdefault(left, left), voices.setdefault(right, right)
            if one != other:  # two rows of one name were named after they were parted
                self._apart[one].add(other)
                self._apart[other].add(one)
        return voices

    def apart(self, left: int, right: int) -> bool:
        names = self._name.get(left), self._name.get(right)
        return (None not in names and names[0] != names[1]) or right in self._apart.get(left, ())


@dataclass
class _Shelf:
    """The groups while they are put in order."""

    groups: Int64[np.ndarray, " rows"]
    voices: _Voices
    inside: dict[int, dict[int, list[int]]] = field(default_factory=dict)  # group, voice: the voice's rows there

    def __post_init__(self) -> None:
        for row, voice in self.voices.of_row.items():
            self.inside.setdefault(int(self.groups[row]), {}).setdefault(voice, []).append(row)

    def _collide(self, one: int, other: int) -> bool:
        return any(self.voices.apart(a, b) for a in self.inside[one] for b in self.inside[other])

    def split(self, rows: Float32[np.ndarray, "rows dim"]) -> None:
        """Part the groups that hold voices which are apart."""
        for group in sorted(self.inside):
            present = self.inside[group]
            seeds = [v for v in present if any(self.voices.apart(v, other) for other in present)]
            if seeds:
                self._part(rows, group, seeds)

    def _part(self, rows: Float32[np.ndarray, "rows dim"], group: int, seeds: list[int]) -> None:
        present = self.inside.pop(group)
        members = np.flatnonzero(self.groups == group)
        means = np.stack([rows[present[seed]].mean(axis=0, dtype=np.float64) for seed in seeds])
        fresh = int(self.groups.max()) + 1
        # (members, dim) @ (dim, seeds) -> (members, seeds)
        self.groups[members] = fresh + (rows[members] @ means.T).argmax(axis=1)
        for voice, its_rows in present.items():  # a voice goes as one: a seed to itself, another to the nearest seed
            mean = rows[its_rows].mean(axis=0, dtype=np.float64)
            place = seeds.index(voice) if voice in seeds else int((means @ mean).argmax())
            self.groups[its_rows] = fresh + place
            self.inside.setdefault(fresh + place, {})[voice] = its_rows

    def gather(self) -> None:
        """Bring each voice into one group: that which holds most of its rows."""
        for voice in sorted(set(self.voices.of_row.values())):
            holding = [group for group, present in self.inside.items() if voice in present]
            home, *others = sorted(holding, key=lambda group: (-len(self.inside[group][voice]), group))
            for other in others:
                if self._collide(home, other):
                    its_rows = self.inside[other].pop(voice)
                    self.groups[its_rows] = home
                    self.inside[home][voice] += its_rows
                else:
                    self._pour(other, home)

    def _pour(self, group: int, into: int) -> None:
        self.groups[self.groups == group] = into
        for voice, its_rows in self.inside.pop(group).items():
            self.inside[into].setdefault(voice, []).extend(its_rows)
