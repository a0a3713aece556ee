"""What supervisord is to run: one Program each, whoever wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Group = Literal["servers", "services"]
"""supervisord stops all services before it stops the first server."""


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process."""

    name: str
    group: Group
    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)  # besides what all of them share; plain words only
    user: str | None = None  # None: whoever starts the stack
    stop_signal: str = "TERM"
    stop_wait_s: int = 15
