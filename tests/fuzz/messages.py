"""Fuzz target: everything that comes as JSON from outside: events, notifications of stores, answers of the child."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from services.ingest import hints
from services.ingest.decode.errors import error_of
from services.ingest.decode.facts import DecodedFacts
from shared import events
from shared.errors import EarmarkError
from tests.fuzz.json_mutating import mutated_json
from tests.fuzz.target import Target

_HINT, _ANSWER = 0xFF, 0xFE
_CONTRACT: Final = Path(__file__).parent.parent / "contract"
_FACTS: Final = DecodedFacts("wav", "pcm_16", 8_000, 1, 16_000, 1.0, 0.5, -9.0, ("clipped",))


def run(content: bytes) -> None:
    """The first byte says who reads the rest: the readers of hints, the decoder's parent, or one of the events."""
    if not content:
        return
    try:
        message = json.loads(content[1:])
    except (ValueError, RecursionError):
        return
    if content[0] == _HINT:
        _store_hint(message)
    elif content[0] == _ANSWER:
        _child_answer(message)
    elif _storable(message):
        kinds = sorted(events.EVENT_TYPES)
        _event(kinds[content[0] % len(kinds)], message)


def _storable(message: Any) -> bool:
    """Whether Postgres keeps it as jsonb; an event is read from nowhere else."""
    try:
        return b"\0" not in json.dumps(message, ensure_ascii=False, allow_nan=False).encode().replace(b"\\u0000", b"\0")
    except ValueError:  # lone surrogates, infinite numbers
        return False


def _event(kind: str, message: Any) -> None:
    try:
        event = events.parse(kind, message)
    except ValueError:  # pydantic's: buried as unreadable_event
        return
    assert events.parse(kind, json.loads(event.model_dump_json())) == event
    assert isinstance(event.subject(), str)
    assert isinstance(event.of_collection(), str)
    assert event.weight_segments() is not None
    assert event.weight_audio_s() is not None


def _store_hint(message: Any) -> None:
    for read in (hints.from_seaweedfs, hints.from_s3, hints.from_stream):
        with suppress(hints.UnreadableHint):
            assert all(isinstance(key, str) for key in read(message, "audio"))


def _child_answer(message: Any) -> None:
    if not isinstance(message, dict):
        return
    with suppress(ValueError):
        facts = DecodedFacts.from_json(message)
        assert DecodedFacts.from_json(json.loads(json.dumps(facts.as_json()))) == facts
    assert isinstance(error_of(str(message.get("error", "")), ""), EarmarkError)


def _seeds() -> list[bytes]:
    kinds = sorted(events.EVENT_TYPES)
    examples = (json.loads(path.read_bytes()) for path in sorted((_CONTRACT / "examples").glob("*.json")))
    told = [bytes([kinds.index(one["type"])]) + json.dumps(one["data"]).encode() for one in examples]
    notes = sorted((_CONTRACT / "hints").glob("*.json"))
    heard = [bytes([_HINT]) + json.dumps(json.loads(path.read_bytes())).encode() for path in notes]
    answers = [json.dumps(_FACTS.as_json()), json.dumps({"error": "corrupt", "detail": ""})]
    return [*told, *heard, *(bytes([_ANSWER]) + answer.encode() for answer in answers)]


TARGET: Final = Target(run, _seeds, mutated_json)
