"""Turns as ELAN's annotation files (.eaf): a tier for each speaker, times in whole milliseconds.

Format: EAF 3.0, https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf. The parser is expat with every
declaration refused: an EAF file has no document type, so an entity can only be an attack.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from services.console.annotations.text import decode
from services.console.annotations.tiers import Tier, holds_speakers, tiers_of
from services.console.annotations.turns import BadAnnotations, FileTurns, Reading, Turn

_DEEPEST: Final = 32
_MS_PER_S: Final = 1000
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What no XML 1.0 document can hold, escaped or not."""

_HEAD: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="Earmark" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"\
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
"""  # the date is part of the format; a fixed one keeps equal exports equal
_FOOT: Final = """\
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


class BadEaf(BadAnnotations):
    """Open the file in ELAN and save it again; an EAF file declares no document type and no entities."""

    code = "bad_eaf"


@dataclass(slots=True)
class _Annotation:
    """Of an independent tier; its times are known when the whole file is read."""

    line: int
    start: str
    end: str
    speaker: str
    text: str
    text_is_speaker: bool


@dataclass(slots=True)
class _Document:
    """What the file has said so far."""

    media: str | None = None
    times_ms: dict[str, str] = field(default_factory=dict)
    annotations: list[_Annotation] = field(default_factory=list)


def parse(raw: bytes, name: str) -> list[FileTurns]:
    """The annotations of the tiers that depend on no other. Raises BadEaf.

    A tier is its participant's, else of the speaker that it is named after; if it is called `speaker`, its values are
    the names.
    """
    reading = Reading(name, BadEaf)
    document = _read(reading, decode(raw, reading))
    media = document.media or reading.stem
    for found in document.annotations:
        start_s, end_s = (_time_s(reading, document, found, slot) for slot in (found.start, found.end))
        speaker, text = (found.text, None) if found.text_is_speaker else (found.speaker, found.text)
        reading.add(media, found.line, start_s, end_s, speaker, text)
    return reading.files(also=reading.stem)


def _time_s(reading: Reading, document: _Document, found: _Annotation, slot: str) -> float:
    value = document.times_ms.get(slot, "")
    if not (value.isascii() and value.isdecimal() and len(value) <= 12):
        raise reading.bad(found.line, f"The time slot {slot[:40]!r} has no time in milliseconds.")
    return reading.checked_s(found.line, int(value) / _MS_PER_S)


def _read(reading: Reading, text: str) -> _Document:
    reader = _Reader(reading)
    try:
        reader.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise reading.bad(error.lineno, f"It is no XML: {expat.ErrorString(error.code)}.") from None
    return reader.document


