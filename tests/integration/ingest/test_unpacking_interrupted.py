"""Unpacking is killed, overtaken, or has its archive changed under its hands: it goes on, or begins anew."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from services.ingest.archives import slices
from shared.ledger.consumer import FenceLost
from shared.storage import archives, arrivals
from shared.storage.objects import ObjectStore
from tests.integration.ingest.unpacking_shop import COLLECTION, Shop, numbered
from tests.support.corpora import tar_of, wav


def test_a_slice_that_dies_is_taken_up_where_its_last_portion_ended(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.fetching = ThreadPoolExecutor(1)  # one after the other, to die at a known one
    members = numbered(2 * slices.PORTION_MEMBERS)
    shop.put("day.tar", tar_of(members))
    shop.look()
    shop.work("ingest.register")
    put = ObjectStore.put_parts
    keys: list[str] = []

    def dying(store: ObjectStore, bucket: str, key: str, *rest: object) -> str:
        if len(keys) == slices.PORTION_MEMBERS + 5:
            raise MemoryError
        keys.append(key)
        return put(store, bucket, key, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "put_parts", dying)
        shop.work("ingest.unpack")
    assert shop.archive().taken == slices.PORTION_MEMBERS
    monkeypatch.setattr(ObjectStore, "put_parts", lambda *given: keys.append(given[2]) or put(*given))
    shop.rows("UPDATE delivery SET not_before = now() - interval '1 hour' RETURNING 1")
    shop.work("ingest.unpack")

    assert shop.archive().taken == len(members)
    assert sorted(keys) == [f"sap/day/{name}" for name in members]  # each once: those of the lost portion lay there


def test_an_archive_that_is_deleted_while_it_is_unpacked(shop: Shop) -> None:
    shop.put("day.tar", tar_of(numbered(2)))
    shop.look()
    shop.work("ingest.register")
    shop.take_away("day.tar")
    shop.work("ingest.unpack")

    assert (shop.archive().state, shop.archive().code) == ("refused", "object_gone")
    shop.put("day.tar", tar_of(numbered(2)))
    assert shop.unpack().state == "unpacked"


def test_an_archive_that_is_overwritten_while_it_is_unpacked_is_begun_anew(shop: Shop) -> None:
    shop.tune(archive_slice_s=1e-9)
    shop.put("day.tar", tar_of(numbered(slices.PORTION_MEMBERS + 1)))
    shop.look()
    shop.work("ingest.register")
    shop.work("ingest.unpack")
    shop.put("day.tar", tar_of({"000.wav": wav(555)}))
    shop.work("ingest.unpack")
    assert shop.archive().state == "replaced"

    archive = shop.unpack()

    assert (archive.state, archive.taken) == ("unpacked", 1)
    assert shop.content("day/000.wav") == wav(555)
    assert len(shop.announced("archive.unpacked")) == 1


def test_a_worker_that_was_overtaken_writes_nothing_down(shop: Shop) -> None:
    shop.put("day.tar", tar_of(numbered(2)))
    shop.look()
    shop.work("ingest.register")
    with shop.database.begin() as tx:
        opened = archives.opened(tx, shop.archive().archive_id)
    assert opened is not None
    slices.unpack(opened, 60, shop.database, shop.tools())

    with pytest.raises(FenceLost):
        slices.unpack(opened, 60, shop.database, shop.tools())
    assert [member.path for member in shop.members()] == ["000.wav", "001.wav"]


def last_attempt_dies(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive, and whoever unpacks it in its last attempt is gone without a word."""
    shop.put("day.tar", tar_of(numbered(2)))
    shop.look()
    shop.work("ingest.register")

    def killed(*_: object) -> None:
        raise SystemExit

    last = shop.settings.ledger.attempts_before_dead - 1
    shop.rows("UPDATE delivery SET attempt = :last, not_before = now() RETURNING 1", last=last)
    with monkeypatch.context() as patch:
        patch.setattr(slices, "unpack", killed)
        with pytest.raises(SystemExit):
            shop.work("ingest.unpack")


def test_an_archive_whose_last_attempt_killed_the_process_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_attempt_dies(shop, monkeypatch)

    assert (shop.archive().state, shop.archive().code) == ("refused", "unpacking_abandoned")
    assert shop.state("day.tar") == ("rejected", "unpacking_abandoned")
    with shop.database.begin() as tx:
        arrivals.refuse(tx, COLLECTION, [], [])


def test_an_archive_that_was_given_up_is_unpacked_when_it_is_requeued(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_attempt_dies(shop, monkeypatch)
    shop.rows("UPDATE delivery SET state = 'pending', attempt = 0 RETURNING 1")

    archive = shop.unpack()

    assert (archive.state, archive.code, archive.taken) == ("unpacked", None, 2)
    assert shop.state("day.tar") == ("archive", None)


def test_the_last_attempt_may_need_many_slices(shop: Shop) -> None:
    shop.tune(archive_slice_s=1e-9)
    shop.put("day.tar", tar_of(numbered(slices.PORTION_MEMBERS + 1)))
    shop.look()
    shop.work("ingest.register")
    last = shop.settings.ledger.attempts_before_dead - 1
    shop.rows("UPDATE delivery SET attempt = :last RETURNING 1", last=last)
    shop.work("ingest.unpack")

    assert (shop.archive().state, shop.archive().code) == ("unpacking", None)
    assert shop.state("day.tar") == ("archive", None)
    assert shop.unpack().state == "unpacked"


def test_a_seen_archive_that_was_overwritten_is_unpacked_as_it_is_now(shop: Shop) -> None:
    shop.put("day.tar", tar_of(numbered(3)))
    shop.look()
    shop.work("ingest.register")
    shop.put("day.tar", tar_of(numbered(1)))
    shop.look()
    shop.work("ingest.register")
    shop.work("ingest.unpack")  # both events

    assert (shop.archive().state, shop.archive().taken) == ("unpacked", 1)
