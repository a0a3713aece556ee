"""Which events a reader gets, and how they are written."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.console.stream import UnknownEventType, frame, wanted
from shared.events import CloudEvent, RecordingRegistered

EVENT = CloudEvent(
    id=UUID(int=1),
    source="earmark/ingest",
    type=RecordingRegistered.type,
    subject="line\nbreak",
    time=datetime(2026, 1, 1, tzinfo=UTC),
    correlationid=UUID(int=2),
    data={"collection": "meetings"},
)


def test_without_filters_everything_is_wanted():
    assert wanted(None, None).takes(EVENT)


@pytest.mark.parametrize(("collection", "takes"), [("meetings", True), ("other", False)])
def test_a_collection_is_told_by_the_data(collection, takes):
    assert wanted(collection, None).takes(EVENT) is takes


@pytest.mark.parametrize(
    "types", ["recording.registered", RecordingRegistered.type, "labels.propagated, recording.registered"]
)
def test_types_are_named_in_full_or_in_the_middle(types):
    assert wanted(None, types).takes(EVENT)
    assert not wanted(None, "labels.propagated").takes(EVENT)


@pytest.mark.parametrize("types", ["", "recording", "recording.registered,"])
def test_a_type_that_does_not_exist_is_refused(types):
    with pytest.raises(UnknownEventType):
        wanted(None, types)


def test_a_frame_has_an_id_a_type_and_one_line_of_data():
    lines = frame(EVENT).decode().split("\n")
    assert lines[0] == f"id: {EVENT.id}"
    assert lines[1] == f"event: {EVENT.type}"
    assert json.loads(lines[2].removeprefix("data: "))["subject"] == "line\nbreak"
    assert lines[3:] == ["", ""]
