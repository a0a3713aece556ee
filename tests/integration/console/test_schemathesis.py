"""The API keeps the promises of its own OpenAPI document, whatever schemathesis makes up against it.

The short form is examples and a few random cases of each operation; EARMARK_SCHEMATHESIS_CASES sets another number,
and adds the systematic walk along the edges of every field.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.console.conftest import OWNER_TOKEN, Served
from tests.integration.console.seeding import Meetings

CONFIG = Path(__file__).with_name("schemathesis.toml")
SHORT_CASES = 3


def test_schemathesis_finds_nothing(served: Served, meetings: Meetings, tmp_path: Path) -> None:
    asked_for = os.environ.get("EARMARK_SCHEMATHESIS_CASES")
    options = {
        "header": f"Authorization: Bearer {OWNER_TOKEN}",
        "seed": "5",
        "max-examples": asked_for or str(SHORT_CASES),
        "phases": "examples,coverage,fuzzing" if asked_for else "examples,fuzzing",
        "request-timeout": "20",
        "warnings": "off",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    program = Path(sys.executable).with_name("schemathesis")
    command = (str(program), "--config-file", str(CONFIG), "run", f"{served.url}/v1/openapi.json", *words)
    done = subprocess.run(
        [*command, "--no-color", "--continue-on-failure"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    sys.stdout.write(done.stdout[-2000:])
    assert done.returncode == 0, done.stdout
