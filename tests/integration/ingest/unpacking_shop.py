"""Ingest on real servers without a worker: archives put by a plain S3 client, deliveries done one by one."""

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services.ingest import handlers, unpacking
from services.ingest.decode.limits import DecodeLimits
from services.ingest.decode.sandbox import Decoder
from services.ingest.looking import Looker
from services.ingest.ports import Ingest
from services.ingest.segmenters import registry
from shared.ids import new_id
from shared.ledger import consumer
from shared.ledger.consumer import Work
from shared.settings import Settings
from shared.storage import archive_listing
from shared.storage.archive_listing import ListedArchive, ListedMember
from shared.storage.database import Database
from shared.storage.objects import ObjectStore
from tests.support.corpora import contributor_tar, tar_of, wav
from tests.support.stack import AUDIO, Servers, s3_client

COLLECTION = "sap"
HANDLERS: Mapping[str, Callable[[Work, Ingest], None]] = {
    "ingest.register": handlers.register,
    "ingest.unpack": unpacking.unpack,
}


@dataclass
class Shop:
    """The servers and the tools of one ingest process."""

    servers: Servers
    settings: Settings
    database: Database

    def __post_init__(self) -> None:
        self.client = s3_client(self.servers.state)
        self.fetching = ThreadPoolExecutor(4)
        self.store = ObjectStore(self.settings.s3)
        self.folder = tempfile.TemporaryDirectory()
        self.decoder = Decoder(DecodeLimits.from_settings(self.settings.ingest))

    def close(self) -> None:
        self.decoder.close()
        self.fetching.shutdown()
        self.folder.cleanup()

    def tune(self, **ingest: object) -> None:
        """Other settings of ingest."""
        tuned = self.settings.ingest.model_copy(update=ingest)
        self.settings = self.settings.model_copy(update={"ingest": tuned})

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(AUDIO, f"{COLLECTION}/{key}", BytesIO(content), len(content))

    def take_away(self, key: str) -> None:
        self.client.remove_object(AUDIO, f"{COLLECTION}/{key}")

    def lying(self) -> set[str]:
        """What lies in the bucket, below the collection."""
        found = self.client.list_objects(AUDIO, prefix=f"{COLLECTION}/", recursive=True)
        return {entry.object_name.removeprefix(f"{COLLECTION}/") for entry in found}

    def content(self, key: str) -> bytes:
        response = self.client.get_object(AUDIO, f"{COLLECTION}/{key}")
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def look(self) -> int:
        return Looker(self.database, self.store, self.fetching, self.settings).sweep()

    def tools(self) -> Ingest:
        return Ingest(
            settings=self.settings,
            objects=self.store,
            decoder=self.decoder,
            segmenter=registry.build,
            fetching=self.fetching,
            scratch=Path(self.folder.name),
        )

    def work(self, subscription: str) -> int:
        """Do all pending deliveries of a subscription as one message; returns how many there were."""
        with self.database.begin() as tx:
            statement = """
                UPDATE delivery SET state = 'queued' WHERE subscription = :name AND state = 'pending' RETURNING event_id
            """
            ids = list(tx.execute(sa.text(statement), {"name": subscription}).scalars())
        handler, tools = HANDLERS[subscription], self.tools()
        if ids:
            run = lambda work: handler(work, tools)  # noqa: E731
            consumer.run(run, subscription, str(new_id()), ids, self.database, self.settings.ledger)
        return len(ids)

    def unpack(self) -> ListedArchive:
        """See what is new, unpack it to its end, and return what is told of the archive."""
        self.look()
        self.work("ingest.register")
        while self.work("ingest.unpack"):
            assert self.rows("SELECT last_error FROM delivery WHERE last_error <> ''") == []
        return self.archive()

    def archive(self) -> ListedArchive:
        with self.database.begin() as tx:
            (found,) = archive_listing.archives(tx, COLLECTION, most=10)
        return found

    def members(self) -> list[ListedMember]:
        with self.database.begin() as tx:
            return archive_listing.members(tx, COLLECTION, self.archive().archive_id, most=1_000_000)

    def refusals(self) -> dict[str, str | None]:
        return {member.path: member.code for member in self.members() if member.code}

    def state(self, key: str) -> tuple[str, str | None]:
        ((state, code),) = self.rows(
            "SELECT state, code FROM stored_object WHERE key = :key", key=f"{COLLECTION}/{key}"
        )
        return state, code

    def announced(self, kind: str) -> list[dict[str, Any]]:
        query = "SELECT data FROM event WHERE type LIKE :kind ORDER BY seq"
        return [data for (data,) in self.rows(query, kind=f"io.earmark.{kind}.v%")]

    def rows(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        with self.database.begin() as tx:
            return [tuple(row) for row in tx.execute(sa.text(query), values)]


def sap(mode: str = "w") -> bytes:
    """As the release has it: an outer tar of contributors' tars."""
    return tar_of({f"{name}.tar": contributor_tar(name) for name in "AB"}, mode)


def numbered(n: int) -> dict[str, bytes]:
    return {f"{number:03}.wav": wav(100 + number) for number in range(n)}
