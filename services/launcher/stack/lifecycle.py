"""The public face: start, find, look at and stop the stack of one data directory.

What starts and stops programs is loaded by the functions that need it: a client that only asks whether a stack runs
here may have been installed without the extra `local`.
"""

import importlib.util
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.launcher.stack.errors import AlreadyRunning, MissingPackage
from services.launcher.stack.layout import layout_of
from services.launcher.stack.state import StackState

_DOWN_PATIENCE_S = 180.0  # for an `up` or `down` of somebody else to end first
_WATCH_S = 0.5
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last when the terminal is closed


def _tell_nobody(_: str) -> None:
    return


def up(
    data_dir: Path | None = None,
    *,
    on_progress: Callable[[str], None] = _tell_nobody,
    services: Collection[str] | None = None,
    extra_env: Mapping[str, str] | None = None,
) -> StackState:
    """Start the stack in the background and return when it is ready.

    `services`: None for all, `()` for the servers alone (then no tables are made), or some of `SERVICES`.
    `extra_env` goes, after our own environment, to every program. If it or our environment has
    EARMARK_DATABASE__URL, EARMARK_REDIS__URL or EARMARK_S3__ENDPOINT (with its keys), that server is used and the
    embedded one not started. Raises StackError; then nothing is left running.
    """
    _require_packages()
    from services.launcher.stack.services import checked
    from services.launcher.stack.startup import start

    names = checked(services)
    layout = layout_of(data_dir)
    layout.create()
    with layout.held():
        if running(layout.data_dir):
            raise AlreadyRunning(f"A stack runs in {layout.data_dir} already.")
        return start(layout, names, {**os.environ, **(extra_env or {})}, on_progress)


def down(data_dir: Path | None = None) -> bool:
    """Stop everything in good order and return when no process of it is left; False if there was none.

    Also ends what was orphaned when supervisord was killed. Raises StackError.
    """
    layout = layout_of(data_dir)
    if not layout.run.is_dir():
        return False
    _require_packages()
    from services.launcher.stack.stopping import stop

    with layout.held(_DOWN_PATIENCE_S):
        layout.state_file.unlink(missing_ok=True)  # first: nobody should begin to use it now
        return stop(layout)


def running(data_dir: Path | None = None) -> StackState | None:
    """The state of the stack if it has been started and its supervisord lives; for its owner alone to read."""
    layout = layout_of(data_dir)
    state = StackState.load(layout)
    if state is None or importlib.util.find_spec("psutil") is None:
        return None
    from services.launcher.stack.family import is_supervisor

    return state if is_supervisor(state.pid, layout) else None


def foreground(state: StackState) -> None:
    """Block until SIGINT, SIGTERM or SIGHUP, then stop the stack; or until somebody else has stopped it."""
    with _ending_signals() as ended:
        while not ended.wait(_WATCH_S):
            if running(state.data_dir) is None:
                break
        down(state.data_dir)


@contextmanager
def _ending_signals() -> Iterator[threading.Event]:
    """An event that the ending signals set, within the block; the second one of them has its usual effect."""
    ended = threading.Event()
    before = {number: signal.getsignal(number) for number in _ENDING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def end(_number: int, _frame: object) -> None:
        ended.set()
        restore()

    for number in _ENDING:
        signal.signal(number, end)
    try:
        yield ended
    finally:
        restore()


def _require_packages() -> None:
    missing = [name for name in ("psutil", "supervisor") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPackage(f"Not installed: {', '.join(missing)}.")
