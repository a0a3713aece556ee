"""What the command says when work does not come to an end, against a real HTTP server."""

from pathlib import Path
from typing import Any

import pytest

from services.launcher.cli import troubles
from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark

WHY = {"code": "missing_model", "reason": "No weights."}
FAULT = {"subscription": "embedder.embed", "state": "dead", "deliveries": 2, **WHY}
GIVEN_UP: dict[str, Any] = {
    "backlog": {"pending": 0, "queued": 0, "leased": 0, "dead": 2},
    "faults": [FAULT],
    "pauses": [],
}
DROPPED: dict[str, Any] = {"backlog": dict.fromkeys(GIVEN_UP["backlog"], 0), "faults": [], "pauses": []}
NO_WEIGHTS = {"encoder": "ecapa", "state": "no_weights", **WHY}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits ten seconds here before asking why."""
    monkeypatch.setattr(troubles, "QUIET_S", 0.5)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    return tmp_path / "a.wav"


def said_of_one_pending(earmark: Earmark, file: Path) -> str:
    """What `ingest --wait` says on stderr when it ends without it."""
    result = earmark("ingest", file, "-c", "talk", "--wait", "--timeout", 60)
    assert (result.status, "1 pending" in result.out) == (1, True)
    return result.err


def test_files_whose_work_was_given_up_are_not_waited_for(
    api: Script, earmark: Earmark, file: Path, impatient: None
) -> None:
    api.stuck["a.wav"] = None
    api.work = GIVEN_UP
    said = said_of_one_pending(earmark, file)
    assert "Nothing more happens to 1 file: work was given up." in said
    assert "2 of embedder.embed given up: missing_model: No weights." in said
    assert "earmark dead requeue --code missing_model" in said
    assert earmark("ingest", file, "-c", "talk", "--wait", "--json").document["work"] == GIVEN_UP


@pytest.mark.parametrize(
    ("n_segments", "advice"),
    [
        (None, "Not cut yet (1 file); putting it again starts it anew: earmark ingest PATH... -c talk"),
        (4, "Not embedded yet (1 file): earmark backfill -c talk --encoder ge2e"),
    ],
)
def test_files_whose_work_was_dropped_are_not_waited_for(
    api: Script, earmark: Earmark, file: Path, impatient: None, n_segments: int | None, advice: str
) -> None:
    api.stuck["a.wav"] = n_segments
    api.work = DROPPED
    said = said_of_one_pending(earmark, file)
    assert "Nothing more happens to 1 file: the work was dropped (earmark dead drop)." in said
    assert advice in said


def test_a_script_reads_that_work_was_dropped_and_what_starts_it_anew(
    api: Script, earmark: Earmark, file: Path, impatient: None
) -> None:
    file.with_name("b.wav").write_bytes(b"RIFX")
    api.stuck |= {"a.wav": None, "b.wav": 4}
    api.work = DROPPED
    result = earmark("ingest", file.parent, "-c", "talk", "--wait", "--timeout", 60, "--json")
    again = ["earmark ingest PATH... -c talk", "earmark backfill -c talk --encoder ge2e"]
    assert (result.status, result.document["work"]) == (1, DROPPED | {"dropped": 2, "remedy": again})
    for told, remedy in zip(result.document["files"], again, strict=True):
        assert (told["status"], told["reason"].startswith("work_dropped: ")) == ("pending", True)
        assert told["reason"].endswith(remedy)


def test_a_file_that_nobody_has_seen_yet_is_waited_for(
    api: Script, earmark: Earmark, file: Path, impatient: None
) -> None:
    api.work, api.looks_until_seen = DROPPED, 8
    assert earmark("ingest", file, "-c", "talk", "--wait", "--timeout", 60).out.startswith("1 ready")


def test_files_that_are_still_worked_on_are(api: Script, earmark: Earmark, file: Path, impatient: None) -> None:
    api.stuck["a.wav"] = None
    api.work = {**GIVEN_UP, "backlog": {**GIVEN_UP["backlog"], "leased": 1}}
    result = earmark("ingest", file, "-c", "talk", "--wait", "--timeout", 2)
    assert "1 leased" in result.err
    assert api.polls["work"] > 1


def test_a_backfill_that_was_given_up_fails_with_the_reason(api: Script, earmark: Earmark, impatient: None) -> None:
    api.backfill_state, api.work = "embedding", GIVEN_UP
    result = earmark("backfill", "-c", "talk", "--encoder", "ecapa", "--wait", "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "missing_model")
    assert "earmark dead list" in result.document["error"]["remedy"]


def test_a_backfill_that_was_dropped_is_not_waited_for(api: Script, earmark: Earmark, impatient: None) -> None:
    api.backfill_state, api.work = "embedding", DROPPED
    result = earmark("backfill", "-c", "talk", "--encoder", "ecapa", "--wait", "--json")
    error = result.document["error"]
    assert (result.status, error["code"]) == (1, "work_dropped")
    assert error["remedy"] == "Give the command again: it does what is missing."


def test_a_backfill_that_takes_too_long_says_what_is_left(api: Script, earmark: Earmark) -> None:
    api.backfill_state = "embedding"
    error = earmark("backfill", "-c", "talk", "--encoder", "e", "--wait", "--timeout", 0, "--json").document["error"]
    assert (error["code"], "Work left: 1 leased" in error["message"]) == ("timeout", True)


def test_an_encoder_without_weights_is_told_when_a_collection_is_made_with_it(
    api: Script, earmark: Earmark, file: Path
) -> None:
    api.troubles = [NO_WEIGHTS]
    made = earmark("collections", "create", "talk", "--encoder", "ecapa", "--json")
    assert (made.status, made.document) == (0, {"name": "talk"})
    for said in (made, earmark("ingest", file, "-c", "talk", "--encoder", "ecapa")):
        assert "ecapa (no_weights): No weights." in said.err
        assert "earmark encoders check ecapa" in said.err
    assert earmark("ingest", file, "-c", "talk").err == ""


def test_the_status_names_them_and_points_to_what_was_given_up(api: Script, earmark: Earmark) -> None:
    assert earmark("status").err == ""
    api.troubles, api.work = [{**NO_WEIGHTS, "collections": ["a", "b"]}], GIVEN_UP
    said = earmark("status")
    assert "ecapa of a, b (no_weights): No weights." in said.err
    assert "earmark dead list" in said.err
    assert earmark("status", "--json").document["troubles"] == api.troubles


def letter(n: int, code: str) -> dict[str, Any]:
    kind = {"subscription": "embedder.embed", "type": "t", "subject": "s", "attempt": 1}
    return {**kind, "event_id": f"e{n}", "error_code": code, "last_error": "It is so.", "created_at": f"day {n}"}


def test_equal_failures_are_one_line(api: Script, earmark: Earmark) -> None:
    api.rows["kinds"] = [
        {"n": n, "subscription": "embedder.embed", "error_code": code, "last_error": "It is so.", "since": "day 0"}
        for n, code in ((3, "often"), (1, "rare"))
    ]
    said = earmark("dead", "list")
    lines = said.out.splitlines()[2:]
    assert [line.split()[:3] for line in lines] == [["3", "embedder.embed", "often"], ["1", "embedder.embed", "rare"]]
    assert "day 0" in lines[0]
    assert "2 rarer kinds not shown, of 9 dead letters in all: --all" in said.err


def test_each_dead_letter_is_shown_however_many_there_are(api: Script, earmark: Earmark) -> None:
    api.rows["dead"], api.page_rows = [letter(n, "often") for n in range(5)], 2
    assert "e4" in earmark("dead", "list", "--all").out
    assert len(earmark("dead", "list", "--code", "often", "-c", "talk", "--json").document) == 5
    assert (api.queries[-1]["code"], api.queries[-1]["collection"]) == ("often", "talk")


def test_equal_failures_are_requeued_together_portion_by_portion(api: Script, earmark: Earmark) -> None:
    api.rows["kinds"] = []
    asked = ("--code", "often", "--subscription", "embedder.embed", "-c", "talk")
    chosen = {"code": "often", "subscription": "embedder.embed", "collection": "talk"}
    assert earmark("dead", "requeue", *asked, "--json").document == {"requeued": 6}
    assert api.bodies["dead/requeue"] == [chosen, chosen | {"after": "cursor"}]


def test_dead_letters_are_named_by_their_ids_or_by_what_they_have_in_common(api: Script, earmark: Earmark) -> None:
    assert earmark("dead", "drop", "e1", "--json").document == {"dropped": 1}
    assert api.bodies["dead/drop"] == [{"event_ids": ["e1"]}]
    assert earmark("dead", "requeue").status == earmark("dead", "drop", "e1", "--code", "rare").status == 2


@pytest.mark.parametrize("deed", ["requeue", "drop"])
def test_who_names_no_dead_letter_is_told_so(api: Script, earmark: Earmark, deed: str) -> None:
    api.rows["kinds"] = []
    said = earmark("dead", deed, "--code", "nosuch")
    assert (said.status, said.out.split()) == (0, [{"requeue": "requeued", "drop": "dropped"}[deed], "0"])
    assert said.err.startswith("No dead letter fits.")
    assert earmark("dead", deed, "e1").err == ""


def test_subsets_that_embed_has_drawn_are_not_listed_unless_asked_for(api: Script, earmark: Earmark) -> None:
    api.rows["subsets"] = [{"name": name, "n_recordings": 1, "created_at": "now"} for name in ("embed-1f", "nine")]
    said = earmark("subsets", "list", "-c", "talk")
    assert ("nine" in said.out, "embed-1f" in said.out, "--all" in said.err) == (True, False, True)
    assert "embed-1f" in earmark("subsets", "list", "-c", "talk", "--all").out


def test_who_has_no_clusters_yet_is_told_how_to_make_them(api: Script, earmark: Earmark) -> None:
    api.rows["clusters"] = []
    assert "earmark cluster -c talk --wait" in earmark("clusters", "-c", "talk").err
    api.rows["clusters"] = [
        {"cluster_id": "c1", "segments": 2, "speaker": None, "speakers": [], "trust": {"margin": 0.1, "stability": 0.0}}
    ]
    assert earmark("clusters", "-c", "talk").out.splitlines()[-1].split()[-1] == "-"


def test_a_condition_that_nothing_fulfils_is_told_the_values_that_there_are(api: Script, earmark: Earmark) -> None:
    api.rows["recordings"] = []
    api.values = [{"value": "Train", "objects": 3}, {"value": 4, "objects": 1}]
    said = earmark("recordings", "-c", "talk", "--where", "split=train", "--where", "split=4")
    assert "split is nowhere 'train', but one of: Train, 4" in said.err
    assert "nowhere '4'" not in said.err


def test_tars_that_were_not_extracted_are_pointed_out(earmark: Earmark, tmp_path: Path) -> None:
    (tmp_path / "Train").mkdir()
    (tmp_path / "Train" / "SpeechAccessibility_2025-11-02_000.tar").write_bytes(b"tar")
    for words in (("check", tmp_path), ("import", tmp_path, "-c", "sap", "--kind", "sap")):
        assert (
            f"tars in {tmp_path} (1) that were not extracted: earmark corpus extract" in earmark("corpus", *words).err
        )
    (tmp_path / ".earmark-extract").mkdir()
    assert "not extracted" not in earmark("corpus", "check", tmp_path).err


def test_a_check_of_another_corpus_says_what_it_is_for(earmark: Earmark, tmp_path: Path) -> None:
    said = earmark("corpus", "check", tmp_path)
    assert said.status == 3
    assert (
        f"{tmp_path} holds none of Train, Dev and Test: this checks a release of the Speech Accessibility" in said.err
    )


def test_an_encoder_is_removed(earmark: Earmark) -> None:
    assert earmark("encoders", "remove", "words", "--json").document == {"removed": "words"}
