"""Start or stop a stack without the command line tool: `python -m services.launcher.stack up|down DIR`."""

import argparse
import sys
from pathlib import Path

from services.launcher import stack
from shared.errors import EarmarkError


def main() -> int:
    """Exit status: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m services.launcher.stack")
    parser.add_argument("action", choices=("up", "down"))
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--servers-only", action="store_true", help="start no service of Earmark's own")
    arguments = parser.parse_args()
    try:
        if arguments.action == "down":
            stack.down(arguments.data_dir)
            return 0
        services = () if arguments.servers_only else None
        state = stack.up(arguments.data_dir, services=services, on_progress=_tell)
    except EarmarkError as error:
        sys.stderr.write(f"{error.sentence()}\n")
        return 1
    sys.stdout.write(f"{state.model_dump_json(indent=2)}\n")
    return 0


def _tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")


if __name__ == "__main__":
    sys.exit(main())
