"""Why what is waited for does not come, in words."""

from typing import Any

from services.launcher.cli.troubles import QUIET_S, Quiet, given_up, reasons

FAULT = {"subscription": "embedder.embed", "code": "missing_model", "reason": "a/b:\n nowhere", "deliveries": 3}


def work(dead: int = 0, *faults: dict[str, Any], **backlog: int) -> dict[str, Any]:
    counts = {"pending": 0, "queued": 0, "leased": 0, **backlog, "dead": dead}
    return {"backlog": counts, "faults": list(faults), "pauses": []}


def test_counts_and_the_last_error_are_told_with_the_command_that_shows_more() -> None:
    told = list(reasons(work(3, {**FAULT, "state": "dead"}, leased=1)))
    assert told[0] == "Work left: 0 pending, 0 queued, 1 leased, 3 dead."
    assert told[1] == "3 of embedder.embed given up: missing_model: a/b: nowhere"
    assert "earmark dead list" in told[2]


def test_what_was_put_off_is_no_dead_letter() -> None:
    told = list(reasons(work(0, {**FAULT, "state": "pending"}, pending=3)))
    assert "to be tried again: missing_model" in told[1]
    assert told[2] == "More: earmark status"


def test_a_pause_is_told_with_the_way_back() -> None:
    pause = {"kind": "stage", "name": "embedder", "paused_at": "2026-11-21T13:00:00Z", "paused_by": "ann"}
    told = list(reasons({**work(0, pending=3), "pauses": [pause]}))
    assert told[1].startswith("stage embedder is paused since 2026-11-2")
    assert told[1].endswith("by ann; earmark resume --stage embedder lets it go on.")


def test_nothing_more_will_happen_once_all_that_is_left_was_given_up() -> None:
    failure = given_up(work(3, {**FAULT, "state": "dead"}))
    assert failure is not None
    assert (failure.code, failure.message) == ("missing_model", "a/b: nowhere")
    assert given_up(work(3, {**FAULT, "state": "dead"}, leased=1)) is None
    assert given_up(work(0)) is None


def test_what_moves_is_not_quiet() -> None:
    now = [0.0]
    quiet = Quiet(lambda: now[0])
    assert not quiet(1)
    now[0] += QUIET_S
    assert not quiet(2)
    now[0] += QUIET_S
    assert quiet(2)
    assert not quiet(2)  # told once, and again after as long
    now[0] += QUIET_S
    assert quiet(2)
