"""Encoders that people add: from a checkpoint's folder to a space, its vectors and its frames, on real servers."""

import hashlib
import io
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from services.embedder.catalogue import Catalogue, note_absent
from services.embedder.defining import CheckpointChanged
from services.embedder.models import ModelCache
from shared.checkpoints import UnknownModel
from shared.encoders.protocol import EncoderOptions
from shared.encoders.registry import UnknownEncoder
from shared.events import SegmentsRemoved
from shared.ledger.outbox import announce, publish
from shared.storage import collections, definitions, encoder_removal, frames, progress
from shared.storage.collections import EncoderNames
from shared.storage.definitions import Definition, EncoderExists
from shared.storage.encoders import by_name
from tests.integration.embedder.working import COLLECTION, FIRST, Workshop
from tests.support import tiny_audio


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_audio.wav2vec2(tmp_path_factory.mktemp("wav2vec2"))


def add(workshop: Workshop, name: str, model: Path | str, **names: str) -> definitions.Defined:
    with workshop.database.begin() as tx:
        event = definitions.request(tx, Definition(name, names.pop("family", "wav2vec2"), str(model), **names))
        publish(tx, [announce(event)] if event else [])
    workshop.work_off()
    with workshop.database.begin() as tx:
        return definitions.get(tx, name)


def blob(workshop: Workshop, key: str, target: Path) -> bytes:
    workshop.store.fetch(workshop.settings.s3.derived_bucket, key, target)
    return target.read_bytes()


def test_a_layer_becomes_a_space_with_vectors(workshop: Workshop, folder: Path) -> None:
    added = add(workshop, "w:encoder.1:stats", folder, layer="encoder.1", pooling="stats")
    assert (added.state, added.pinned) == ("ready", str(folder))
    workshop.recording(3)
    workshop.backfill("w:encoder.1:stats")
    workshop.work_off()

    spec = workshop.added.spec("w:encoder.1:stats")
    with workshop.database.begin() as tx:
        space = by_name(tx, spec.name)
    assert space.space == spec.space
    rows = workshop.rows("SELECT vector::real[] FROM embedding WHERE encoder_id = :id", id=space.encoder_id)
    vectors = np.array([vector for (vector,) in rows])
    assert vectors.shape == (3, spec.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    [embedded] = workshop.announced("segments.embedded", spec.name)
    facts = dict(fact.split("=") for fact in embedded["made_with"].split())
    assert (facts["device"], facts["dtype"], facts["batch"]) == ("cpu", "float32", "3")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_frames_lie_in_the_object_store_and_go_with_their_segment(
    workshop: Workshop, folder: Path, tmp_path: Path, dtype: str
) -> None:
    name = f"frames-{dtype}"
    add(workshop, name, folder, pooling="none", frames=dtype)
    own = workshop.recording(2)
    workshop.backfill(name)
    workshop.work_off()
    ids = workshop.segment_ids(own)
    with workshop.database.begin() as tx:
        space = by_name(tx, name)
        kept = frames.of_segments(tx, space, ids)
    vectors = dict(
        workshop.rows("SELECT segment_id, vector::real[] FROM embedding WHERE encoder_id = :i", i=space.encoder_id)
    )
    keys = {}
    for segment_id in ids:
        one = kept[segment_id]
        keys[segment_id] = frames.frames_key(space.space, one.sha256)
        content = blob(workshop, keys[segment_id], tmp_path / "frames.npy")
        assert hashlib.sha256(content).hexdigest() == one.sha256
        array = np.load(io.BytesIO(content))
        assert (array.shape, array.dtype) == ((one.n_frames, one.dimension), dtype)
        mean = array.astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(vectors[segment_id], mean / np.linalg.norm(mean), atol=2e-3)

    remove(workshop, own, ids[0])
    workshop.sweep()
    bucket = workshop.settings.s3.derived_bucket
    assert [workshop.store.exists(bucket, keys[s]) for s in ids] == [False, True]
    assert workshop.rows("SELECT segment_id FROM frame_blob") == [(ids[1],)]


def remove(workshop: Workshop, recording_id: UUID, segment_id: UUID) -> None:
    workshop.rows("DELETE FROM embedding WHERE segment_id = :id RETURNING segment_id", id=segment_id)
    workshop.rows("DELETE FROM segment WHERE segment_id = :id RETURNING segment_id", id=segment_id)
    workshop.say(SegmentsRemoved(collection=COLLECTION, recording_id=recording_id, segment_ids=(segment_id,)))
    workshop.work_off()


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ({"family": "wave2vec"}, "unknown_family"),
        ({"layer": "encoder.99"}, "unknown_layer"),
        ({"pooling": "median"}, "unknown_pooling"),
        ({"window": "padded"}, "unknown_window"),
        ({"model": "/nowhere/at/all"}, "unknown_model"),
    ],
)
def test_what_cannot_be_an_encoder_says_why_and_may_be_asked_for_again(
    workshop: Workshop, folder: Path, names: dict[str, str], code: str
) -> None:
    failed = add(workshop, "mine", names.pop("model", folder), **names)
    assert (failed.state, failed.code) == ("failed", code)
    assert failed.reason
    assert add(workshop, "mine", folder).state == "ready"


@pytest.mark.parametrize(
    ("model", "words"),
    [("bsae", "near to it: base"), ("wav2vec2-lagre", "large"), ("xyz", "of wav2vec2 there are base, ")],
)
def test_a_misspelt_model_is_told_those_that_are_near(workshop: Workshop, model: str, words: str) -> None:
    reason = add(workshop, "mine", model).reason
    assert reason is not None
    assert words in reason


