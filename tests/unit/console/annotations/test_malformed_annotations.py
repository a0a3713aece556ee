"""Files that are wrong, hostile or long: each is refused, with its code and place, and costs nobody's memory or time.

A reader that took time by the square of a file's length would need hours here.
"""

from contextlib import suppress

import pytest

from services.console.annotations import audacity, elan, formats
from services.console.annotations.text import MAX_FILE_BYTES
from services.console.annotations.turns import BadAnnotations, TooManyAnnotations
from tests.unit.console.annotations.samples import EAF, LONG_GRID

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
def test_xml_that_declares_entities_is_refused(text, encoding):
    with pytest.raises(elan.BadEaf):
        elan.parse(text.encode(encoding), "x.eaf")


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
def test_long_nonsense_is_refused_or_read(kind, unit):
    with suppress(BadAnnotations, TooManyAnnotations):
        formats.parse(unit * (1 << 18), "x", kind)
