"""Stacks that may be killed, clips by the thousand, and the table of what came of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.launcher import stack
from tests.chaos.observing import HEAD, Observer, Outcome
from tests.support.clips import cut_up
from tests.support.stack import FullStack, open_folder

LEASE_S = 3.0
# Faults are noticed within seconds here, which takes minutes in a stack of default settings.
QUICK = {
    "EARMARK_LEDGER__LEASE_S": str(LEASE_S),
    "EARMARK_LEDGER__RECONCILE_S": "0.5",
    "EARMARK_LEDGER__QUEUED_TIMEOUT_S": "4",
    "EARMARK_LEDGER__BACKOFF_BASE_S": "0.2",
    "EARMARK_INGEST__SWEEP_S": "3",
}

_OUTCOMES: list[Outcome] = []
Clips = Callable[[int], list[Path]]


@pytest.fixture(scope="session")
def mortal() -> Iterator[FullStack]:
    """A stack of their own: what is killed here must not disturb other tests."""
    with open_folder() as folder:
        state = stack.up(folder, extra_env=QUICK)
        try:
            yield FullStack(state)
        finally:
            stack.down(folder)


@pytest.fixture
def observer(mortal: FullStack) -> Observer:
    return Observer(mortal)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory, demo_audio: Path) -> Clips:
    """So many different clips of a second."""
    made: list[Path] = []

    def first(n: int) -> list[Path]:
        if len(made) < n:
            made[:] = cut_up(list(demo_audio.glob("*.flac")), tmp_path_factory.mktemp("clips"), n)
        return made[:n]

    return first


@pytest.fixture
def report() -> Callable[[Outcome], Outcome]:
    """Note an outcome for the table at the end of the run."""

    def note(outcome: Outcome) -> Outcome:
        _OUTCOMES.append(outcome)
        return outcome

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, as docs/reliability.md has it."""
    if _OUTCOMES:
        terminalreporter.write_line("")
        for line in (*HEAD.splitlines(), *(outcome.row() for outcome in _OUTCOMES)):
            terminalreporter.write_line(line)
