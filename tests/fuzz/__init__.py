"""Fuzz targets for what reads bytes from strangers in Python. `make fuzz` runs them, `make test` a little of it."""

from typing import Final

TARGETS: Final = ("headers", "messages", "archives")  # modules beside this one, each with a TARGET
