"""Turns as Label Studio's JSON: read from exported annotations, written as tasks with predictions to correct.

Formats: https://labelstud.io/guide/export (JSON), https://labelstud.io/guide/predictions.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from services.console.annotations.text import decode
from services.console.annotations.turns import DECIMALS, UNKNOWN, BadAnnotations, FileTurns, Reading, Turn
from services.console.strict import parse as parse_json
from shared.errors import InvalidRequest

AUDIO: Final = "audio"
"""The field of a task that names the recording, as the labelling configuration calls it."""

_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class BadLabelStudio(BadAnnotations):
    """Export the project as JSON (not JSON-MIN); its tasks name the audio, its regions have start, end and labels."""

    code = "bad_labelstudio"


@dataclass(slots=True)
class _Region:
    """What the results of one id say together: from a `labels`, who speaks, from a `textarea`, what is said."""

    place: str
    span: tuple[float, float] | None = None
    labels: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def parse(raw: bytes, name: str) -> list[FileTurns]:
    """The regions of each task: of its ground truth, else of its last annotation, else of its last prediction.

    A region with several labels is a turn of each of them. Results of other types are skipped. Raises BadLabelStudio.
    """
    reading = Reading(name, BadLabelStudio)
    text = decode(raw, reading)
    try:
        document = parse_json(text.encode())
    except InvalidRequest as error:
        raise reading.bad("as a whole", str(error)) from None
    tasks = document if isinstance(document, list) else [document]
    for n, task in enumerate(tasks, start=1):
        place = f"task {n}"
        _take(reading, place, _object(reading, place, task))
    return reading.files()


def _take(reading: Reading, place: str, task: Mapping[str, Any]) -> None:
    audio = _audio(reading, place, task)
    for region in _regions(reading, place, _chosen(reading, place, task)):
        if region.span is None:
            continue
        for label in region.labels or [UNKNOWN]:
            reading.add(audio, region.place, *region.span, label, "\n".join(region.texts))


def _audio(reading: Reading, place: str, task: Mapping[str, Any]) -> str:
    """Under `audio`, else the first text: projects call the field as they like."""
    fields = _object(reading, place, task.get("data"))
    texts = [value for name, value in sorted(fields.items(), key=lambda item: item[0] != AUDIO) if _is_text(value)]
    if not texts:
        raise reading.bad(place, "Its data names no audio.")
    return str(texts[0])


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _chosen(reading: Reading, place: str, task: Mapping[str, Any]) -> Sequence[Any]:
    """The results that count."""
    annotations = [_object(reading, place, found) for found in _list(reading, place, task.get("annotations"))]
    done = [found for found in annotations if found.get("was_cancelled") is not True]
    truths = [found for found in done if found.get("ground_truth") is True]
    guesses = [] if annotations else _list(reading, place, task.get("predictions"))
    last = (truths or done or guesses or [{}])[-1]
    return _list(reading, place, _object(reading, place, last).get("result"))


def _regions(reading: Reading, place: str, results: Sequence[Any]) -> Iterable[_Region]:
    regions: dict[str, _Region] = {}
    for n, found in enumerate(results, start=1):
        where = f"{place}, result {n}"
        result = _object(reading, where, found)
        if (kind := result.get("type")) not in {"labels", "textarea"}:
            continue
        region = regions.setdefault(str(result.get("id", where)), _Region(where))
        value = _object(reading, where, result.get("value"))
        if "start" in value or "end" in value or kind == "labels":
            region.span = _time_s(reading, where, value.get("start")), _time_s(reading, where, value.get("end"))
        if kind == "labels":
            region.labels += _texts(reading, where, value.get("labels"))
        else:
            region.texts += _texts(reading, where, value.get("text"))
    return regions.values()


def _time_s(reading: Reading, place: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise reading.bad(place, "It has no start or no end in seconds.")
    return reading.checked_s(place, float(value))


def _texts(reading: Reading, place: str, value: object) -> list[str]:
    values = [value] if isinstance(value, str) else _list(reading, place, value)
    if not all(isinstance(text, str) for text in values):
        raise reading.bad(place, "A label or a text is no text.")
    return [str(text) for text in values]


def _object(reading: Reading, place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise reading.bad(place, "There should be an object, as Label Studio exports it.")
    return value


def _list(reading: Reading, place: str, value: object) -> Sequence[Any]:
    if value is not None and not isinstance(value, list):
        raise reading.bad(place, "There should be a list, as Label Studio exports it.")
    return value or []


def write(file: str, turns: Sequence[Turn]) -> str:
    """A list of one task, for the labelling configuration of `config`."""
    return f"[\n{task(file, turns)}\n]\n"


def task(file: str, turns: Sequence[Turn]) -> str:
    """One task: the address of the recording, and its turns as a prediction; nobody in particular is `UNKNOWN`."""
    results = [result for n, turn in enumerate(turns, start=1) for result in _results(f"turn-{n}", turn)]
    predictions = [{"model_version": "earmark", "result": results}]
    return json.dumps({"data": {AUDIO: file}, "predictions": predictions}, ensure_ascii=False)


def _results(region: str, turn: Turn) -> Iterator[dict[str, object]]:
    span = {"start": round(turn.start_s, DECIMALS), "end": round(turn.end_s, DECIMALS), "channel": 0}
    common = {"id": region, "to_name": AUDIO}
    labels = {**span, "labels": [turn.speaker or UNKNOWN]}
    yield {**common, "from_name": "speaker", "type": "labels", "value": labels}
    if turn.text:
        yield {**common, "from_name": "text", "type": "textarea", "value": {**span, "text": [turn.text]}}


def config(speakers: Iterable[str]) -> str:
    """The labelling configuration that fits: a label for each speaker and one for nobody, and a text a region."""
    labels = "".join(
        f"    <Label value={quoteattr(_NOT_XML.sub(' ', name))}/>\n" for name in (*sorted(set(speakers)), UNKNOWN)
    )
    return (
        f'<View>\n  <Labels name="speaker" toName="{AUDIO}">\n{labels}  </Labels>\n'
        f'  <Audio name="{AUDIO}" value="${AUDIO}"/>\n'
        f'  <TextArea name="text" toName="{AUDIO}" perRegion="true" editable="true"/>\n</View>\n'
    )
