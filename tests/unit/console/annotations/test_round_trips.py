"""What is written can be read again, in every format, to its precision; whatever else is read is refused in words."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.console.annotations import formats
from services.console.annotations.formats import CODECS
from services.console.annotations.turns import FileTurns, Turn
from shared.errors import InvalidRequest
from tests.unit.console.annotations import turning

SAMPLE_S, MS = 1 / 16_000, 0.001


def by_time(turns: list[Turn] | tuple[Turn, ...]) -> list[Turn]:
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker or "", turn.text or ""))


def read_again(kind: formats.Format, file: str, turns: list[Turn]) -> list[FileTurns]:
    raw = CODECS[kind].write(file, turns).encode()
    name = f"{file}{CODECS[kind].extension}"
    assert not turns or formats.sniff(raw, name) == kind
    return CODECS[kind].parse(raw, name)


@pytest.mark.parametrize("kind", ["csv", "labelstudio", "textgrid"])
@given(file=turning.stems, turns=turning.turns(grid_s=SAMPLE_S))
def test_turns_survive_to_the_sample(kind, file, turns):
    found = read_again(kind, file, turns)
    assert [f.file for f in found] == ([file] if turns else [])
    assert [t for f in found for t in by_time(f.turns)] == by_time(turns)


@given(file=turning.stems, turns=turning.turns(grid_s=MS))
def test_elan_keeps_milliseconds(file, turns):
    assert [t for f in read_again("elan", file, turns) for t in by_time(f.turns)] == by_time(turns)


@given(file=turning.stems, turns=turning.turns(grid_s=MS, speakers=turning.blankless_names, text=None))
def test_rttm_keeps_milliseconds_of_named_turns(file, turns):
    named = [turn for turn in turns if turn.speaker]
    assert [t for f in read_again("rttm", file, turns) for t in by_time(f.turns)] == by_time(named)


@given(file=turning.stems, turns=turning.turns(grid_s=1e-6, text=None))
def test_audacity_keeps_microseconds(file, turns):
    assert [t for f in read_again("audacity", file, turns) for t in by_time(f.turns)] == by_time(turns)


SEEDS = {
    "rttm": "SPKR-INFO a 1 <NA> <NA> <NA> unknown Ada <NA>\nSPEAKER a 1 0.5 1.25 <NA> <NA> Ada <NA> <NA>\n",
    "csv": 'file,start,end,speaker,text\na,0,1,Ada,"x, ""y"""\na,1;5,2,,\n',
    "labelstudio": CODECS["labelstudio"].write("s3://audio/c/a.wav", [Turn(0, 1, "Ada", "x"), Turn(1, 2)]),
    "textgrid": CODECS["textgrid"].write("a", [Turn(0, 1, "Ada", 'x "y"'), Turn(0.5, 2, "Ada"), Turn(1, 2)]),
    "elan": CODECS["elan"].write("a.wav", [Turn(0, 1, "Ada", "<x> & y"), Turn(0.5, 2, "Ada"), Turn(1, 2)]),
    "audacity": "0.0\t1.5\tAda\n\\\t100\t200\n1,5\t2\t\n",
}


@pytest.mark.parametrize("kind", CODECS)
@given(raw=st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(kind, raw):
    read_or_refuse(kind, raw)


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_mutants_are_read_or_refused(kind, encoding, seed):
    read_or_refuse(kind, mutant(SEEDS[kind].encode(encoding), random.Random(seed)))


INSERTED = [b"NaN", b"1e999", b"-1", b"\xff\xfe", b"<!DOCTYPE x>", b"[[", b'"', b"&a;"]


def mutant(raw: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut, doubled or moved."""
    mutated = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(mutated) + 1), rng.randint(1, 12)
        match rng.randrange(4):
            case 0:
                mutated[at : at + 1] = bytes([rng.choice([0, 9, 10, 13, 32, 34, 38, 45, 60, 255, rng.randrange(256)])])
            case 1:
                del mutated[at : at + length]
            case 2:
                mutated[at:at] = mutated[at : at + length] * rng.randint(1, 3)
            case _:
                mutated[at:at] = rng.choice(INSERTED)
    return bytes(mutated)


def read_or_refuse(kind: formats.Format, raw: bytes) -> None:
    """Anything but InvalidRequest would be a 500."""
    for wanted in (kind, None):
        try:
            _, files = formats.parse(raw, "x", wanted)
        except InvalidRequest as error:
            refusal, files = error, []
        else:
            refusal = None
        assert refusal is None or (str(refusal) and refusal.code not in {"invalid_request", "bad_annotations"})
        for turn in (turn for file in files for turn in file.turns):
            assert 0 <= turn.start_s <= turn.end_s <= 1e6
            assert turn.segment_id or turn.start_s < turn.end_s
            assert turn.speaker is None or 0 < len(turn.speaker) <= 200