class _Reader:
    """The handlers of one parse, and where in the tree it is."""

    def __init__(self, reading: Reading) -> None:
        self.document = _Document()
        # The text is UTF-8 by now, whatever its first line says.
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.ExternalEntityRefHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self._reading = reading
        self._depth = 0
        self._tier: Mapping[str, str] | None = None
        self._annotation: _Annotation | None = None
        self._value: list[str] | None = None

    def _refuse(self, *_: object) -> int:
        raise self._reading.bad(self.parser.CurrentLineNumber, "It declares a document type or an entity.")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._reading.bad(self.parser.CurrentLineNumber, "It is nested too deeply.")
        if self._depth == 1 and name != "ANNOTATION_DOCUMENT":
            raise self._reading.bad(self.parser.CurrentLineNumber, "It is XML, but no annotation document of ELAN's.")
        match name:
            case "MEDIA_DESCRIPTOR":
                self.document.media = self.document.media or _media(attributes)
            case "TIME_SLOT":
                self.document.times_ms[attributes.get("TIME_SLOT_ID", "")] = attributes.get("TIME_VALUE", "")
            case "TIER":  # one with a parent says the same turns again, word by word or in another language
                self._tier = None if attributes.get("PARENT_REF") else attributes
            case "ALIGNABLE_ANNOTATION" if self._tier is not None:
                self._annotation = self._begin(self._tier, attributes)
            case "ANNOTATION_VALUE":
                self._value = []

    def _begin(self, tier: Mapping[str, str], attributes: Mapping[str, str]) -> _Annotation:
        participant, name = tier.get("PARTICIPANT", "").strip(), tier.get("TIER_ID", "")
        return _Annotation(
            line=self.parser.CurrentLineNumber,
            start=attributes.get("TIME_SLOT_REF1", ""),
            end=attributes.get("TIME_SLOT_REF2", ""),
            speaker=participant or name,
            text="",
            text_is_speaker=not participant and holds_speakers(name),
        )

    def _characters(self, text: str) -> None:
        if self._value is not None:
            self._value.append(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        match name:
            case "ANNOTATION_VALUE":
                if self._annotation is not None:
                    self._annotation.text = "".join(self._value or ())
                self._value = None
            case "ALIGNABLE_ANNOTATION" if self._annotation is not None:
                self.document.annotations.append(self._annotation)
                self._annotation = None
            case "TIER":
                self._tier = None


def _media(attributes: Mapping[str, str]) -> str | None:
    return attributes.get("MEDIA_URL", "").strip() or attributes.get("RELATIVE_MEDIA_URL", "").strip() or None


def write(file: str, turns: Sequence[Turn]) -> str:
    """A document for one recording; a speaker whose turns overlap has several tiers, numbered from the second on."""
    tiers = tiers_of(turns) or [Tier("UNKNOWN", None, ())]
    return "".join((_HEAD, *_header(file), *_slots(tiers), *_tiers(tiers), _FOOT))


def _header(file: str) -> Iterator[str]:
    yield '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">\n'
    path = PurePosixPath(file)
    kind = "audio/x-wav" if path.suffix.lower() == ".wav" else "audio/*"
    beside = _attribute(f"./{path.name}")  # where ELAN looks first: next to the annotations
    yield f'        <MEDIA_DESCRIPTOR MEDIA_URL={_attribute(file)} MIME_TYPE="{kind}" RELATIVE_MEDIA_URL={beside}/>\n'
    yield "    </HEADER>\n"


def _slots(tiers: Sequence[Tier]) -> Iterator[str]:
    """Two for each annotation, numbered through."""
    yield "    <TIME_ORDER>\n"
    times_s = (time_s for tier in tiers for turn in tier.turns for time_s in (turn.start_s, turn.end_s))
    for n, time_s in enumerate(times_s, start=1):
        yield f'        <TIME_SLOT TIME_SLOT_ID="ts{n}" TIME_VALUE="{round(time_s * _MS_PER_S)}"/>\n'
    yield "    </TIME_ORDER>\n"


def _tiers(tiers: Sequence[Tier]) -> Iterator[str]:
    n, names = 0, _names(tiers)
    for name, tier in zip(names, tiers, strict=True):
        who = f" PARTICIPANT={_attribute(tier.speaker or 'UNKNOWN')}"
        yield f'    <TIER LINGUISTIC_TYPE_REF="default-lt"{who} TIER_ID={_attribute(name)}>\n'
        for turn in tier.turns:
            n += 1
            slots = f'TIME_SLOT_REF1="ts{2 * n - 1}" TIME_SLOT_REF2="ts{2 * n}"'
            yield f'        <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{n}" {slots}>'
            yield f"<ANNOTATION_VALUE>{_content(turn.text or '')}</ANNOTATION_VALUE>"
            yield "</ALIGNABLE_ANNOTATION></ANNOTATION>\n"
        yield "    </TIER>\n"


def _names(tiers: Sequence[Tier]) -> list[str]:
    """Names of tiers are unique in ELAN."""
    taken: dict[str, None] = {}
    for tier in tiers:
        name, n = tier.name, 1
        while name in taken:
            n += 1
            name = f"{tier.name} {n}"
        taken[name] = None
    return list(taken)


def _content(text: str) -> str:
    return escape(_NOT_XML.sub(" ", text), {"\r": "&#13;"})


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub(" ", text))
