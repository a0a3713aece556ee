"""Files as other tools write them, and what is wrong with them, by line and code."""

import codecs
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.console.annotations import audacity, elan, formats, labelstudio, rttm, tables, textgrid
from services.console.annotations.text import MAX_FILE_BYTES
from services.console.annotations.turns import BadAnnotations, FileTurns, Reading, TooManyAnnotations, Turn
from services.console.api.shapes import SpeakerName

LONG_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "Ada"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1.5
            text = "She said ""hello"" ! 3 times"
        intervals [3]:
            xmin = 1.5
            xmax = 2.5
            text = "Ada"
    item [2]:
        class = "TextTier"
        name = "bells"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1.2
            mark = "ding"
    item [3]:
        class = "IntervalTier"
        name = "speaker"
        xmin = 0
        xmax = 2.5
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.5
            text = "Ben"
"""
SHORT_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
3
"IntervalTier"
"Ada"
0
2.5
3
0
0.5
""
0.5
1.5
"She said ""hello"" ! 3 times"
1.5
2.5
"Ada"
"TextTier"
"bells"
0
2.5
1
1.2
"ding"
"IntervalTier"
"speaker"
0
2.5
1
0
2.5
"Ben"
"""
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


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT>
  <HEADER><MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/talks/talk.wav" MIME_TYPE="audio/x-wav"/></HEADER>
  <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/>
  <TIME_SLOT TIME_SLOT_ID="ts3"/></TIME_ORDER>
  <TIER TIER_ID="t1" PARTICIPANT="Ada"><ANNOTATION>
    <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE>a &lt;b&gt; &#233;</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
  <TIER TIER_ID="Ben"><ANNOTATION>
    <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
  <TIER TIER_ID="Speaker"><ANNOTATION>
    <ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE>Cleo</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
  <TIER TIER_ID="words" PARENT_REF="t1"><ANNOTATION>
    <ALIGNABLE_ANNOTATION ANNOTATION_ID="a4" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts3">
      <ANNOTATION_VALUE>a</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""


def test_independent_tiers_of_elan_are_turns():
    (file,) = elan.parse(EAF.encode(), "x.eaf")
    assert (file.file, file.also) == ("file:///C:/talks/talk.wav", "x")
    assert file.turns == (Turn(0.5, 1.5, "Ada", "a <b> é"), Turn(0.5, 1.5, "Ben"), Turn(0.5, 1.5, "Cleo"))


LAUGHS = '<!DOCTYPE lolz [<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
ATTACKS = [
    f"{LAUGHS}]><ANNOTATION_DOCUMENT>&a9;</ANNOTATION_DOCUMENT>",
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ANNOTATION_DOCUMENT>&e;</ANNOTATION_DOCUMENT>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><ANNOTATION_DOCUMENT/>',
    '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]><ANNOTATION_DOCUMENT/>',
    "<!DOCTYPE ANNOTATION_DOCUMENT><ANNOTATION_DOCUMENT/>",
    "<ANNOTATION_DOCUMENT>&e;</ANNOTATION_DOCUMENT>",
    "<ANNOTATION_DOCUMENT>" * 100_000,
    "<html/>",
]


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_that_declares_entities_is_refused_at_once(text, encoding):
    began_s = time.monotonic()
    with pytest.raises(elan.BadEaf):
        elan.parse(text.encode(encoding), "x.eaf")
    assert time.monotonic() - began_s < 1


def test_a_label_track_of_audacity():
    raw = "0.5\t1.500000\tAda L.\n\\\t0.0\t4000.0\n2,25\t3\t\n4\t4\tpoint\n".encode("utf-8-sig")
    assert audacity.parse(raw, "talk.txt") == [FileTurns("talk", (Turn(0.5, 1.5, "Ada L."), Turn(2.25, 3.0, None)))]