def test_a_name_stands_for_one_space_for_good(workshop: Workshop, folder: Path) -> None:
    add(workshop, "mine", folder)
    assert add(workshop, "mine", folder).state == "ready"
    with pytest.raises(EncoderExists):
        add(workshop, "mine", folder, layer="encoder.1")


def test_weights_that_changed_are_not_loaded(workshop: Workshop, tmp_path: Path) -> None:
    folder = tiny_audio.wav2vec2(tmp_path / "model")
    add(workshop, "mine", folder)
    tiny_audio.wav2vec2(folder, seed=1)
    fresh = Catalogue(workshop.database, EncoderOptions(device="cpu"), ModelCache(1 << 30))
    with pytest.raises(CheckpointChanged, match="mine"):
        fresh.encoder("mine")


def test_an_encoder_that_cannot_be_built_costs_the_others_nothing(workshop: Workshop, tmp_path: Path) -> None:
    folder = tiny_audio.wav2vec2(tmp_path / "model")
    add(workshop, "mine", folder)
    workshop.backfill("mine")
    workshop.work_off()
    tiny_audio.wav2vec2(folder, seed=1)
    workshop.added = Catalogue(workshop.database, EncoderOptions(device="cpu"), ModelCache(1 << 30))
    workshop.recording(2)
    workshop.recording(1)
    as_cut = "INSERT INTO recording_progress SELECT recording_id, 'mine', n_segments FROM recording RETURNING encoder"
    workshop.rows(as_cut)

    assert workshop.work("embedder.embed") == 2
    assert len(workshop.vectors(FIRST)) == 3
    left = "SELECT DISTINCT state, error_code FROM delivery WHERE subscription = 'embedder.embed'"
    assert workshop.rows(left) == [("dead", "checkpoint_changed")]

    waiting = "SELECT count(*) FROM recording WHERE state <> 'ready'"
    assert workshop.rows(waiting) == [(2,)]
    with workshop.database.begin() as tx:
        with pytest.raises(EncoderNames):
            collections.drop_encoder(tx, COLLECTION, FIRST)
        assert [collections.drop_encoder(tx, COLLECTION, "mine") for _ in range(2)] == [True, False]
        assert collections.get(tx, COLLECTION).encoders == (FIRST,)
        assert progress.forget_encoder(tx, COLLECTION, "mine") == 2
    assert workshop.rows(waiting) == [(0,)]


def test_as_long_as_there_is_no_space_another_wish_takes_the_place(workshop: Workshop, folder: Path) -> None:
    wishes = [Definition("mine", "wav2vec2", "/away"), Definition("mine", "wav2vec2", str(folder))]
    with workshop.database.begin() as tx:
        for wish in wishes:
            event = definitions.request(tx, wish)
            assert event is not None
            publish(tx, [announce(event)])
        assert definitions.request(tx, wishes[1]) is None
        assert not definitions.hold(tx, wishes[0])
    workshop.work_off()
    with workshop.database.begin() as tx:
        assert (definitions.get(tx, "mine").state, definitions.get(tx, "mine").definition) == ("ready", wishes[1])
        with pytest.raises(EncoderExists):
            definitions.request(tx, wishes[0])


def test_a_name_that_was_removed_may_come_to_mean_another_space(workshop: Workshop, folder: Path) -> None:
    add(workshop, "mine", folder, layer="encoder.1")
    before = workshop.added.spec("mine").space
    with workshop.database.begin() as tx:
        encoder_removal.remove(tx, "mine")
    workshop.added.forget_removed()
    with pytest.raises(UnknownEncoder):
        workshop.added.spec("mine")
    add(workshop, "mine", folder, layer="encoder")
    workshop.added.forget_removed()
    assert workshop.added.spec("mine").space != before
    workshop.recording(2)
    workshop.backfill("mine")
    workshop.work_off()
    assert len(workshop.announced("segments.embedded", "mine")) == 1


def test_one_that_is_removed_before_a_worker_has_read_it_is_not_made(workshop: Workshop, folder: Path) -> None:
    with workshop.database.begin() as tx:
        event = definitions.request(tx, Definition("mine", "wav2vec2", str(folder)))
        assert event is not None
        publish(tx, [announce(event)])
        encoder_removal.remove(tx, "mine")
    workshop.work_off()
    assert workshop.rows("SELECT name FROM encoder WHERE name = 'mine'") == []
    assert workshop.rows("SELECT state FROM delivery") == []


def test_why_a_model_cannot_be_had_is_written_down_until_it_can(workshop: Workshop, tmp_path: Path) -> None:
    folder = tiny_audio.wav2vec2(tmp_path / "model")
    add(workshop, "mine", folder)
    faults = "SELECT code FROM encoder WHERE name = 'mine'"
    assert workshop.rows(faults) == [(None,)]
    folder.rename(tmp_path / "away")
    with pytest.raises(UnknownModel):
        fresh(workshop).encoder("mine")
    assert workshop.rows(faults) == [("unknown_model",)]
    with workshop.database.begin() as tx:
        note_absent(tx)
    assert workshop.rows(faults) == [("unknown_model",)]
    (tmp_path / "away").rename(folder)
    fresh(workshop).encoder("mine")
    assert workshop.rows(faults) == [(None,)]


def fresh(workshop: Workshop) -> Catalogue:
    """As of a worker that has just started."""
    return Catalogue(workshop.database, EncoderOptions(device="cpu"), ModelCache(1 << 30))
