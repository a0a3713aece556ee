"""Clotho, Speech Commands, and anything with a manifest."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.corpora import clotho, kinds, manifest, speech_commands
from shared.corpora.items import Entry, Item, Problem
from shared.corpora.kinds import Kind, UnknownSplit
from shared.corpora.manifest import NoManifest
from tests.support import corpora
from tests.support.corpora import wav

FIVE = tuple(f"Rain, {k} times" for k in range(1, 6))


def split_up(entries: Any) -> tuple[list[Item], list[tuple[str, str]]]:
    found: list[Entry] = list(entries)
    items = [e for e in found if isinstance(e, Item)]
    return items, [(e.code, e.path) for e in found if isinstance(e, Problem)]


def test_a_clotho_clip_has_five_captions(tmp_path: Path) -> None:
    corpora.clotho(tmp_path, {"Rain on a roof.wav": FIVE, "fire.wav": FIVE})
    (first, _), problems = split_up(clotho.read(tmp_path))
    assert problems == []
    assert first.key == "clotho_audio_files/development/Rain on a roof.wav"
    assert first.path.read_bytes() == wav(500)
    assert first.attributes == {"split": "development", "file_name": "Rain on a roof.wav"}
    assert first.captions == FIVE
    assert first.data()["captions"] == list(FIVE)


def test_clotho_tables_that_are_wrong_are_told(tmp_path: Path) -> None:
    corpora.clotho(tmp_path, {"a.wav": FIVE, "b.wav": ("once", "", " ", "twice", "")})
    table = tmp_path / "clotho_csv_files" / "clotho_captions_development.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join([*rows, rows[1], "gone.wav,1,2,3,4,5", "../a.wav,1,2,3,4,5", "a,b"]))
    (tmp_path / "clotho_audio_files" / "validation").mkdir()
    items, problems = split_up(clotho.read(tmp_path))
    audio = "clotho_audio_files"
    assert [item.captions for item in items] == [FIVE, ("once", "twice")]
    assert problems == [
        ("doubled_file", f"{audio}/development/a.wav"),
        ("missing_file", f"{audio}/development/gone.wav"),
        ("bad_name", f"{audio}/development/../a.wav"),
        ("broken_metadata", "clotho_csv_files/clotho_captions_development.csv"),
        ("no_metadata", f"{audio}/validation"),
    ]


def test_a_clotho_table_without_its_columns_is_broken(tmp_path: Path) -> None:
    corpora.clotho(tmp_path, {"a.wav": FIVE})
    table = tmp_path / "clotho_csv_files" / "clotho_captions_development.csv"
    table.write_text(table.read_text().replace("caption_5", "caption_4"))
    assert split_up(clotho.read(tmp_path)) == ([], [("broken_metadata", f"clotho_csv_files/{table.name}")])
    table.write_text(table.read_text().replace("file_name", "name").replace("caption_4", "caption_5", 1))
    assert [code for code, _ in split_up(clotho.read(tmp_path))[1]] == ["broken_metadata"]


def test_a_spoken_command_has_a_word_a_speaker_a_take_and_a_split(tmp_path: Path) -> None:
    items, problems = split_up(speech_commands.read(corpora.speech_commands(tmp_path)))
    assert problems == []
    by_key = {item.key: item.attributes for item in items}
    assert len(by_key) == 9
    assert by_key["cat/00ff_nohash_1.wav"] == {"word": "cat", "speaker": "00ff", "take": 1, "split": "testing"}
    assert by_key["dog/1a2b_nohash_0.wav"] == {"word": "dog", "speaker": "1a2b", "take": 0, "split": "validation"}
    assert by_key["dog/1a2b_nohash_1.wav"]["split"] == "training"
    assert by_key["_background_noise_/pink_noise.wav"] == {"split": "background"}


def test_commands_that_are_listed_and_missing_or_misnamed_are_told(tmp_path: Path) -> None:
    corpora.speech_commands(tmp_path)
    (tmp_path / "cat" / "00ff_nohash_0.wav").rename(tmp_path / "cat" / "meow.wav")
    (tmp_path / "validation_list.txt").write_bytes(b"\xff")
    assert split_up(speech_commands.read(tmp_path))[1] == [
        ("broken_metadata", "validation_list.txt"),
        ("bad_name", "cat/meow.wav"),
        ("missing_file", "cat/00ff_nohash_0.wav"),
    ]


def test_commands_without_lists_are_all_for_training(tmp_path: Path) -> None:
    corpora.speech_commands(tmp_path)
    for name in ("validation_list.txt", "testing_list.txt"):
        (tmp_path / name).unlink()
    items, problems = split_up(speech_commands.read(tmp_path))
    assert ({item.attributes["split"] for item in items}, problems) == ({"training", "background"}, [])


@pytest.mark.parametrize(("split", "n"), [("testing", 4), ("validation", 2), ("training", 2), ("background", 1)])
def test_a_split_of_the_commands_is_read_alone(tmp_path: Path, split: str, n: int) -> None:
    items, problems = split_up(kinds.read(Kind.speech_commands, corpora.speech_commands(tmp_path), split))
    assert ({item.attributes["split"] for item in items}, len(items), problems) == ({split}, n, [])


def manifest_of(folder: Path, name: str, text: str) -> Path:
    (folder / "a").mkdir(exist_ok=True)
    for file in ("a/1.wav", "a/2.wav"):
        (folder / file).write_bytes(wav())
    (folder / name).write_text(text, encoding="utf-8-sig")
    return folder


@pytest.mark.parametrize(("name", "tab"), [("manifest.csv", ","), ("manifest.tsv", "\t")])
def test_every_column_of_a_table_is_an_attribute(tmp_path: Path, name: str, tab: str) -> None:
    text = "path,etiology,take,caption_1,caption_2\na/1.wav,ALS,3,one,two\na/2.wav,,4,,\n".replace(",", tab)
    (one, two), problems = split_up(manifest.read(manifest_of(tmp_path, name, text)))
    assert problems == []
    assert (one.key, one.attributes, one.captions) == ("a/1.wav", {"etiology": "ALS", "take": "3"}, ("one", "two"))
    assert (two.attributes, two.captions) == ({"take": "4"}, ())


def test_types_are_kept_in_json_lines(tmp_path: Path) -> None:
    rows = [{"path": "a/1.wav", "take": 3, "ok": True, "tags": ["x"], "none": None, "captions": ["one"], "split": "s"}]
    lines = "\n".join(json.dumps(row) for row in [*rows, {"path": "a/2.wav"}]) + "\n\n"
    place = manifest_of(tmp_path, "manifest.jsonl", lines) / "manifest.jsonl"
    (one, two), problems = split_up(manifest.read(place))
    assert problems == []
    assert one.attributes == {"take": 3, "ok": True, "tags": ["x"], "none": None, "split": "s"}
    assert (one.captions, two.attributes) == (("one",), {})
    assert [item.key for item in split_up(manifest.read(place, "s"))[0]] == ["a/1.wav"]


def test_paths_of_a_manifest_stay_below_it(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        *({"path": path} for path in ("../x.wav", "/etc/passwd", "gone.wav", "", "a/1.wav", "a/1.wav")),
        {"path": str(tmp_path / "a/2.wav")},
        {"path": 3},
        {"no": "path"},
        {"path": "a/2.wav", "captions": "one"},
    ]
    folder = manifest_of(tmp_path, "manifest.jsonl", "\n".join(map(json.dumps, rows)))
    items, problems = split_up(manifest.read(folder))
    assert [item.key for item in items] == ["a/1.wav", "a/2.wav"]
    assert problems == [
        ("outside", "../x.wav"),
        ("outside", "/etc/passwd"),
        ("missing_file", "gone.wav"),
        ("bad_name", "line 4"),
        ("doubled_file", "a/1.wav"),
        ("bad_name", "line 8"),
        ("bad_name", "line 9"),
        ("bad_attributes", "a/2.wav"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("manifest.jsonl", '{"path": "a/1.wav"'),
        ("manifest.jsonl", "[1]"),
        ("manifest.jsonl", '{"path": "a/1.wav", "path": "a/2.wav"}'),
        ("manifest.csv", "path,a,a\na/1.wav,1,2"),
        ("manifest.csv", "path,a\na/1.wav,1,2"),
        ("manifest.csv", 'path,a\na/1.wav,"1'),
    ],
)
def test_a_manifest_that_is_broken_is_told(tmp_path: Path, name: str, text: str) -> None:
    assert split_up(manifest.read(manifest_of(tmp_path, name, text))) == ([], [("broken_metadata", name)])


def test_without_a_manifest_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(NoManifest):
        list(manifest.read(tmp_path))


def test_what_cannot_be_kept_is_a_problem(tmp_path: Path) -> None:
    rows = [{"path": "a/1.wav", "x": "\x00"}, {"path": "a/2.wav", "x": 2**60}]
    folder = manifest_of(tmp_path, "manifest.jsonl", "\n".join(map(json.dumps, rows)))
    assert split_up(kinds.read(Kind.manifest, folder))[1] == [
        ("bad_attributes", "a/1.wav"),
        ("bad_attributes", "a/2.wav"),
    ]


def test_a_split_that_the_corpus_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownSplit, match="Train"):
        list(kinds.read(Kind.sap, tmp_path, "train"))
