"""Servers with a few rows and objects, and backups of them."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from services.launcher.stack.backup import back_up
from services.launcher.stack.backup_folder import BackupFolder
from shared import ids
from shared.ledger.outbox import announce, publish
from shared.storage import collections, encoders, erasure, recordings
from shared.storage.database import Database
from shared.storage.recordings import NewRecording, Outcome, SeenObject
from tests.support.stack import AUDIO, DERIVED, Servers, s3_client

DUMPING = "Dumping the database."
ANNA = ids.recording_id("talks", "a")
BERT = ids.recording_id("talks", "b")
MIB = 1 << 20
PUT_AT = datetime(2026, 1, 1, tzinfo=UTC)  # long before the restore puts the objects again


def put(servers: Servers, bucket: str, key: str, content: bytes, part_size: int = 0) -> str:
    stored = s3_client(servers.state).put_object(
        bucket, key, io.BytesIO(content), len(content), content_type="audio/x-own", part_size=part_size
    )
    return str(stored.etag)


def fill(servers: Servers, database: Database) -> None:
    """Two recordings: one of a file that was put in parts."""
    etags = {
        "talks/anna.wav": put(servers, AUDIO, "talks/anna.wav", b"anna"),
        "talks/bert.wav": put(servers, AUDIO, "talks/bert.wav", b"bert" * 3 * MIB, part_size=5 * MIB),
    }
    put(servers, DERIVED, "recordings/a.flac", b"derived of anna")
    put(servers, DERIVED, "recordings/b.flac", b"derived of bert")
    seen = [
        SeenObject(ids.object_id(AUDIO, key), "talks", AUDIO, key, etag, 4 if "anna" in key else 12 * MIB, PUT_AT)
        for key, etag in etags.items()
    ]
    with database.begin() as tx:
        encoders.announce_segmenter(tx, "whole", {"revision": "1"})
        encoders.announce_encoder(tx, "tiny", "tiny@1:last:mean", 2, {"revision": "1", "assign_threshold": 0.9})
        collections.create(tx, "talks", "whole", ("tiny",))
        recordings.see(tx, seen)
        found = ((ANNA, "a"), (BERT, "b"))
        recordings.register(
            tx, [NewRecording(own, "talks", sha, 16_000, f"recordings/{sha}.flac", {}) for own, sha in found]
        )
        recordings.settle(
            tx,
            [
                Outcome(one.object_id, one.etag, one.etag, recording_id=ANNA if "anna" in one.key else BERT)
                for one in seen
            ],
        )


@dataclass
class Backups:
    """Backups of the servers, below one folder."""

    servers: Servers
    folder: Path

    def take(self, name: str, since: str | None = None, meanwhile: Callable[[], None] = lambda: None) -> BackupFolder:
        def tell(message: str) -> None:
            if message == DUMPING:
                meanwhile()

        older = self.folder / since if since else None
        back_up(self.folder / name, self.servers.state.data_dir, since=older, tell=tell)
        return BackupFolder(self.folder / name)


def keys(backup: BackupFolder) -> set[str]:
    return {entry.key for entry in backup.entries()}


def with_erased(servers: Servers, recording_ids: list[UUID]) -> None:
    database = Database(servers.settings.database)
    with database.begin() as tx:
        erased = erasure.erase_recordings(tx, "talks", recording_ids, "me")
        publish(tx, [announce(event) for event in erased.events])
    database.close()
