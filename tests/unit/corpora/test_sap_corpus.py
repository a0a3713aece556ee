"""A Speech Accessibility Project folder read and checked, with everything that can be wrong with its metadata."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.corpora import checking, sap
from shared.corpora.items import Item, Problem
from tests.support.corpora import sap_contributor, sap_metadata

ID, OTHER = "0a1b-ada", "0c2d-bob"


def items(root: Path, split: str | None = None) -> list[Item]:
    return [entry for entry in sap.read(root, split) if isinstance(entry, Item)]


def problems(root: Path) -> list[tuple[str, str]]:
    return [(entry.code, entry.path) for entry in sap.read(root) if isinstance(entry, Problem)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two contributors in Train, one in Dev."""
    sap_contributor(tmp_path / "Train", ID)
    sap_contributor(tmp_path / "Train", OTHER, 3, "Stroke")
    sap_contributor(tmp_path / "Dev", "0e3f-eva", 1)
    return tmp_path


def rewrite(corpus: Path, change: Any) -> Path:
    """The first contributor's JSON, changed."""
    path = corpus / "Train" / ID / f"{ID}.json"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps(change(metadata) or metadata))
    return corpus


def test_each_wav_has_what_its_metadata_say(corpus: Path) -> None:
    first = items(corpus)[0]
    name = f"{ID}_0_0_16kHz.wav"
    assert (first.path, first.key) == (corpus / "Train" / ID / name, f"Train/{ID}/{name}")
    assert first.attributes == {
        "contributor_id": ID,
        "etiology": "ALS",
        "split": "Train",
        "category": "Novel Sentences",
        "sub_category": "News",
        "prompt": f"say {name}",
        "transcript": f"said {name}",
        "ratings": [{"dimension": "Intelligibility", "category": "Speech", "level": "3"}],
    }
    assert first.captions == ()


def test_a_split_is_read_alone(corpus: Path) -> None:
    assert len(items(corpus)) == 6
    assert [item.attributes["contributor_id"] for item in items(corpus, "Dev")] == ["0e3f-eva"]


def test_a_sound_corpus_has_no_problem(corpus: Path) -> None:
    found = checking.check(corpus)
    assert found.sound
    assert problems(corpus) == []
    assert (found.splits["Train"].contributors, found.splits["Train"].recordings) == (2, 5)
    assert (found.splits["Dev"].contributors, found.splits["Dev"].recordings) == (1, 1)


def test_a_folder_without_anything_is_not_sound(tmp_path: Path) -> None:
    assert not checking.check(tmp_path).sound


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda _: "{", "line 1"),
        (lambda text: text.replace('"Etiology"', '"Files": [], "Etiology"'), "twice"),
        (lambda text: text.replace('"Filename"', '"Name"', 1), "Files.0.Filename"),
        (lambda text: text.replace(f'"{ID}_0_0_16kHz.wav"', f'"../{OTHER}/{OTHER}_0_0_16kHz.wav"', 1), "Filename"),
        (lambda _: "[" * 100_000, "not JSON"),
        (lambda text: text.replace('"Age": 60', '"Age": NaN'), "NaN"),
        (lambda _: "\udcff", "UTF-8"),
        (lambda _: '{"Contributor ID": "x"}', "Files"),
    ],
)
def test_broken_metadata_cost_their_contributor_alone(corpus: Path, change: Any, detail: str) -> None:
    path = corpus / "Train" / ID / f"{ID}.json"
    path.write_bytes(change(path.read_text()).encode(errors="surrogateescape"))
    (problem,) = [entry for entry in sap.read(corpus) if isinstance(entry, Problem)]
    assert (problem.code, problem.path) == ("broken_metadata", f"Train/{ID}/{ID}.json")
    assert detail in problem.detail
    assert len(items(corpus)) == 4
    assert checking.check(corpus).splits["Train"].broken_json == 1


def test_metadata_of_another_contributor_are_not_believed(corpus: Path) -> None:
    rewrite(corpus, lambda _: sap_metadata(OTHER, [f"{ID}_0_0_16kHz.wav"]))
    assert problems(corpus) == [("foreign_metadata", f"Train/{ID}/{ID}.json")]
    assert checking.check(corpus).splits["Train"].foreign_json == 1


def test_a_file_that_is_named_twice_counts_once(corpus: Path) -> None:
    rewrite(corpus, lambda metadata: metadata["Files"].append(metadata["Files"][0]))
    assert problems(corpus) == [("doubled_file", f"Train/{ID}/{ID}_0_0_16kHz.wav")]
    assert len(items(corpus)) == 6
    assert checking.check(corpus).splits["Train"].doubled == 1


def test_a_contributor_of_two_splits_counts_once(corpus: Path) -> None:
    sap_contributor(corpus / "Dev", ID)
    assert len(items(corpus)) == 6
    assert problems(corpus) == [("doubled_contributor", f"Dev/{ID}")]


def test_a_wav_that_is_missing_and_one_that_nobody_names_are_told(corpus: Path) -> None:
    folder = corpus / "Train" / ID
    (folder / f"{ID}_1_1_16kHz.wav").rename(folder / f"{ID}_9_9_16kHz.wav")
    assert problems(corpus) == [
        ("missing_file", f"Train/{ID}/{ID}_1_1_16kHz.wav"),
        ("unnamed_file", f"Train/{ID}/{ID}_9_9_16kHz.wav"),
    ]
    train = checking.check(corpus).splits["Train"]
    assert (train.recordings, train.missing, train.unnamed) == (4, 1, 1)


def test_only_folders_with_their_json_count(corpus: Path) -> None:
    (corpus / "Train" / ID / f"{ID}.json").unlink()
    (corpus / "Train" / "SpeechAccessibility_2025-11-02_000").mkdir()
    (corpus / "Old").mkdir()
    assert problems(corpus) == [
        ("stray_folder", "Old"),
        ("no_metadata", f"Train/{ID}"),
        ("stray_folder", "Train/SpeechAccessibility_2025-11-02_000"),
    ]
    found = checking.check(corpus)
    assert found.stray_folders == ["Old", "Train/SpeechAccessibility_2025-11-02_000"]
    assert found.splits["Train"].without_json == 1


def test_null_where_something_could_be_said_is_nothing(corpus: Path) -> None:
    def silence(metadata: dict[str, Any]) -> None:
        metadata["Files"][0] |= {"Prompt": None, "Ratings": None}

    first = items(rewrite(corpus, silence))[0]
    assert set(first.attributes) == {"contributor_id", "etiology", "split"}
