"""Run every benchmark, or those named: `python -m benchmarks [messages vectors identify pipeline]`."""

import sys
from importlib import import_module

ALL = ("vectors", "identify", "messages", "pipeline", "clustering", "naming", "label_economy", "encoders")


def main() -> None:
    for name in sys.argv[1:] or ALL:
        for comparison in import_module(f"benchmarks.{name}").run():
            print(comparison.line(), flush=True)


if __name__ == "__main__":
    main()
