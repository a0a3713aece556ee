"""Mono audio that the derived bucket has lost, or holds in part, is made again from the original."""

import json
from io import BytesIO
from pathlib import Path
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
    """Of two recordings."""
    folder = tmp_path_factory.mktemp("noise")
    full_stack.collection(NAME, segmenter="whole", encoders=["spectral"])
    for seed in range(2):
        soundfile.write(folder / f"{seed}.wav", np.random.default_rng(seed).normal(0, 0.1, 96_000), 32_000)
        full_stack.put(folder / f"{seed}.wav", f"{NAME}/{seed}.wav")
    full_stack.settled(NAME, 2)
    rows = full_stack.sql("SELECT derived_key FROM recording WHERE collection = %s ORDER BY 1", NAME)
    return {key: full_stack.s3().get_object(DERIVED, key).read() for (key,) in rows}


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_nobody_but_the_child_that_decodes_reads_an_original(full_stack: FullStack, tmp_path: Path, kind: str) -> None:
    """Not even one that is 16 kHz mono: without it, it is heard and embedded all the same."""
    name = f"{NAME}-{kind.lower()}"
    full_stack.collection(name, segmenter="whole", encoders=["spectral"])
    soundfile.write(tmp_path / "a", np.random.default_rng(9).normal(0, 0.1, 32_000), 16_000, format=kind)
    full_stack.put(tmp_path / "a", f"{name}/a")
    full_stack.settled(name, 1)
    full_stack.s3().remove_object("audio", f"{name}/a")
    with full_stack.without("embedder"):  # which has a copy
        pass
    done = json.loads(full_stack.earmark("backfill", "-c", name, "--encoder", "ge2e", "--wait", "--json").stdout)
    assert (done["state"], done["unreadable"], done["without_voice"]) == ("done", 0, 0)
    with full_stack.api() as api:
        (row,) = api.get(f"/v1/collections/{name}/segments").json()["items"]
        heard = api.get(f"/v1/segments/{row['segment_id']}/audio")
    assert heard.is_success
    assert soundfile.info(BytesIO(heard.content)).frames == 32_000


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
