"""Every other command against a real HTTP server: what it prints, and with which status it ends."""

from pathlib import Path

import pytest

from services.launcher.cli.client import Client
from services.launcher.cli.failure import Failure
from tests.integration.cli.api_double import TOKEN
from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark
from tests.support.vectors import delivered, row

ROWS = [{"segment_id": str(n), "object_key": f"c/ü{n}.wav", "speaker": None} for n in range(5)]


def test_cluster_waits_and_prints_the_result(earmark: Earmark) -> None:
    result = earmark("cluster", "-c", "talk", "--wait", "--json")
    assert (result.status, result.document) == (0, {"generation": 3, "clusters": 2, "noise": 1, "segments": 12})


def test_cluster_without_waiting_prints_the_request(earmark: Earmark) -> None:
    assert earmark("cluster", "-c", "talk", "--json").document == {"request_id": "request-1"}


def test_waiting_ends_at_the_timeout(earmark: Earmark) -> None:
    result = earmark("cluster", "-c", "talk", "--wait", "--timeout", 0, "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "timeout")


def test_label_waits_until_it_has_spread(api: Script, earmark: Earmark) -> None:
    result = earmark("label", "--segment", "s1", "Marta", "--wait", "--json")
    assert result.document == {"label_id": "label-1", "segments": 1, "propagated": 7}
    assert api.bodies["labels"] == [{"segment_ids": ["s1"], "speaker": "Marta"}]


def test_label_of_a_cluster(api: Script, earmark: Earmark) -> None:
    assert earmark("label", "--cluster", "k1", "Marta", "--json").document["propagated"] is None
    assert api.bodies["labels"] == [{"cluster_id": "k1", "speaker": "Marta"}]


@pytest.mark.parametrize("target", [(), ("--segment", "s", "--cluster", "k")])
def test_label_wants_exactly_one_target(earmark: Earmark, target: tuple[str, ...]) -> None:
    assert earmark("label", "Marta", *target).status == 2


def test_rows_of_all_pages_are_one_json_list(api: Script, earmark: Earmark) -> None:
    api.rows["segments"], api.page_rows = ROWS, 2
    assert earmark("segments", "-c", "talk", "--json").document == ROWS


def test_a_limit_holds_over_pages(api: Script, earmark: Earmark) -> None:
    api.rows["segments"], api.page_rows = ROWS, 2
    assert earmark("segments", "-c", "talk", "--limit", 3, "--json").document == ROWS[:3]


def test_a_table_shows_every_row_uncut(api: Script, earmark: Earmark) -> None:
    api.rows["segments"] = [{**row, "object_key": f"c/{'long' * 60}[red]{n}"} for n, row in enumerate(ROWS)]
    out = earmark("segments", "-c", "talk").out
    assert all(row["object_key"] in out for row in api.rows["segments"])


def test_no_rows_are_an_empty_list(api: Script, earmark: Earmark) -> None:
    api.rows["clusters"] = []
    assert earmark("clusters", "-c", "talk", "--json").document == []


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("collections", "create", "talk"),
        ("evaluate", "trials", __file__, "-c", "talk"),
        ("tokens", "create", "ann"),
        ("tokens", "revoke", "ann"),
        ("events",),
    ],
)
def test_json_is_one_document(earmark: Earmark, words: tuple[str, ...]) -> None:
    result = earmark(*words, "--json")
    assert result.status == 0
    assert result.document


def test_an_error_of_the_api_is_a_line_and_its_remedy(earmark: Earmark) -> None:
    result = earmark("segments", "-c", "missing")
    assert (result.status, result.out) == (1, "")
    assert result.err == "error (unknown_collection): No collection 'missing'.\nCreate it.\n"


def test_an_error_of_the_api_is_one_json_document(earmark: Earmark) -> None:
    result = earmark("segments", "-c", "missing", "--json")
    assert result.status == 1
    error = {"code": "unknown_collection", "message": "No collection 'missing'.", "remedy": "Create it."}
    assert result.document == {"error": error}
    assert not result.err


def test_a_wrong_token_is_told(earmark: Earmark) -> None:
    result = earmark("--token", "wrong", "status", "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "unauthorized")


@pytest.mark.parametrize("words", [("nonsense",), ("segments",), ("ingest", "/nowhere", "-c", "c")])
def test_wrong_usage_is_status_2(earmark: Earmark, words: tuple[str, ...]) -> None:
    assert earmark(*words).status == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--percent", 101), "less than or equal to 100"),
        (("--sampling", "stratified"), "Add --by ATTRIBUTE"),
        (("--sampling", "random", "--by", "etiology"), "--by names strata"),
    ],
)
@pytest.mark.parametrize(
    "command", [("sample", "-c", "talk", "--name", "n"), ("embed", "-c", "talk", "--encoder", "e", "--out", "out")]
)
def test_a_sample_that_cannot_be_meant_is_wrong_usage(
    earmark: Earmark, command: tuple[str, ...], words: tuple[object, ...], said: str
) -> None:
    result = earmark(*command, *words)
    assert result.status == 2
    assert said in result.err


