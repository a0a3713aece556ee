"""Reading server-sent events."""

from services.launcher.cli.events import parse_events

STREAM = [
    "retry: 1000",
    "",
    "id: 1",
    "event: x",
    'data: {"id": "1",',
    'data: "n": 2}',
    "",
    ": idle",
    'data:{"id":"2"}',
    "",
]


def test_events_are_put_together_from_their_lines() -> None:
    assert list(parse_events(STREAM)) == [{"id": "1", "n": 2}, {"id": "2"}]


def test_an_event_that_is_cut_off_is_no_event() -> None:
    assert list(parse_events(['data: {"id": "1"}'])) == []
