"""Compare a Speech Accessibility Project folder with its own metadata, split by split."""

from dataclasses import dataclass, field
from pathlib import Path

from shared.corpora import sap
from shared.corpora.items import Item, Problem, Tally


@dataclass(slots=True)
class SplitCheck:
    """One split. `recordings` are named in metadata and there."""

    split: str
    contributors: int = 0
    recordings: int = 0
    missing: int = 0
    unnamed: int = 0
    doubled: int = 0
    without_json: int = 0
    broken_json: int = 0
    foreign_json: int = 0


_COUNTED_AS = {
    "missing_file": "missing",
    "unnamed_file": "unnamed",
    "doubled_file": "doubled",
    "doubled_contributor": "doubled",
    "no_metadata": "without_json",
    "broken_metadata": "broken_json",
    "foreign_metadata": "foreign_json",
}


@dataclass(slots=True)
class Check:
    """What was found; `sound` if nothing is wrong."""

    splits: dict[str, SplitCheck] = field(default_factory=dict)
    stray_folders: list[str] = field(default_factory=list)
    problems: Tally = field(default_factory=Tally)

    @property
    def sound(self) -> bool:
        """Whether there is something and nothing is wrong with it."""
        return not self.problems.counts and any(found.recordings for found in self.splits.values())


def check(root: Path) -> Check:
    """Look at every folder and every file name; reads no audio."""
    found = Check(splits={name: SplitCheck(name) for name in sap.SPLITS if (root / name).is_dir()})
    last = None
    for entry in sap.read(root):
        match entry:
            case Problem():
                found.problems.add(entry)
                _count(found, entry)
            case Item():
                split = found.splits[str(entry.attributes["split"])]
                split.recordings += 1
                split.contributors += entry.path.parent != last
                last = entry.path.parent
    return found


def _count(found: Check, problem: Problem) -> None:
    if problem.code == "stray_folder":
        found.stray_folders.append(problem.path)
    elif problem.split is not None:
        split, column = found.splits[problem.split], _COUNTED_AS[problem.code]
        setattr(split, column, getattr(split, column) + 1)
