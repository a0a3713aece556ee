"""One answer for many who ask."""

import threading

from services.console.remembered import Remembered


def test_an_answer_is_kept_for_some_seconds() -> None:
    now, answers = [0.0], iter("abc")
    one: Remembered[str] = Remembered(lambda: now[0])
    assert [one.get(lambda: next(answers), 2.0) for _ in range(3)] == ["a", "a", "a"]
    now[0] = 2.0
    assert [one.get(lambda: next(answers), 2.0) for _ in range(2)] == ["b", "b"]


def test_who_asks_while_somebody_looks_gets_the_last_answer() -> None:
    one: Remembered[str] = Remembered()
    one.get(lambda: "old", 0.0)
    looking, looked = threading.Event(), threading.Event()

    def look() -> str:
        looking.set()
        looked.wait()
        return "new"

    slow = threading.Thread(target=one.get, args=(look, 0.0), daemon=True)
    slow.start()
    looking.wait()
    assert one.get(lambda: "another", 0.0) == "old"
    looked.set()
    slow.join()
    assert one.get(lambda: "another", 60.0) == "new"
