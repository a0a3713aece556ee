"""What the command does when there is too much to do or something rests, against a real HTTP server."""

from pathlib import Path

import pytest

from services.launcher.cli import client, troubles
from tests.integration.cli.api_double import PAUSE
from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    return tmp_path / "a.wav"


def test_an_upload_that_is_sent_away_comes_back_when_it_is_told_to(api: Script, earmark: Earmark, file: Path) -> None:
    api.holds += [1, 1]
    result = earmark("ingest", file, "-c", "talk", "--wait", "--json")
    assert (result.status, result.document["files"][0]["status"]) == (0, "ready")
    assert "On hold (overloaded): Too much waits. Asking again in 1 s." in result.err


class Clock:
    """Nobody has to sit through an hour."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, pause_s: float) -> None:
        self.now_s += pause_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The one by which calls are repeated."""
    clock = Clock()
    monkeypatch.setattr(client, "time", clock)
    return clock


WORK = [
    "backfill -c talk --encoder spectral",
    "cluster -c talk",
    "collections switch -c talk --encoder spectral",
    "ingest FILE -c talk",
    "label --segment s1 Marta",
]


@pytest.mark.parametrize("words", [*WORK, "collections create talk"])
def test_a_command_that_is_sent_away_waits_as_long_as_it_is_told_to(
    api: Script, earmark: Earmark, file: Path, clock: Clock, words: str
) -> None:
    api.holds += [300] * 10
    result = earmark(*words.replace("FILE", str(file)).split())
    assert (result.status, clock.now_s) == (0, 3000.0)
    assert result.err.count("On hold (overloaded): Too much waits. Asking again in 300 s. Ctrl-C is safe") == 1


@pytest.mark.parametrize("words", WORK)
def test_its_own_timeout_ends_it(api: Script, earmark: Earmark, file: Path, clock: Clock, words: str) -> None:
    api.holds += [10] * 99
    result = earmark(*words.replace("FILE", str(file)).split(), "--timeout", 60, "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "overloaded")
    assert clock.now_s == 60.0


def test_whoever_asks_too_fast_waits_likewise(api: Script, earmark: Earmark, clock: Clock) -> None:
    api.hold_code = "too_many_requests"
    api.holds += [7] * 100
    result = earmark("backfill", "-c", "talk", "--encoder", "spectral")
    assert (result.status, clock.now_s) == (0, 700.0)


def test_a_restart_after_a_long_hold_is_waited_out_like_any_other(
    api: Script, earmark: Earmark, file: Path, clock: Clock
) -> None:
    api.holds, api.outage_left = [300], 2
    assert earmark("ingest", file, "-c", "talk").status == 0


def test_who_says_no_time_is_not_waited_for(api: Script, earmark: Earmark, clock: Clock) -> None:
    api.holds += [None]
    result = earmark("backfill", "-c", "talk", "--encoder", "spectral", "--json")
    assert (result.document["error"]["code"], clock.now_s) == ("overloaded", 0.0)


def test_whoever_waits_for_files_hears_that_their_collection_is_paused(
    api: Script, earmark: Earmark, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "QUIET_S", 0.2)
    api.stuck["a.wav"] = None
    api.work["pauses"] = [PAUSE]
    result = earmark("ingest", file, "-c", "talk", "--wait", "--timeout", 2)
    assert result.err.count("Waiting: collection talk is paused since") == 1
    assert "by ann; earmark resume -c talk lets it go on." in result.err


def test_whoever_waits_for_files_hears_which_service_is_away(
    api: Script, earmark: Earmark, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "QUIET_S", 0.2)
    api.stuck["a.wav"] = None
    api.work["missing"] = ["embedder", "progress of clusterer"]
    result = earmark("ingest", file, "-c", "talk", "--wait", "--timeout", 2)
    assert result.err.count("Waiting: embedder is not seen: what it does waits") == 1
    assert "\nembedder is not seen" in result.err  # among the reasons at the end
    assert "Work of clusterer is due, and nobody does any" in result.err


def test_the_status_shows_services_that_are_away(api: Script, earmark: Earmark) -> None:
    api.services |= {
        "embedder": {"state": "not_seen", "instances": 0, "seen_s_ago": None},
        "ingest": {"state": "not_seen", "instances": 1, "seen_s_ago": 123.0},
    }
    api.work["missing"] = ["ingest", "embedder"]
    result = earmark("status")
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert "services relay 1 instance, seen 0.4 s ago" in lines
    assert "services embedder not seen" in lines
    assert "services ingest not seen for 2 min 3 s" in lines
    assert "embedder is not seen: what it does waits; see its log, and earmark doctor." in result.err
    assert earmark("status", "--json").document["missing"] == ["ingest", "embedder"]


def test_a_collection_or_a_stage_is_paused_and_resumed(api: Script, earmark: Earmark) -> None:
    assert "collection talk is paused" in earmark("pause", "-c", "talk").out
    assert "earmark resume --stage embedder lets it go on" in earmark("pause", "--stage", "embedder").out
    assert "embedder goes on" in earmark("resume", "--stage", "embedder").out
    assert "clusterer was not paused" in earmark("resume", "--stage", "clusterer").out
    assert api.bodies["pauses/resume"][0] == {"collection": None, "stage": "embedder"}


def test_what_rests_because_of_another_pause_is_told_so(api: Script, earmark: Earmark) -> None:
    api.held_by = [{**PAUSE, "kind": "stage", "name": "clusterer"}]
    because = "because clusterer is paused: earmark resume --stage clusterer\n"
    assert earmark("resume", "--stage", "clusterer.assign").out == f"clusterer.assign still rests {because}"
    said = earmark("resume", "-c", "talk")
    assert said.out == "talk goes on.\n"
    assert "A part of it rests: stage clusterer is paused since" in said.err


def test_what_is_paused_is_listed(earmark: Earmark) -> None:
    assert earmark("pause", "--json").document == [PAUSE]


def test_a_collection_gets_another_weight(api: Script, earmark: Earmark) -> None:
    assert earmark("collections", "set", "talk", "--weight", 3, "--json").document == {"name": "talk", "weight": 3}


def test_the_status_has_a_line_for_each_stage_that_has_something_to_do(api: Script, earmark: Earmark) -> None:
    idle = {
        "pending": 0,
        "queued": 0,
        "leased": 0,
        "dead": 0,
        "lag_s": None,
        "drained_per_minute": 0.0,
        "paused": False,
    }
    busy = {**idle, "pending": 1200, "lag_s": 3725.0, "drained_per_minute": 480.4}
    api.work["stages"] = [
        {"stage": "ingest.register", **busy},
        {"stage": "embedder.embed", **idle, "paused": True},
        {"stage": "clusterer.ask", **idle},
    ]
    api.work["waiting"] = [{"collection": "talk", **busy}]
    api.work["pauses"] = [PAUSE]

    result = earmark("status")

    lines = {line.split()[0]: line.split() for line in result.out.splitlines()}
    assert lines["ingest.register"] == ["ingest.register", "1200", "0", "0", "0", "1", "h", "2", "min", "480"]
    assert lines["embedder.embed"][1] == "(paused)"
    assert "clusterer.ask" not in lines
    assert lines["talk"][1] == "1200"
    assert "collection talk is paused since" in result.err
