"""Mono audio that the derived bucket has lost, or holds in part, is made again from the original."""

import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.stack import DERIVED, FullStack, until

pytestmark = pytest.mark.slow
NAME = "lossy"


def backfill(stack: FullStack, encoder: str) -> Any:
    return json.loads(stack.earmark("backfill", "-c", NAME, "--encoder", encoder, "--wait", "--all", "--json").stdout)


@pytest.fixture(scope="module")
def blobs(full_stack: FullStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Of two recordings that are not read as they are."""
    folder = tmp_path_factory.mktemp("noise")
    full_stack.collection(NAME, segmenter="whole", encoders=["spectral"])
    for seed in range(2):
        soundfile.write(folder / f"{seed}.wav", np.random.default_rng(seed).normal(0, 0.1, 96_000), 32_000)
        full_stack.put(folder / f"{seed}.wav", f"{NAME}/{seed}.wav")
    full_stack.settled(NAME, 2)
    rows = full_stack.sql("SELECT derived_key FROM recording WHERE collection = %s ORDER BY 1", NAME)
    return {key: full_stack.s3().get_object(DERIVED, key).read() for (key,) in rows}


def held(stack: FullStack, key: str) -> bytes:
    found = {one.object_name for one in stack.s3().list_objects(DERIVED, prefix=key)}
    return stack.s3().get_object(DERIVED, key).read() if found else b""


def test_what_a_backfill_found_gone_or_broken_is_there_for_the_next(
    full_stack: FullStack, blobs: dict[str, bytes]
) -> None:
    (gone, whole), (broken, other) = blobs.items()
    half = other[: len(other) // 2]
    with full_stack.without("embedder"):  # which has copies
        full_stack.s3().remove_object(DERIVED, gone)
        full_stack.s3().put_object(DERIVED, broken, BytesIO(half), len(half))
    full_stack.earmark("backfill", "-c", NAME, "--encoder", "ge2e", "--json")
    until(lambda: (held(full_stack, gone), held(full_stack, broken)) == (whole, other), timeout_s=60, every_s=0.25)
    full_stack.idle()
    done = backfill(full_stack, "ge2e")
    assert (done["state"], done["unreadable"]) == ("done", 0)
    assert full_stack.sql(
        """SELECT count(*) FROM embedding JOIN encoder USING (encoder_id)
           WHERE collection = %s AND encoder.name = 'ge2e'""",
        NAME,
    ) == [(2,)]
