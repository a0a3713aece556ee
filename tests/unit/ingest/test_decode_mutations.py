"""Whatever a random change makes of a valid file, it is decoded or refused, and the child lives on."""

import random

import pytest

from services.ingest.decode.errors import DecodeMemory, DecoderCrashed, DecodeTimeout
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from shared.errors import RejectedInput
from tests.support.audio import KINDS, tone, write

_MUTATIONS = 150


def _mutated(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    reach = rng.choice([64, 512, len(changed)])  # headers are where it hurts
    for _ in range(rng.choice([1, 1, 4, 32])):
        changed[rng.randrange(min(reach, len(changed)))] = rng.randrange(256)
    if rng.random() < 0.2:
        start = rng.randrange(len(changed))
        del changed[start : start + rng.randrange(200)]
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_decoded_or_refused_by_a_child_that_lives_on(tmp_path, kind):
    whole = write(tmp_path / "whole", tone(0.3, 48_000), 48_000, kind).read_bytes()
    rng = random.Random(kind)
    source, target = tmp_path / "source", tmp_path / "target"
    codes = []
    with Decoder(DecodeLimits(base_s=10.0)) as decoder:
        for _ in range(_MUTATIONS):
            source.write_bytes(_mutated(whole, rng))
            try:
                decoder.decode(source, target)
            except (DecoderCrashed, DecodeMemory, DecodeTimeout) as error:
                pytest.fail(f"{error!r} on {source.read_bytes()!r}")
            except RejectedInput as refusal:
                codes.append(refusal.code)
            target.unlink(missing_ok=True)
    assert codes, "no mutation did any harm: the test tests nothing"
