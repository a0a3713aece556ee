import itertools

import pytest

from services.launcher.stack import readiness
from services.launcher.stack.control import ProgramStatus
from services.launcher.stack.errors import NotReady
from services.launcher.stack.layout import Layout


def status(state: str, started_at_s: int = 1) -> ProgramStatus:
    return ProgramStatus("relay", "services", state, 0, started_at_s, "Exited too quickly")


def never() -> str | None:
    return "not yet"


def test_it_returns_when_each_part_has_been_ready_once(layout: Layout) -> None:
    answers = iter(["not yet", None])
    readiness.wait(layout, {"relay": lambda: next(answers), "watch": lambda: None}, 5, statuses=lambda _: [])


def test_a_program_that_failed_for_good_is_named_at_once_with_the_end_of_its_log(layout: Layout) -> None:
    layout.log_file("relay").write_text("starting\nImportError: no such thing\n")
    with pytest.raises(NotReady, match=r"(?s)relay: Exited too quickly.*ImportError: no such thing"):
        readiness.wait(layout, {"relay": never}, 60, statuses=lambda _: [status("FATAL")])


def test_a_program_that_keeps_failing_is_not_waited_for(layout: Layout) -> None:
    seconds = itertools.count()
    with pytest.raises(NotReady, match="relay"):
        readiness.wait(layout, {"relay": never}, 60, statuses=lambda _: [status("BACKOFF", next(seconds))])


def test_one_failed_start_is_forgiven(layout: Layout) -> None:
    looks = itertools.count()
    readiness.wait(
        layout,
        {"relay": lambda: None if next(looks) > 15 else "not yet"},
        60,
        statuses=lambda _: [status("BACKOFF", started_at_s=1)],
    )


def test_what_is_not_ready_in_time_is_named_with_what_it_lacks(layout: Layout) -> None:
    with pytest.raises(NotReady, match=r"relay: not ready after 0 s \(not yet\)"):
        readiness.wait(layout, {"relay": never}, 0.1, statuses=lambda _: [])


def test_a_vanished_supervisor_ends_the_wait(layout: Layout) -> None:
    def gone(_: Layout) -> list[ProgramStatus]:
        raise FileNotFoundError

    with pytest.raises(NotReady, match="supervisord"):
        readiness.wait(layout, {"relay": never}, 60, statuses=gone)


def test_only_the_end_of_a_long_log_is_told(layout: Layout) -> None:
    path = layout.log_file("relay")
    path.write_text("\n".join(f"line {number}" for number in range(10_000)))
    tail = readiness.log_tail(path)
    assert tail.endswith("line 9999")
    assert len(tail.splitlines()) == 20


def test_a_log_that_is_not_there_is_empty(layout: Layout) -> None:
    assert readiness.log_tail(layout.log_file("nobody")) == ""
