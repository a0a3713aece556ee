"""What a person reads, and what a script reads on stderr: no words of the API, and always what helps."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark

ASSIGN: dict[str, Any] = {
    "operation": "assign",
    "speaker": "Marta",
    "cluster_id": None,
    "standing": False,
    "detail": {},
}
COMPARED: dict[str, Any] = {
    "generation": None,
    "method": "hdbscan",
    "applied": False,
    "standing": {"clusters": 4, "noise": 0},
    "agreement": 0.625,
}


def test_what_is_invalid_goes_by_the_name_that_was_typed(earmark: Earmark) -> None:
    result = earmark("label", "--segment", "s1", "x" * 201)
    assert result.status == 2
    assert result.err.splitlines() == [
        "error (invalid_request): SPEAKER: String should have at most 200 characters; --segment: 'x' is not an id",
        "See `earmark label --help`.",
    ]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("segments", "--json"), "earmark segments"),
        (("label", "Marta", "--json"), "earmark"),
        (("nonsense", "--json"), "earmark"),
        (("segments", "-c", "talk", "--limit", "many", "--json"), "earmark segments"),
        (("recordings", "-c", "talk", "--limit", 0, "--json"), "earmark recordings"),
        (("tokens", "create", "q", "--expires", "yesterday", "--json"), "earmark"),
        (("dead", "drop", "--json"), "earmark"),
        (("dead", "--json"), "earmark dead"),
    ],
)
def test_wrong_usage_is_one_json_document_where_json_is_asked_for(
    earmark: Earmark, words: tuple[object, ...], command: str
) -> None:
    result = earmark(*words)
    assert (result.status, result.err) == (2, "")
    error = result.document["error"]
    assert (error["code"], bool(error["message"])) == ("wrong_usage", True)
    assert error["remedy"].startswith(f"See `{command}")


def test_an_exit_status_survives_json(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("text")
    api.rejected["a.wav"] = ("no_audio", "It is text.")
    assert earmark("ingest", tmp_path, "-c", "talk", "--wait", "--json").status == 3
    assert earmark("segments", "--help", "--json").status == 0


def test_an_address_where_nobody_is_says_what_to_do(earmark: Earmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_URL", "http://127.0.0.1:9")
    result = earmark("status")
    assert result.status == 1
    assert result.err.startswith("error (not_running): Nothing runs at http://127.0.0.1:9.\n")
    assert "EARMARK_URL" in result.err
    monkeypatch.setenv("EARMARK_URL", "http://nowhere.invalid")
    result = earmark("status", "--json")
    assert result.document["error"]["code"] == "no_answer"
    assert "EARMARK_URL" in result.document["error"]["remedy"]


@pytest.mark.parametrize(
    ("undone", "told"),
    [
        (ASSIGN, "Taken back: the name Marta of 1 segment."),
        ({**ASSIGN, "standing": True}, "In force again: the name Marta of 1 segment."),
        ({**ASSIGN, "cluster_id": "k1"}, "Taken back: that cluster k1 is Marta."),
        ({**ASSIGN, "operation": "reject"}, "Taken back: that 1 segment is not Marta's."),
        ({**ASSIGN, "operation": "import", "speaker": None}, "Taken back: the import that named 1 segment."),
        (
            {**ASSIGN, "operation": "rename", "detail": {"from": "Marta", "to": "M."}},
            "Taken back: the renaming of Marta to M..",
        ),
        (
            {**ASSIGN, "operation": "merge", "detail": {"stays": "Marta", "goes": "Mara"}},
            "Taken back: that Mara and Marta are one speaker.",
        ),
    ],
)
def test_undo_says_what_was_undone(api: Script, earmark: Earmark, undone: dict[str, Any], told: str) -> None:
    api.undone = undone
    assert earmark("labels", "undo", "label-1", "--wait").out.splitlines() == [
        told,
        "8 segments changed back.",
        "To reverse this: earmark labels undo label-2",
    ]


def test_names_that_go_with_the_label_that_gave_them_are_no_dispute(api: Script, earmark: Earmark) -> None:
    api.undone = ASSIGN
    assert "several are named" not in earmark("labels", "undo", "label-1", "--wait").err


def test_undo_without_waiting_says_that_more_may_follow(api: Script, earmark: Earmark) -> None:
    api.undone = ASSIGN
    assert "8 segments changed back so far; --wait" in earmark("labels", "undo", "label-1").out
    document = earmark("labels", "undo", "label-1", "--json").document
    assert (document["label_id"], document["undone"], document["changed"]) == ("label-2", ASSIGN, 8)


def test_a_method_is_compared_and_the_result_is_a_table(api: Script, earmark: Earmark) -> None:
    api.clustering = COMPARED
    result = earmark("cluster", "-c", "talk", "--method", "hdbscan")
    assert api.bodies["collections/talk/clusterings"] == [{"method": "hdbscan"}]
    rows = [line.split() for line in result.out.splitlines()]
    assert ["as", "they", "stand", "4", "0", "-"] in rows
    assert ["hdbscan", "2", "1", "0.625"] in rows
    assert "12 segments" in result.err
    assert "--apply" in result.err


def test_a_comparison_as_json(api: Script, earmark: Earmark) -> None:
    api.clustering = COMPARED
    document = earmark("cluster", "-c", "talk", "--method", "hdbscan", "--json").document
    assert (document["applied"], document["agreement"], document["standing"]) == (False, 0.625, COMPARED["standing"])


def test_a_method_that_cannot_cluster_so_many_ends_at_once_and_says_why(api: Script, earmark: Earmark) -> None:
    api.clustering = {"state": "failed", "code": "too_many_rows", "reason": "20001 rows are too many."}
    result = earmark("cluster", "-c", "talk", "--method", "spectral", "--timeout", 2, "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "too_many_rows")


def test_a_method_that_is_applied_is_a_clustering(api: Script, earmark: Earmark) -> None:
    result = earmark("cluster", "-c", "talk", "--method", "hdbscan", "--apply", "--wait", "--json")
    assert result.document == {"generation": 3, "clusters": 2, "noise": 1, "segments": 12}
    assert api.bodies["collections/talk/clusterings"] == [{"method": "hdbscan", "apply": True}]


def test_the_clusters_of_a_subset_go_into_a_file(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    api.clustering = {**COMPARED, "method": "auto"}
    out = tmp_path / "clusters.jsonl"
    result = earmark("cluster", "-c", "talk", "--subset", "pilot", "--out", out)
    assert api.bodies["collections/talk/clusterings"] == [{"subset": "pilot"}]
    assert out.read_text() == '{"segment_id": "segment-1", "cluster": 0}\n'
    assert "Of 12 segments. Nothing was changed." in result.err


def test_segments_that_could_not_be_clustered_are_told(api: Script, earmark: Earmark) -> None:
    api.clustering = {**COMPARED, "method": "auto", "without_vector": 46}
    words = ("cluster", "-c", "talk", "--subset", "pilot", "--encoder", "wt")
    told = earmark(*words).err
    assert "Of 12 segments; 46 more have no vector." in told
    assert "earmark backfill -c talk --encoder wt --subset pilot --wait" in told
    assert earmark(*words, "--json").document["without_vector"] == 46


def test_apply_without_a_method_is_wrong_usage(earmark: Earmark) -> None:
    assert earmark("cluster", "-c", "talk", "--apply").status == 2
    assert earmark("cluster", "-c", "talk", "--out", "clusters.jsonl").status == 2


def test_a_review_says_how_to_go_on(earmark: Earmark) -> None:
    out = earmark("label", "--segment", "s1", "Marta", "--review").out
    assert "1 segment would change because of the name Marta." in out
    assert "earmark review apply review-1" in out
    assert "earmark review discard review-1" in out


def test_a_review_is_discarded(earmark: Earmark) -> None:
    assert earmark("review", "discard", "review-1", "--json").document["state"] == "discarded"


def test_reviews_are_listed(api: Script, earmark: Earmark) -> None:
    api.rows["reviews"] = [{"review_id": "review-1", "state": "ready"}]
    assert earmark("review", "list", "-c", "talk", "--json").document == api.rows["reviews"]


def test_events_that_have_happened_are_shown_and_it_ends(api: Script, earmark: Earmark) -> None:
    assert [event["id"] for event in earmark("events", "--json").document] == ["1", "2", "3"]
    earmark("events", "--limit", 3)
    earmark("events", "--from-start")
    assert api.queries == [
        {"newest": "200", "follow": "false"},
        {"newest": "3", "follow": "false"},
        {"begin": "start", "follow": "false"},
    ]
    assert earmark("events", "--from-start", "--limit", 3).status == 2


def test_the_log_begins_with_the_newest_entry(api: Script, earmark: Earmark) -> None:
    api.rows["labels"] = [{"label_id": "label-1"}]
    earmark("labels", "log", "-c", "talk")
    earmark("labels", "log", "-c", "talk", "--oldest-first")
    assert [query["order"] for query in api.queries] == ["newest", "oldest"]


def test_filters_and_choices_are_passed_on(api: Script, earmark: Earmark) -> None:
    api.rows |= {"clusters": [], "segments": []}
    earmark("clusters", "-c", "talk", "--encoder", "ge2e", "--json")
    earmark("segments", "-c", "talk", "--suggested", "--json")
    assert [query.get("encoder") or query.get("suggested") for query in api.queries] == ["ge2e", "true"]


def test_a_collection_shows_how_far_it_is_named(earmark: Earmark) -> None:
    out = earmark("collections", "show", "talk").out
    assert "Marta 2" in out


def test_one_file_is_no_plural(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    api.export_files["a.rttm"] = b""
    assert earmark("export", "rttm", "-c", "talk", "--out", tmp_path).out == f"1 file in {tmp_path}\n"
