"""What of a chain is told of work that is still open."""

from services.launcher.cli.trace import _rows

STEP = {"occurred_at": "now", "type": "io.earmark.object.seen.v1", "subject": "s", "code": None}
TIMES = {"waited_s": None, "worked_s": None, "attempt": None}


def test_open_work_names_the_pause_that_holds_it() -> None:
    waits = {"subscription": "ingest.register", "state": "pending", "attempt": 0, "age_s": 9.0, "error_code": None}
    held = waits | {"paused": "ingest", "error_code": "corrupt"}
    _, told, told_held = _rows({**STEP, **TIMES, "open": [waits, held]})
    assert (told["about"], told_held["about"]) == ("pending", "pending (corrupt) (paused: ingest)")
