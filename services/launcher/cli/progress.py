"""What a person sees while waiting, on stderr; where that is no terminal, a line now and then if it takes long."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

from shared.wording import counted

if TYPE_CHECKING:
    from rich.progress import TaskID

NOTE_EVERY_S = 30.0


@contextmanager
def spinner(message: str) -> Iterator[None]:
    """Something that turns while the work goes on elsewhere."""
    from services.launcher.cli.output import console, tell

    if sys.stderr.isatty():
        with console(sys.stderr).status(message):
            yield
        return
    done = Event()

    def remind() -> None:
        while not done.wait(NOTE_EVERY_S):
            tell(f"Still {message}.")

    reminder = Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield
    finally:
        done.set()
        reminder.join()


class IngestBars:
    """Two bars: bytes on their way into the bucket, then files on their way through the pipeline."""

    def __init__(self, n_bytes: int, n_files: int, *, waits: bool) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        from services.launcher.cli.output import console

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console(sys.stderr),
            disable=not sys.stderr.isatty(),
        )
        self._upload: TaskID = self._progress.add_task("upload", total=n_bytes, note=counted(n_files, "file"))
        self._follow: TaskID | None = None
        if waits:
            self._follow = self._progress.add_task("process", total=n_files, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def sent(self, n_bytes: int) -> None:
        """So many more bytes went up; from any thread."""
        self._progress.advance(self._upload, n_bytes)

    def settled(self, n_ready: int, n_rejected: int) -> None:
        """So many files are through, of all."""
        if self._follow is not None:
            note = f"{n_ready} ready, {n_rejected} rejected"
            self._progress.update(self._follow, completed=n_ready + n_rejected, note=note)


class CountBar:
    """One bar of something whose number is known, or becomes known, as it goes on elsewhere."""

    def __init__(self, title: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        from services.launcher.cli.output import console

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console(sys.stderr),
            disable=not sys.stderr.isatty(),
        )
        self._task: TaskID = self._progress.add_task(title, total=None)
        self._title = title
        self._noted_s = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def at(self, n_done: int, n_wanted: int) -> None:
        """So many are done, of so many."""
        self._progress.update(self._task, completed=n_done, total=n_wanted)
        if not sys.stderr.isatty() and time.monotonic() - self._noted_s >= NOTE_EVERY_S:
            from services.launcher.cli.output import tell

            self._noted_s = time.monotonic()
            tell(f"{self._title}: {n_done} of {n_wanted}")
