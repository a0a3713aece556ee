"""What no row refers to goes from the derived bucket, and nothing else, whoever is about to refer to it."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from uuid import uuid4

import pytest
import sqlalchemy as sa

from shared.storage import collections, encoders, frames, orphans, recordings, renditions, segments
from shared.storage.frames import FrameBlob, frames_key
from shared.storage.orphans import BlobSwept
from shared.storage.recordings import NewRecording
from shared.storage.renditions import Rendition
from shared.storage.segments import Cut, NewSegment
from tests.integration.ledger.sweeping import COLLECTION, SPACE, WIDE_HZ, Bucket, digest, flac


def test_what_no_row_refers_to_goes_and_the_rest_stays(bucket: Bucket) -> None:
    own, sha256 = uuid4(), digest()
    kept = [flac(), flac("renditions/1/44100"), frames_key(SPACE, sha256), "somebody/elses.txt"]
    gone = [flac(), flac("renditions/1/44100"), frames_key(SPACE, digest()), frames_key("x", sha256)]
    for key in kept + gone:
        bucket.put(key)
    with bucket.database.begin() as tx:
        recordings.register(tx, [NewRecording(own, COLLECTION, own.hex, 16_000, kept[0], {})])
        renditions.write(tx, [Rendition(own, WIDE_HZ, kept[1], 44_100)])
        segment = NewSegment(uuid4(), 0, 16_000)
        segments.write_cuts(tx, [Cut(own, COLLECTION, "whole@1", (segment,), ("e",))])
        frames.write(tx, encoders.by_name(tx, "e"), [FrameBlob(segment.segment_id, sha256, 1, 4, "float16", 8)])
    bucket.sweep()
    assert [bucket.stands(key) for key in kept] == [True] * 4
    assert [bucket.stands(key) for key in gone] == [False] * 4


def test_what_is_young_stays_for_a_while(bucket: Bucket) -> None:
    key = bucket.put(flac())
    bucket.sweep(grace_s=3600)
    assert bucket.stands(key)
    with bucket.database.begin() as tx:
        assert orphans.n_condemned(tx) == 1
    bucket.later()
    bucket.sweep(grace_s=3600)
    assert not bucket.stands(key)


def test_what_is_referred_to_while_it_waits_is_pardoned(bucket: Bucket) -> None:
    key = bucket.put(flac())
    bucket.sweep(grace_s=3600)
    with bucket.database.begin() as tx:
        bucket.refer(tx, key)
    bucket.later()
    bucket.sweep(grace_s=3600)
    assert bucket.stands(key)
    with bucket.database.begin() as tx:
        assert orphans.n_condemned(tx) == 0


def test_a_writer_who_has_not_committed_keeps_its_blob(bucket: Bucket) -> None:
    key = bucket.put(flac())
    with bucket.database.begin() as tx:
        bucket.refer(tx, key)  # before it is condemned
        bucket.sweep()
        assert bucket.stands(key)
    bucket.sweep()
    assert bucket.stands(key)


def test_a_writer_whose_id_is_after_the_condemners_keeps_its_blob(bucket: Bucket) -> None:
    key = bucket.put(flac())
    with ExitStack() as open_until_the_end:
        with bucket.database.begin() as condemner:
            orphans.condemn(condemner, [key])
            writer = open_until_the_end.enter_context(bucket.database.begin())
            bucket.refer(writer, key)  # sees nothing, for nothing is committed
        bucket.sweep()
        assert bucket.stands(key)
    bucket.sweep()
    assert bucket.stands(key)


def test_a_writer_who_came_after_it_was_condemned_keeps_its_blob(bucket: Bucket) -> None:
    key = bucket.put(flac())
    bucket.sweep(n_steps=1)  # condemned, not yet deleted
    with bucket.database.begin() as tx:
        bucket.refer(tx, key)
        bucket.sweep()
        assert bucket.stands(key)
    bucket.sweep()
    assert bucket.stands(key)


def test_a_writer_who_came_too_late_does_it_again(bucket: Bucket) -> None:
    key = bucket.put(flac())  # found by the writer, who does not make it anew
    bucket.sweep()
    assert not bucket.stands(key)
    with pytest.raises(BlobSwept), bucket.database.begin() as tx:
        bucket.refer(tx, key)
    bucket.put(key)
    with bucket.database.begin() as tx:
        bucket.refer(tx, key)
    bucket.sweep()
    assert bucket.stands(key)


def crashing(delete: Callable[[str, str], None]) -> Callable[[str, str], None]:
    def crash(bucket: str, key: str) -> None:
        delete(bucket, key)
        raise MemoryError

    return crash


def test_after_a_crash_the_rest_is_deleted(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [bucket.put(flac()) for _ in range(3)]
    with monkeypatch.context() as patched, suppress(MemoryError):
        patched.setattr(bucket.store, "delete", crashing(bucket.store.delete))
        bucket.sweep()
    assert sum(bucket.stands(key) for key in keys) == 2
    with pytest.raises(BlobSwept), bucket.database.begin() as tx:  # what is gone is known to be, by whoever needs it
        bucket.refer(tx, next(key for key in keys if not bucket.stands(key)))
    bucket.later()
    bucket.sweep()
    assert not any(bucket.stands(key) for key in keys)


def test_what_was_deleted_long_ago_is_forgotten(bucket: Bucket) -> None:
    bucket.put(flac())
    bucket.sweep()
    with bucket.database.begin() as tx:
        tx.execute(sa.text("UPDATE condemned_blob SET deleted_at = deleted_at - interval '2 hours'"))
    bucket.sweep()
    with bucket.database.begin() as tx:
        assert tx.execute(sa.text("SELECT count(*) FROM condemned_blob")).scalar_one() == 0


def test_a_recording_that_goes_takes_its_blobs_along(bucket: Bucket) -> None:
    key, sha256 = bucket.put(flac()), digest()
    rendition, of_frames = bucket.put(flac("renditions/1/44100")), bucket.put(frames_key(SPACE, sha256))
    with bucket.database.begin() as tx:
        own = bucket.refer(tx, key)
        renditions.write(tx, [Rendition(own, WIDE_HZ, rendition, 44_100)])
        segment = NewSegment(uuid4(), 0, 16_000)
        segments.write_cuts(tx, [Cut(own, COLLECTION, "whole@1", (segment,), ("e",))])
        frames.write(tx, encoders.by_name(tx, "e"), [FrameBlob(segment.segment_id, sha256, 1, 4, "float16", 8)])
    bucket.sweep()
    assert bucket.stands(key)
    assert bucket.stands(of_frames)
    with bucket.database.begin() as tx:
        assert recordings.forget(tx, [own]) == {own}
    bucket.sweep()
    assert not any(map(bucket.stands, (key, rendition, of_frames)))


def test_renditions_go_with_the_last_encoder_that_wants_their_rate(bucket: Bucket) -> None:
    rendition = bucket.put(flac("renditions/1/44100"))
    with bucket.database.begin() as tx:
        encoders.announce_encoder(tx, "narrow", "narrow@1", 4, {"sample_rate_hz": 16_000})
        collections.add_encoder(tx, COLLECTION, "narrow")
        collections.name_by(tx, COLLECTION, "narrow")
        own = bucket.refer(tx, bucket.put(flac()))
        renditions.write(tx, [Rendition(own, WIDE_HZ, rendition, 44_100)])
    bucket.sweep()
    assert bucket.stands(rendition)
    with bucket.database.begin() as tx:
        collections.drop_encoder(tx, COLLECTION, "e")
    bucket.sweep()
    assert not bucket.stands(rendition)
