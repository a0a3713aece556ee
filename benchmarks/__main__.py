"""Run every benchmark, or those named: `python -m benchmarks [messages vectors identify pipeline]`."""

import sys
from importlib import import_module

from shared.telemetry import configure_logging

ALL = (
    "vectors",
    "identify",
    "messages",
    "pipeline",
    "clustering",
    "naming",
    "label_economy",
    "decoding",
    "segments",
    "encoders",
    "memory",
)


def main() -> None:
    configure_logging("WARNING", json=False)
    for name in sys.argv[1:] or ALL:
        for comparison in import_module(f"benchmarks.{name}").run():
            print(comparison.line(), flush=True)


if __name__ == "__main__":
    main()