WRONG = [
    ("rttm", "SPEAKER a 1 0 1 <NA> <NA> Ada Lovelace <NA> <NA>", "line 1", "bad_rttm"),
    ("rttm", ";;\n\nSPEAKER a 1 0 -1 <NA> <NA> A <NA> <NA>", "line 3", "bad_rttm"),
    ("rttm", "SPEAKER a 1 nan 1 <NA> <NA> A <NA> <NA>", "line 1", "bad_rttm"),
    ("rttm", "SPEAKER a 1 0 inf <NA> <NA> A <NA> <NA>", "line 1", "bad_rttm"),
    ("rttm", "SPEAKER a 1 0 1e7 <NA> <NA> A <NA> <NA>", "line 1", "bad_rttm"),
    ("rttm", "SPEAKER a 1 ١ 1 <NA> <NA> A <NA> <NA>", "line 1", "bad_rttm"),
    ("rttm", "SPEECH a 1 0 1 <NA> <NA> A <NA> <NA>", "line 1", "bad_rttm"),
    ("rttm", f"SPEAKER a 1 0 1 <NA> <NA> {'A' * 201} <NA> <NA>", "line 1", "bad_rttm"),
    ("csv", "", "line 1", "bad_csv"),
    ("csv", "file,start,end\n", "line 1", "bad_csv"),
    ("csv", "file,start,speaker\n", "line 1", "bad_csv"),
    ("csv", "file,start,end,speaker,Speaker\n", "line 1", "bad_csv"),
    ("csv", "file,start,end,speaker\na,0,1,Ada\na,1,,Ada\n", "line 3", "bad_csv"),
    ("csv", "file,start,end,speaker\na,2,1,Ada\n", "line 2", "bad_csv"),
    ("csv", "file,start,end,speaker\na,0,1,Ada,Ben\n", "line 2", "bad_csv"),
    ("csv", 'file,start,end,speaker\na,0,1,"A\tB"\n', "line 2", "bad_csv"),
    ("csv", 'file,start,end,speaker\na,0,1,"Ada\n', "line 2", "bad_csv"),
    ("csv", "segment_id,speaker\nnonsense,Ada\n", "line 2", "bad_csv"),
    ("labelstudio", '[{"data": {"audio": "a"}}, {"data": {}}]', "task 2", "bad_labelstudio"),
    ("labelstudio", '[{"data": {"audio": "a"}, "annotations": {}}]', "task 1", "bad_labelstudio"),
    (
        "labelstudio",
        '[{"data": {"a": "a"}, "annotations": [{"result": [{"type": "labels", "value": {"start": "0"}}]}]}]',
        "task 1, result 1",
        "bad_labelstudio",
    ),
    ("labelstudio", '[{"data": {"audio": NaN}}]', "as a whole", "bad_labelstudio"),
    ("labelstudio", "[" * 100_000, "as a whole", "bad_labelstudio"),
    ("textgrid", "", "line 1", "bad_textgrid"),
    ("textgrid", "ooBinaryFile\x08TextGrid", "line 1", "bad_textgrid"),
    ("textgrid", LONG_GRID.replace("= 1.5", "= 0.1", 1), "line 22", "bad_textgrid"),
    ("textgrid", LONG_GRID.replace("size = 3\nitem", "size = 4\nitem"), "line 45", "bad_textgrid"),
    ("textgrid", LONG_GRID.replace("size = 3\nitem", "size = -3\nitem"), "line 7", "bad_textgrid"),
    ("textgrid", LONG_GRID.replace('"ding"', '"ding'), "line 38", "bad_textgrid"),
    ("textgrid", LONG_GRID.replace("IntervalTier", "PitchTier"), "line 10", "bad_textgrid"),
    ("elan", EAF.replace(' TIME_VALUE="1500"', ""), "line 7", "bad_eaf"),
    ("elan", EAF.replace("</TIER>", "", 1), "line 18", "bad_eaf"),
    ("audacity", "0\t1\tAda\n1 2 Ben\n", "line 2", "bad_audacity"),
    ("audacity", "-1\t1\tAda\n", "line 1", "bad_audacity"),
    ("audacity", "0\t1\tAda\n\x00", "line 2", "bad_audacity"),
]


@pytest.mark.parametrize(("kind", "text", "place", "code"), WRONG)
def test_what_is_wrong_is_said_with_file_line_and_code(kind, text, place, code):
    with pytest.raises(BadAnnotations, match=f"talk.x, {place}: ") as caught:
        formats.parse(text.encode(), "talk.x", kind)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", formats.CODECS)
def test_other_encodings_are_refused_by_line(kind):
    with pytest.raises(BadAnnotations, match="line 2: This is neither UTF-8 nor UTF-16"):
        formats.parse("ok\nZoë\n".encode("latin-1"), "x", kind)


@pytest.mark.parametrize("kind", formats.CODECS)
def test_a_file_has_a_largest_size(kind):
    with pytest.raises(TooManyAnnotations):
        formats.parse(b" " * (MAX_FILE_BYTES + 1), "x", kind)


def test_turns_are_counted():
    with pytest.raises(TooManyAnnotations):
        audacity.parse(b"0\t1\n" * 500_001, "x.txt")


@pytest.mark.parametrize("kind", [kind for kind in formats.CODECS if kind != "labelstudio"])
@pytest.mark.parametrize("unit", [b'"', b"<", b"\n", b'""', b"! ", b"a\t", b",", b"0 ", b"<a>", b";;\r"])
def test_long_nonsense_is_refused_or_read_in_time(kind, unit):
    began_s = time.monotonic()
    with suppress(BadAnnotations, TooManyAnnotations):
        formats.parse(unit * (1 << 18), "x", kind)
    assert time.monotonic() - began_s < 5


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
