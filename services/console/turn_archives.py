"""Exports of who speaks when, in the formats of other tools, as a zip archive."""

import zipfile
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import groupby
from typing import IO, Literal

from services.console.annotations import labelstudio, rttm, tables, textgrid
from services.console.annotations.formats import CODECS, Format
from services.console.annotations.turns import Turn
from services.console.stems import unique_stems
from shared.storage import exports
from shared.storage.database import Transaction
from shared.storage.listing import ListedSegment

NamedBy = Literal["speaker", "cluster", "diarization"]
OneRecording = tuple[str, list[Turn]]
"""Its object key and its turns."""


def write_turns(tx: Transaction, collection: str, kind: Format, by: NamedBy, bucket: str, target: IO[bytes]) -> None:
    """Every segment of a collection as a turn; `by` says whose.

    A CSV holds the whole collection, Label Studio's tasks as well; the other formats have a file for each recording,
    those without segments included. RTTM leaves out turns of nobody in particular.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        match kind:
            case "csv":
                _write_table(archive, f"{collection}.csv", _recordings(tx, collection, by))
            case "labelstudio":
                _write_tasks(archive, bucket, _recordings(tx, collection, by))
            case _:
                _write_files(archive, kind, exports.durations_s(tx, collection), _recordings(tx, collection, by))


def _recordings(tx: Transaction, collection: str, by: NamedBy) -> Iterator[OneRecording]:
    for object_key, segments in groupby(_spoken(tx, collection), key=lambda segment: segment.object_key):
        yield object_key or "", [_turn(segment, by) for segment in segments]


def _spoken(tx: Transaction, collection: str) -> Iterator[ListedSegment]:
    """Nobody takes a turn in a caption."""
    return (segment for segment in exports.segments(tx, collection) if segment.modality == "audio")


def _turn(segment: ListedSegment, by: NamedBy) -> Turn:
    return Turn(segment.start_s, segment.end_s, _name(segment, by), segment.text, segment.segment_id)


def _name(segment: ListedSegment, by: NamedBy) -> str | None:
    """Who speaks; None if nobody is known to: a name that nobody gave is not made up."""
    cluster = str(segment.cluster_id) if segment.cluster_id else None
    match by:
        case "speaker":
            return segment.speaker
        case "cluster":
            return cluster
        case "diarization":
            return segment.speaker_label or cluster or rttm.NO_LABEL


def _write_files(
    archive: zipfile.ZipFile, kind: Format, durations_s: dict[str, float], recordings: Iterator[OneRecording]
) -> None:
    codec = CODECS[kind]

    def write(stem: str, object_key: str, turns: list[Turn]) -> None:
        match kind:
            case "textgrid":
                content = textgrid.write(object_key, turns, durations_s[object_key])
            case "rttm":  # its files go by their stems; the others that name a file at all mean one that can be opened
                content = codec.write(stem, turns)
            case _:
                content = codec.write(object_key, turns)
        archive.writestr(stem + codec.extension, content)

    left = unique_stems(durations_s)
    for object_key, turns in recordings:
        write(left.pop(object_key), object_key, turns)
    for object_key, stem in left.items():  # recordings without any segment
        write(stem, object_key, [])


def _write_table(archive: zipfile.ZipFile, name: str, recordings: Iterator[OneRecording]) -> None:
    with _text(archive, name) as file:
        file.write(tables.header())
        file.writelines(tables.rows(object_key, turns) for object_key, turns in recordings)


def _write_tasks(archive: zipfile.ZipFile, bucket: str, recordings: Iterator[OneRecording]) -> None:
    speakers: set[str] = set()
    with _text(archive, "tasks.json") as file:
        separator = "[\n"
        for object_key, turns in recordings:
            file.write(separator + labelstudio.task(f"s3://{bucket}/{object_key}", turns))
            separator = ",\n"
            speakers |= {turn.speaker for turn in turns if turn.speaker}
        file.write("\n]\n" if separator.startswith(",") else "[]\n")
    archive.writestr("config.xml", labelstudio.config(speakers))


def _text(archive: zipfile.ZipFile, name: str) -> TextIOWrapper:
    return TextIOWrapper(archive.open(name, "w", force_zip64=True), encoding="utf-8", newline="")