def test_a_sample_of_groups_says_how_many(api: Script, earmark: Earmark) -> None:
    strata = [{"name": None, "size": 30, "quota": 3, "drawn": 4, "small": False, "groups": 2}]
    several = dict.fromkeys(("n_excluded", "not_cut", "without_segment", "several_segments"), 0)
    spec = {"by": None, "group": "speaker_id", "exclude": []}
    api.drawn = {"n_recordings": 4, "strata": strata, "spec": spec, "warnings": [], **several}
    result = earmark("sample", "-c", "man", "--max", 3, "--group", "speaker_id", "--name", "few")
    assert "4 recordings of 2 groups by speaker_id in subset few" in result.out


def test_what_goes_with_a_config_is_listed_whole(earmark: Earmark, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    result = earmark("embed", "--config", tmp_path / "config.json", "-c", "man", "--percent", 3)
    assert result.status == 2
    assert "--encoder, --partial, --wait, --timeout and --json" in result.err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_choice_that_there_is_not_is_said_in_our_words(earmark: Earmark, options: tuple[str, ...]) -> None:
    result = earmark("sample", "-c", "talk", "--name", "n", "--sampling", "foo", *options)
    assert result.status == 2
    said = result.document["error"]["message"] if options else result.err
    assert "'foo' is not one of 'random', 'stratified'" in said
    assert "Value error" not in said


def test_a_stranger_at_the_address_is_named(api: Script) -> None:
    with Client(api.url, TOKEN) as client, pytest.raises(Failure, match="not Earmark's API"):
        client.get("/v1/not-json")


def test_nobody_at_the_address_means_no_stack(earmark: Earmark) -> None:
    result = earmark("--url", "http://127.0.0.1:9", "status")
    assert result.status == 1
    assert "earmark up" in result.err
    assert "Traceback" not in result.err


def test_events_resume_after_one(earmark: Earmark) -> None:
    assert [event["id"] for event in earmark("events", "--after", "1", "--json").document] == ["2", "3"]


@pytest.mark.parametrize(("n_missing", "told"), [(1, "f0\n"), (10, "f8, f9\n"), (12, "f8, f9, and 2 more files\n")])
def test_files_of_trials_without_vectors_are_named(api: Script, earmark: Earmark, n_missing: int, told: str) -> None:
    api.missing_files = [f"f{n}" for n in range(n_missing)]
    said = earmark("evaluate", "trials", __file__, "-c", "talk")
    assert (said.status, said.err.endswith(told), f"missing_files  {n_missing}" in said.out) == (0, True, True)


def test_segments_are_exported(earmark: Earmark, tmp_path: Path) -> None:
    out = tmp_path / "new" / "segments.jsonl"
    assert earmark("export", "segments", "-c", "talk", "--out", out, "--json").document["segments"] == 2
    assert out.read_text().splitlines() == ['{"segment_id":"1"}', '{"segment_id":"2"}']


def test_a_folder_that_is_made_for_a_file_is_told_once(earmark: Earmark, tmp_path: Path) -> None:
    words = ("export", "segments", "-c", "talk", "--out", tmp_path / "new" / "segments.jsonl")
    assert f"Made the folder {tmp_path / 'new'}." in earmark(*words).err
    assert earmark(*words).err == ""


def test_embeddings_are_exported_into_a_folder(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    api.export_files.update(delivered([row("talk/a.wav")]))
    earmark("export", "embeddings", "-c", "talk", "--encoder", "ge2e", "--out", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == api.export_files


def test_an_export_keeps_what_else_is_in_the_folder(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "a.rttm").write_text("old")
    api.export_files.update({"a.rttm": b"new", "deep/b.rttm": b"new"})
    earmark("export", "rttm", "-c", "talk", "--out", tmp_path)
    files = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"mine.txt": "mine", "a.rttm": "new", "deep/b.rttm": "new"}


@pytest.mark.parametrize("kind", ["segments", "rttm"])
def test_a_download_that_breaks_off_changes_nothing(api: Script, earmark: Earmark, tmp_path: Path, kind: str) -> None:
    api.cut_downloads = True
    result = earmark("export", kind, "-c", "talk", "--out", tmp_path / "out")
    assert result.status == 1
    assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


def test_an_archive_cannot_write_outside_of_its_folder(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    api.export_files["../escaped.rttm"] = b""
    assert earmark("export", "rttm", "-c", "talk", "--out", tmp_path / "out").status == 1
    assert list(tmp_path.iterdir()) == []
