"""What no row refers to goes from the derived bucket, and nothing else, whoever is about to refer to it."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from shared.ledger.sweep import Sweep
from shared.settings import LedgerSettings, Settings
from shared.storage import collections, encoders, frames, orphans, recordings, renditions, segments
from shared.storage.database import Database, Transaction
from shared.storage.frames import FrameBlob, frames_key
from shared.storage.objects import ObjectStore
from shared.storage.orphans import BlobSwept
from shared.storage.recordings import NewRecording
from shared.storage.renditions import Rendition
from shared.storage.segments import Cut, NewSegment

COLLECTION, SPACE, WIDE_HZ = "talks", "e@1:last:mean", 44_100
_numbers = itertools.count()


@dataclass
class Bucket:
    """The derived bucket, and the database that it belongs to."""

    database: Database
    store: ObjectStore
    name: str
    folder: Path

    def put(self, key: str) -> str:
        path = self.folder / "blob"
        path.write_bytes(b"blob")
        self.store.put_file(self.name, key, path, "audio/flac")
        return key

    def stands(self, key: str) -> bool:
        return self.store.exists(self.name, key)

    def sweep(self, grace_s: float = 0.0, n_steps: int = 2) -> None:
        """Look at everything, and delete what is due."""
        sweep = Sweep(self.database, self.store, self.name, LedgerSettings(blob_grace_s=grace_s))
        for _ in range(n_steps):
            sweep.step()

    def refer(self, tx: Transaction, key: str) -> UUID:
        """As ingest does when it has decoded a recording."""
        own = uuid4()
        recordings.register(tx, [NewRecording(own, COLLECTION, own.hex, 16_000, key, {})])
        orphans.hold(tx, [key], self.stands)
        return own


@pytest.fixture
def bucket(settings: Settings, database: Database, tmp_path: Path) -> Bucket:
    with database.begin() as tx:
        encoders.announce_encoder(tx, "e", SPACE, 4, {"sample_rate_hz": WIDE_HZ})
        collections.create(tx, COLLECTION, "whole", ("e",))
    return Bucket(database, ObjectStore(settings.s3), settings.s3.derived_bucket, tmp_path)


def flac(what: str = "recordings/1") -> str:
    return f"{what}/00/{next(_numbers):064x}.flac"


def test_what_no_row_refers_to_goes_and_the_rest_stays(bucket: Bucket) -> None:
    own, sha256 = uuid4(), f"{next(_numbers):064x}"
    kept = [flac(), flac("renditions/1/44100"), frames_key(SPACE, sha256), "somebody/elses.txt"]
    gone = [flac(), flac("renditions/1/44100"), frames_key(SPACE, f"{next(_numbers):064x}"), frames_key("x", sha256)]
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
        tx.execute(sa.text("UPDATE condemned_blob SET due_at = due_at - interval '1 hour'"))
    bucket.sweep(grace_s=3600)
    assert not bucket.stands(key)


def test_what_is_referred_to_while_it_waits_is_pardoned(bucket: Bucket) -> None:
    key = bucket.put(flac())
    bucket.sweep(grace_s=3600)
    with bucket.database.begin() as tx:
        bucket.refer(tx, key)
        tx.execute(sa.text("UPDATE condemned_blob SET due_at = due_at - interval '1 hour'"))
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
    key, sha256 = bucket.put(flac()), f"{next(_numbers):064x}"
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
