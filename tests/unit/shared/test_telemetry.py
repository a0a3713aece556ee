"""Log lines are events with fields, and hold nothing that a function had in its variables.

Each test logs in a process of its own: logging is set up once for a whole process.
"""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging
from shared.telemetry import configure_logging, logger

configure_logging({level!r}, json={as_json})
log = logger("test")

def handle(token):
    transcript = "what was said"
    raise ValueError("no such file")

log.debug("not_shown")
log.info("segments_embedded", recording_id="r1", n_segments=3)
try:
    handle("s3cret")
except ValueError:
    log.exception("handler_raised")
logging.getLogger("library").warning("from elsewhere")
"""


def logged(*, as_json: bool, level: str = "INFO") -> list[str]:
    command = [sys.executable, "-c", SCRIPT.format(as_json=as_json, level=level)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("as_json", [True, False])
def test_local_variables_stay_out_of_tracebacks(as_json: bool):
    text = "\n".join(logged(as_json=as_json))
    assert "no such file" in text
    assert "s3cret" not in text.replace('handle("s3cret")', "")  # its own source line is no variable
    assert "what was said" not in text.replace('transcript = "what was said"', "")
    assert '"locals"' not in text


def test_a_line_is_one_json_object_with_its_fields():
    lines = logged(as_json=True)
    event = json.loads(lines[0])
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "component": "test",
        "event": "segments_embedded",
        "level": "info",
        "n_segments": 3,
        "recording_id": "r1",
    }
    assert json.loads(lines[1])["event"] == "handler_raised"
    assert len(lines) == 3  # the traceback is part of its line


def test_the_level_decides_what_is_written():
    assert "not_shown" in "\n".join(logged(as_json=True, level="DEBUG"))
    assert "not_shown" not in "\n".join(logged(as_json=True))
    assert len(logged(as_json=True, level="WARNING")) == 2
