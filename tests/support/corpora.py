"""Corpora in the shapes of the Speech Accessibility Project, Clotho and Speech Commands, of audio made on the spot."""

import csv
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.audio import chunk, fmt, pcm16, riff, tone


def wav(hz: float = 440.0, duration_s: float = 0.25) -> bytes:
    """A tone at 16 kHz; another pitch is another recording."""
    return riff(fmt(), chunk(b"data", pcm16(tone(duration_s, 16_000, hz=hz))))


def sap_metadata(contributor: str, names: Sequence[str], etiology: str = "ALS") -> dict[str, Any]:
    """A contributor's JSON as the release has it."""
    return {
        "Contributor ID": contributor,
        "Etiology": etiology,
        "Age": 60,
        "Files": [
            {
                "Filename": name,
                "Created": "2025-01-01",
                "Comment": "",
                "Prompt": {
                    "Prompt Text": f"say {name}",
                    "Transcript": f"said {name}",
                    "Category Description": "Novel Sentences",
                    "Sub Category Description": "News",
                },
                "Ratings": [
                    {
                        "Level": "3",
                        "Dimension Description": "Intelligibility",
                        "Dimension Category Description": "Speech",
                        "RatingDate": "2025-01-02",
                        "Comment": "",
                    }
                ],
            }
            for name in names
        ],
    }


def sap_contributor(
    split: Path, contributor: str, n_wavs: int = 2, etiology: str = "ALS", *, hz: float = 200.0
) -> Path:
    """An extracted contributor's folder."""
    folder = split / contributor
    folder.mkdir(parents=True)
    names = [f"{contributor}_{n}_{n}_16kHz.wav" for n in range(n_wavs)]
    for n, name in enumerate(names):
        (folder / name).write_bytes(wav(hz + 10 * n))
    (folder / f"{contributor}.json").write_text(json.dumps(sap_metadata(contributor, names, etiology)))
    return folder


def tar_of(files: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w") -> bytes:
    """A tar of these members, honest or not."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        for name, content in files.items():
            if isinstance(content, bytes):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                tar.addfile(content)
    return packed.getvalue()


def contributor_tar(contributor: str, n_wavs: int = 2) -> bytes:
    """A contributor's inner tar."""
    names = [f"{contributor}_{n}_{n}_16kHz.wav" for n in range(n_wavs)]
    metadata = json.dumps(sap_metadata(contributor, names)).encode()
    sounds = {f"{contributor}/{name}": wav(300 + n) for n, name in enumerate(names)}
    return tar_of({f"{contributor}/{contributor}.json": metadata, **sounds})


def clotho(root: Path, captions: Mapping[str, Sequence[str]], split: str = "development") -> Path:
    """Clips with their captions, one tone each."""
    (root / "clotho_csv_files").mkdir(parents=True, exist_ok=True)
    audio = root / "clotho_audio_files" / split
    audio.mkdir(parents=True)
    with (root / "clotho_csv_files" / f"clotho_captions_{split}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", *(f"caption_{k}" for k in range(1, 6))])
        for n, (name, texts) in enumerate(captions.items()):
            writer.writerow([name, *texts])
            (audio / name).write_bytes(wav(500 + 20 * n))
    return root


def speech_commands(
    root: Path, words: Sequence[str] = ("cat", "dog"), speakers: Sequence[str] = ("00ff", "1a2b")
) -> Path:
    """Two speakers say every word twice; the first one is for testing, the first take of the second validates."""
    testing, validation = [], []
    for w, word in enumerate(words):
        (root / word).mkdir(parents=True)
        for s, speaker in enumerate(("00ff", "1a2b")):
            for take in range(2):
                path = f"{word}/{speaker}_nohash_{take}.wav"
                (root / path).write_bytes(wav(200 + 100 * w + 30 * s + 7 * take))
                if s == 0:
                    testing.append(path)
                elif s == 1 and take == 0:
                    validation.append(path)
    (root / "_background_noise_").mkdir()
    (root / "_background_noise_" / "pink_noise.wav").write_bytes(wav(50))
    (root / "testing_list.txt").write_text("\n".join(testing) + "\n")
    (root / "validation_list.txt").write_text("\n".join(validation) + "\n")
    (root / "README.md").write_text("Speech Commands")
    return root
