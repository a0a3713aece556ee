"""What each format of annotations says, and how it shows itself."""

import codecs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.console.annotations import audacity, elan, formats, labelstudio, rttm, tables, textgrid
from services.console.annotations.turns import BadAnnotations, FileTurns, Reading, Turn
from services.console.api.shapes import SpeakerName
from tests.unit.console.annotations.samples import EAF, LONG_GRID, SHORT_GRID

GRID_TURNS = (
    Turn(0.5, 1.5, "Ada", 'She said "hello" ! 3 times'),
    Turn(1.5, 2.5, "Ada"),
    Turn(0.0, 2.5, "Ben"),
)


@pytest.mark.parametrize("text", [LONG_GRID, SHORT_GRID, SHORT_GRID.replace("\n", " ! a comment, 7 \n")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_both_forms_of_a_textgrid_in_every_encoding(text, encoding, end):
    raw = text.replace("\n", end).encode(encoding)
    assert textgrid.parse(raw, "talk.TextGrid") == [FileTurns("talk", GRID_TURNS)]
    assert formats.sniff(raw, "talk.txt") == "textgrid"


def test_utf_16_as_praat_writes_it():
    raw = codecs.BOM_UTF16_BE + SHORT_GRID.replace("Ada", "Zoë").encode("utf-16-be")
    assert textgrid.parse(raw, "a.TextGrid")[0].turns[0].speaker == "Zoë"


def test_rttm_as_the_standard_has_it():
    raw = b"""\
;; a comment
SPKR-INFO talk 1 <NA> <NA> <NA> adult_female Ada <NA>
SPEAKER talk 1   2.50 0.50 <NA> <NA> Ben <NA> <NA>
SPEAKER talk 1 0.0 3.0 <NA> <NA> Ada_Lovelace 0.93

LEXEME talk 1 0.1 0.2 hello lex Ada 0.5
SPEAKER talk 1 1.0 0.000 <NA> <NA> Ada <NA> <NA>
SPEAKER talk 1 1e0 1 <NA> <NA> <NA> <NA> <NA>
SPEAKER other 1 0 1 <NA> <NA> unknown <NA> <NA>
"""
    assert rttm.parse(raw, "x.rttm") == [
        FileTurns("talk", (Turn(2.5, 3.0, "Ben"), Turn(0.0, 3.0, "Ada_Lovelace"), Turn(1.0, 2.0, None))),
        FileTurns("other", (Turn(0.0, 1.0, None),)),
    ]


def test_an_rttm_of_one_recording_may_be_named_after_it():
    assert rttm.parse(b"SPEAKER waveform 1 0 1 <NA> <NA> A <NA> <NA>", "b/talk.rttm")[0].also == "b/talk"


def test_underscores_become_blanks_where_it_is_known_who_is_meant():
    files = [FileTurns("a", tuple(Turn(0, 1, name) for name in ("Ada_Lovelace", "B_C", "D_E", None)))]
    known = {"Ada Lovelace", "B C", "B\u00a0C", "Ben"}
    assert [turn.speaker for turn in rttm.restored(files, known)[0].turns] == ["Ada Lovelace", "B_C", "D_E", None]


@pytest.mark.parametrize(
    "text",
    [
        "file,start,end,speaker\nc/a.wav,0.5,1.5,Ada\nc/a.wav,2,3,\n",
        "Path;Start_s;Duration;Label\nc/a.wav;0,5;1;Ada\n\n;;;\nc/a.wav;2;1;\n",
        'object_key\tSPEAKER\tend time\tonset\n"c/a.wav"\tAda\t1.5\t0.5\nc/a.wav\tUNKNOWN\t3\t2\n',
        "\ufeffspeaker, end-time , start_time, file\r\nAda,1.5,0.5,c/a.wav\r\n,3,2,c/a.wav\r\n",
    ],
)
def test_headers_are_read_tolerantly(text):
    (file,) = tables.parse(text.encode(), "x.csv")
    assert file == FileTurns("c/a.wav", (Turn(0.5, 1.5, "Ada"), Turn(2.0, 3.0, None)))


def test_a_csv_without_files_is_of_the_recording_that_it_is_named_after():
    assert tables.parse(b"start,end,speaker\n0,1,A\n", "deep/talk.csv")[0].file == "deep/talk"


def test_a_csv_may_name_segments_by_their_ids():
    (file,) = tables.parse(b"segment_id,speaker\n7d74b913-9a5f-58eb-8a82-556a483ed566,Ada\n", "x.csv")
    ((turn),) = file.turns
    assert (str(turn.segment_id), turn.speaker) == ("7d74b913-9a5f-58eb-8a82-556a483ed566", "Ada")


def test_regions_of_label_studio():
    raw = b"""[{"id": 7, "data": {"note": "n", "audio": "/data/upload/1/0a1b2c3d-talk.wav"}, "annotations": [
      {"was_cancelled": true, "result": [{"type": "nonsense", "value": {}}]},
      {"result": [
        {"id": "r1", "type": "labels", "value": {"start": 0.5, "end": 2, "labels": ["Ada", "Ben"]}},
        {"id": "r1", "type": "textarea", "value": {"start": 0.5, "end": 2, "text": ["Hi.", "You."]}},
        {"id": "r2", "type": "textarea", "value": {"start": 3, "end": 4, "text": "Who?"}},
        {"id": "r3", "type": "labels", "value": {"start": 5, "end": 6, "labels": ["UNKNOWN"]}},
        {"id": "r4", "type": "choices", "value": {"choices": ["good"]}}]}],
      "predictions": [{"result": [{"id": "p", "type": "labels", "value": {"start": 0, "end": 9, "labels": []}}]}]}]"""
    (file,) = labelstudio.parse(raw, "export.json")
    assert file.file == "/data/upload/1/0a1b2c3d-talk.wav"
    assert file.turns == (
        Turn(0.5, 2, "Ada", "Hi.\nYou."),
        Turn(0.5, 2, "Ben", "Hi.\nYou."),
        Turn(3, 4, None, "Who?"),
        Turn(5, 6, None),
    )


def test_the_ground_truth_of_several_annotations_counts():
    def annotation(name: str, *, truth: bool) -> str:
        region = f'{{"type": "labels", "value": {{"start": 0, "end": 1, "labels": ["{name}"]}}}}'
        return f'{{"ground_truth": {str(truth).lower()}, "result": [{region}]}}'

    both = f"[{annotation('Ada', truth=True)}, {annotation('Ben', truth=False)}]"
    (file,) = labelstudio.parse(f'{{"data": {{"a": "x.wav"}}, "annotations": {both}}}'.encode(), "x.json")
    assert file.turns == (Turn(0, 1, "Ada"),)


def test_the_labelling_configuration_names_all_speakers_once():
    config = labelstudio.config(["Ben", 'Ada "A" <L>', "Ben"])
    assert config.count("<Label ") == 3
    assert "<Label value='Ada \"A\" &lt;L&gt;'/>" in config
    assert 'value="$audio"' in config


def test_independent_tiers_of_elan_are_turns():
    (file,) = elan.parse(EAF.encode(), "x.eaf")
    assert (file.file, file.also) == ("file:///C:/talks/talk.wav", "x")
    assert file.turns == (Turn(0.5, 1.5, "Ada", "a <b> é"), Turn(0.5, 1.5, "Ben"), Turn(0.5, 1.5, "Cleo"))


def test_a_label_track_of_audacity():
    raw = "0.5\t1.500000\tAda L.\n\\\t0.0\t4000.0\n2,25\t3\t\n4\t4\tpoint\n".encode("utf-8-sig")
    assert audacity.parse(raw, "talk.txt") == [FileTurns("talk", (Turn(0.5, 1.5, "Ada L."), Turn(2.25, 3.0, None)))]


SNIFFED = [
    ("a.rttm", b"", "rttm"),
    ("a.TSV", b"", "csv"),
    ("a.txt", b"\n0.0\t1.0\tx", "audacity"),
    ("a.txt", b"SPEAKER a 1 0 1", "rttm"),
    ("a.txt", b"\xef\xbb\xbf;; made by", "rttm"),
    ("a.txt", b"\n", "audacity"),
    ("a", b" [{}]", "labelstudio"),
    ("a", b"<?xml?>", "elan"),
    ("a", b"start;end;Speaker", "csv"),
    ("a", '"segment_id","speaker"'.encode("utf-16"), "csv"),
]


@pytest.mark.parametrize(("name", "raw", "kind"), SNIFFED)
def test_formats_show_themselves(name, raw, kind):
    assert formats.sniff(raw, name) == kind


@pytest.mark.parametrize("raw", [b"Dear Sir,", b"\x89PNG\r\n", b"speakers of many languages"])
def test_what_shows_no_format_is_not_guessed(raw):
    with pytest.raises(formats.UnknownAnnotationFormat):
        formats.sniff(raw, "a.txt")


@example(".")
@given(st.text(max_size=6) | st.text("Aa ë\u0308\x85\u2028\t", max_size=210))
def test_names_are_those_that_the_api_takes(name):
    reading = Reading("x", BadAnnotations)
    try:
        expected = TypeAdapter(SpeakerName).validate_python(name)
    except ValidationError:
        expected = None
    try:
        found = reading.speaker(1, name)
    except BadAnnotations:
        found = None
    assert found == (None if expected and expected.upper() == "UNKNOWN" else expected) or name != name.strip()
