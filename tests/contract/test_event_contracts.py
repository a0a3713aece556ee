"""Events as outsiders see them: golden examples of every type, and a row of docs/events.md for each.

The examples are what older readers and stored events look like. Change one only with a new version of its type.
"""

import json
import re
from pathlib import Path

import pytest

from shared import events
from shared.events import EVENT_TYPES, CloudEvent
from shared.ledger.routes import BY_EVENT

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.json"))
EVENTS_PAGE = Path(__file__).parents[2] / "docs" / "events.md"
TYPE = re.compile(r"(io\.earmark\..+\.v\d+)(\.\w+)?\.json")


def type_of(example: Path) -> str:
    """From `<type>.json` or `<type>.<case>.json`."""
    named = TYPE.fullmatch(example.name)
    assert named, example.name
    return named[1]


def test_every_type_has_an_example_and_every_example_a_type():
    assert {type_of(example) for example in EXAMPLES} == set(EVENT_TYPES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
class TestAnExample:
    def test_is_a_whole_envelope_that_is_written_as_it_was_read(self, example: Path):
        document = json.loads(example.read_text())
        assert CloudEvent.model_validate_json(example.read_text()).model_dump(mode="json") == document
        assert document["specversion"] == "1.0"
        assert document["datacontenttype"] == "application/json"

    def test_holds_data_that_is_written_as_it_was_read(self, example: Path):
        document = json.loads(example.read_text())
        event = events.parse(type_of(example), document["data"])
        assert type(event) is EVENT_TYPES[type_of(example)]
        assert json.loads(event.model_dump_json()) == document["data"]

    def test_is_addressed_as_its_event_says(self, example: Path):
        document = json.loads(example.read_text())
        event = events.parse(type_of(example), document["data"])
        assert document["type"] == type_of(example) == event.type
        assert document["source"] == f"earmark/{event.service}"
        assert document["subject"] == event.subject()

    def test_is_read_the_same_with_fields_that_a_later_version_adds(self, example: Path):
        document = json.loads(example.read_text())
        later = {**document, "traceparent": "00-0", "data": {**document["data"], "added_later": [1, {"a": None}]}}
        assert CloudEvent.model_validate(later).model_dump(exclude={"data"}) == CloudEvent.model_validate(
            document
        ).model_dump(exclude={"data"})
        assert events.parse(type_of(example), later["data"]) == events.parse(type_of(example), document["data"])

    def test_stands_for_work_that_can_be_packed(self, example: Path):
        event = events.parse(type_of(example), json.loads(example.read_text())["data"])
        assert event.weight_segments() >= 0
        assert event.weight_audio_s() >= 0


def test_no_event_carries_audio_vectors_or_rows():
    """Facts carry ids and keys: an event of the most segments stays small."""
    allowed = {"UUID", "UUID | None", "str", "bool", "int", "float", "tuple[UUID, ...]"}
    found = {
        f"{cls.__name__}.{name}": re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", str(field.annotation)).replace(
            "uuid.", ""
        )
        for cls in EVENT_TYPES.values()
        for name, field in cls.model_fields.items()
    }
    assert {where: kind for where, kind in found.items() if kind not in allowed} == {}


def test_a_type_is_named_after_a_fact_and_its_version():
    assert [t for t in EVENT_TYPES if not re.fullmatch(r"io\.earmark(\.[a-z]+){2,3}\.v[1-9]\d*", t)] == []


def test_a_type_that_nobody_knows_is_named():
    with pytest.raises(events.UnknownEvent, match=r"io\.earmark\.object\.seen\.v2"):
        events.parse("io.earmark.object.seen.v2", {})


# --- docs/events.md: | `type` | when | service | `subject` | `field`, `field` | `subscription` or none | ------------


def rows() -> dict[str, list[str]]:
    lines = [line for line in EVENTS_PAGE.read_text().splitlines() if line.startswith("| `io.earmark.")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("`| "): row for row in cells}


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_has_a_row_for_every_type():
    assert list(rows()) == list(EVENT_TYPES)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_row_names_the_service_the_fields_and_the_subscriptions(event_type: str):
    _, _, service, _, fields, subscriptions = rows()[event_type]
    cls = EVENT_TYPES[event_type]
    assert service == cls.service
    assert code(fields) == list(cls.model_fields)
    assert code(subscriptions) == [subscription.name for subscription in BY_EVENT[event_type]]
