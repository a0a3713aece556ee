"""Build a corpus in the shape of the Speech Accessibility Project's release out of folders of recordings.

    python -m benchmarks.sap_shaped FOLDER... --out DST [--seed 42] [--sound]

A contributor is a folder of recordings, or in Speech Commands a speaker hash. Etiologies come in the proportions of the
release of 2025-11-02, dealt out by chance: nothing is known of anybody's health. Unless --sound, one contributor of
each split comes without JSON and one recording of each is named but missing. Prints what is to be found, as JSON.
"""

import argparse
import io
import json
import random
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

ETIOLOGIES: Final = {
    "Parkinson's Disease": 35,
    "ALS": 29,
    "Cerebral Palsy": 20,
    "Down Syndrome": 11,
    "Stroke": 6,
}
RELEASE: Final = "SpeechAccessibility_2025-11-02"
CONTRIBUTORS_PER_TAR: Final = 20
_DEV_EVERY: Final = 7
_AUDIO: Final = {".flac", ".wav", ".ogg", ".mp3"}


@dataclass
class Contributor:
    """One speaker's recordings under a made-up id."""

    contributor_id: str
    etiology: str
    recordings: list[Path]

    def filename(self, n: int) -> str:
        """As the release names its WAVs."""
        return f"{self.contributor_id}_{n}_{n}_16kHz.wav"

    def metadata(self) -> dict[str, object]:
        """The contributor's JSON."""
        files = [self._file(n, path) for n, path in enumerate(self.recordings)]
        return {"Contributor ID": self.contributor_id, "Etiology": self.etiology, "Age": "unknown", "Files": files}

    def _file(self, n: int, path: Path) -> dict[str, object]:
        words = path.parent.name if "_nohash_" in path.name else path.stem
        prompt = {
            "Prompt Text": words,
            "Transcript": words,
            "Category Description": "Digital Assistant Commands",
            "Sub Category Description": "",
        }
        rating = {
            "Level": str(1 + n % 7),
            "Dimension Description": "Intelligibility",
            "Dimension Category Description": "Speech",
            "RatingDate": "2025-01-01",
            "Comment": "",
        }
        return {
            "Filename": self.filename(n), "Created": "2025-01-01", "Comment": "", "Prompt": prompt, "Ratings": [rating],
        }  # fmt: skip


@dataclass
class Expected:
    """What a check of the extracted corpus has to find in one split."""

    contributors: int = 0
    recordings: int = 0
    missing: int = 0
    without_json: int = 0
    etiologies: dict[str, int] = field(default_factory=dict)


def contributors(folders: Sequence[Path], rng: random.Random) -> list[Contributor]:
    """The speakers of these folders, each with an etiology, in an order by chance."""
    by_speaker: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _AUDIO):
            speaker = path.name.partition("_nohash_")[0] if "_nohash_" in path.name else str(path.parent)
            by_speaker[speaker].append(path)
    speakers = sorted(by_speaker)
    rng.shuffle(speakers)
    dealt = _dealt(len(speakers), rng)
    return [Contributor(str(uuid5(NAMESPACE_URL, s)), e, by_speaker[s]) for s, e in zip(speakers, dealt, strict=True)]


def _dealt(n: int, rng: random.Random) -> list[str]:
    """Etiologies in proportion, by largest remainder."""
    total = sum(ETIOLOGIES.values())
    shares = {name: n * weight / total for name, weight in ETIOLOGIES.items()}
    counts = {name: int(share) for name, share in shares.items()}
    for name in sorted(shares, key=lambda e: counts[e] - shares[e])[: n - sum(counts.values())]:
        counts[name] += 1
    dealt = [name for name, count in counts.items() for _ in range(count)]
    rng.shuffle(dealt)
    return dealt


def build(folders: Sequence[Path], out: Path, *, seed: int = 42, sound: bool = False) -> dict[str, Expected]:
    """Write the release; returns what each split holds."""
    everybody = contributors(folders, random.Random(seed))
    expected = {}
    for split, own in (
        ("Dev", everybody[::_DEV_EVERY]),
        ("Train", [c for n, c in enumerate(everybody) if n % _DEV_EVERY]),
    ):
        expected[split] = _write_split(out / split, split, own, faulty=not sound)
    return expected


def _write_split(folder: Path, split: str, own: Sequence[Contributor], *, faulty: bool) -> Expected:
    folder.mkdir(parents=True, exist_ok=True)
    found = Expected()
    without_json = own[-1] if faulty and len(own) > 1 else None
    with_gap = own[0] if faulty else None
    for n, batch in enumerate(_batches(own)):
        name = f"{RELEASE}_{n:03}"
        with tarfile.open(folder / f"{name}.tar", "w") as outer:
            for one in batch:
                inner = _contributor_tar(one, without_json=one is without_json, gap=one is with_gap)
                _add(outer, f"{name}/{one.contributor_id}.tar", inner)
                _count(found, one, without_json=one is without_json, gap=one is with_gap)
    with tarfile.open(folder / f"{RELEASE}_{split}_Only_Json.tar", "w") as outer:
        for one in own:
            _add(outer, f"{one.contributor_id}/{one.contributor_id}.json", json.dumps(one.metadata()).encode())
    return found


def _count(found: Expected, one: Contributor, *, without_json: bool, gap: bool) -> None:
    if without_json:
        found.without_json += 1
        return
    found.contributors += 1
    found.recordings += len(one.recordings) - gap
    found.missing += gap
    found.etiologies[one.etiology] = found.etiologies.get(one.etiology, 0) + len(one.recordings) - gap


def _contributor_tar(one: Contributor, *, without_json: bool, gap: bool) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        if not without_json:
            _add(tar, f"{one.contributor_id}/{one.contributor_id}.json", json.dumps(one.metadata()).encode())
        for n, path in enumerate(one.recordings):
            if not (gap and n == 0):
                _add(tar, f"{one.contributor_id}/{one.filename(n)}", _wav(path))
    return packed.getvalue()


def _wav(path: Path) -> bytes:
    import soundfile

    samples, rate_hz = soundfile.read(path, dtype="int16")
    packed = io.BytesIO()
    soundfile.write(packed, samples, rate_hz, format="WAV", subtype="PCM_16")
    return packed.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _batches(own: Sequence[Contributor]) -> Iterator[Sequence[Contributor]]:
    return (own[at : at + CONTRIBUTORS_PER_TAR] for at in range(0, len(own), CONTRIBUTORS_PER_TAR))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--sound", action="store_true", help="nothing is missing")
    given = parser.parse_args()
    found = build(given.folder, given.out, seed=given.seed, sound=given.sound)
    print(json.dumps({split: asdict(expected) for split, expected in found.items()}, indent=2))


if __name__ == "__main__":
    main()
