"""Archives in a real bucket: members become objects under their relative paths, once, whatever happens meanwhile."""

import gzip
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from services.ingest.archives import slices
from shared import ids
from shared.ids import new_id
from shared.storage import archive_listing, archives, tombstones
from shared.storage.objects import ObjectStore, StoredObject
from tests.integration.ingest.unpacking_shop import COLLECTION, Shop, numbered, sap
from tests.support.archives import zip_of
from tests.support.corpora import tar_of, wav

OF_A_AND_B = {f"Train/{c}/{c}/{c}_{n}_{n}_16kHz.wav" for c in "AB" for n in range(2)}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_a_tar_of_tars_becomes_objects_under_their_paths(shop: Shop, mode: str) -> None:
    shop.put("Train.tar", sap(mode))

    archive = shop.unpack()

    assert shop.lying() == {"Train.tar", *OF_A_AND_B}
    assert shop.content("Train/B/B/B_1_1_16kHz.wav") == wav(301)
    assert (archive.state, archive.taken, archive.skipped, archive.refused) == ("unpacked", 4, 2, 0)
    assert archive.read_bytes == archive.size_bytes
    assert shop.state("Train.tar") == ("archive", None)
    (told,) = shop.announced("archive.unpacked")
    assert (told["n_members"], told["n_taken"], told["n_skipped"], told["n_refused"]) == (8, 4, 2, 0)


def test_its_members_become_recordings_like_any_objects(shop: Shop) -> None:
    shop.put("Train.tar", sap())
    shop.unpack()

    assert shop.look() == 4
    shop.work("ingest.register")

    assert {shop.state(key) for key in OF_A_AND_B} == {("registered", None)}


def test_an_archive_is_unpacked_in_slices(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "_FINDING_SHARE", 0.0)
    shop.tune(archive_slice_s=1e-9)
    members = numbered(2 * slices.PORTION_MEMBERS + 1)
    shop.put("day.tar.gz", tar_of(members, "w:gz"))

    archive = shop.unpack()

    assert shop.lying() == {"day.tar.gz", *(f"day/{name}" for name in members)}
    assert archive.taken == len(members)
    assert [event["n_members"] for event in shop.announced("archive.found")] == [0, 32, 64, 65]


def test_a_compressed_archive_that_would_never_end_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "_FINDING_SHARE", 0.0)
    shop.tune(archive_slice_s=1e-9)
    shop.put("day.tar.gz", tar_of(numbered(slices.PORTION_MEMBERS + 1), "w:gz"))
    shop.look()
    shop.work("ingest.register")
    shop.work("ingest.unpack")
    monkeypatch.setattr(slices, "_FINDING_MOST_S", 1e-9)
    shop.work("ingest.unpack")

    assert (shop.archive().state, shop.archive().code) == ("refused", "archive_compressed")
    assert shop.archive().taken == slices.PORTION_MEMBERS


def test_a_zip_in_a_compressed_tar_counts_once_however_many_slices_it_takes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tar_of({"inner.zip": zip_of(numbered(2 * slices.PORTION_MEMBERS + 1))}, "w:gz")
    shop.put("whole.tar.gz", packed)
    in_one = shop.unpack().archive_id
    shop.take_away("whole.tar.gz")
    monkeypatch.setattr(slices, "_FINDING_SHARE", 0.0)
    shop.tune(archive_slice_s=1e-9)
    shop.put("sliced.tar.gz", packed)
    shop.look()
    shop.work("ingest.register")
    while shop.work("ingest.unpack"):
        pass

    counted = shop.rows("SELECT archive_id = :id, n_bytes FROM archive ORDER BY 1", id=in_one)
    assert [is_whole for is_whole, _ in counted] == [False, True]
    assert counted[0][1] == counted[1][1]


def test_members_that_lie_there_with_the_same_bytes_are_left(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("day/000.wav", wav(100))
    shop.put("day.tar", tar_of(numbered(2)))
    put, keys = ObjectStore.put_parts, list[str]()
    monkeypatch.setattr(ObjectStore, "put_parts", lambda *given: keys.append(given[2]) or put(*given))

    assert shop.unpack().taken == 2
    assert keys == ["sap/day/001.wav"]


def test_bytes_that_were_erased_do_not_come_back_to_the_bucket(shop: Shop) -> None:
    erased = ids.recording_id(COLLECTION, hashlib.sha256(wav(100)).hexdigest())
    with shop.database.begin() as tx:
        tombstones.claim(tx, [erased])
        tombstones.lay(tx, "recording", {erased: COLLECTION}, new_id())
    shop.put("day.tar", tar_of({"a.wav": wav(100), "b.wav": wav(200)}))

    assert shop.unpack().taken == 1
    assert shop.refusals() == {"a.wav": "erased"}
    assert shop.lying() == {"day.tar", "day/b.wav"}


def test_a_member_never_takes_the_place_of_another_object(shop: Shop) -> None:
    shop.put("day/000.wav", wav(999))
    shop.put("day.tar", tar_of(numbered(2)))

    assert shop.unpack().taken == 1
    assert shop.refusals() == {"000.wav": "key_taken"}
    assert shop.content("day/000.wav") == wav(999)


def test_a_new_version_of_an_archive_replaces_what_the_old_one_put_there(shop: Shop) -> None:
    shop.put("day.tar", tar_of({"a.wav": wav(100), "b.wav": wav(200)}))
    shop.unpack()
    shop.put("day/b.wav", wav(250))  # since changed by hand
    shop.put("day.tar", tar_of({"a.wav": wav(300), "b.wav": wav(400), "c.wav": wav(500)}))

    archive = shop.unpack()

    assert (archive.state, archive.taken, shop.refusals()) == ("unpacked", 2, {"b.wav": "key_taken"})
    assert shop.content("day/a.wav") == wav(300)
    assert shop.content("day/b.wav") == wav(250)


def test_of_members_with_one_name_the_first_counts_and_case_twins_are_two(shop: Shop) -> None:
    shop.put("day.tar", tar_of({"a.wav": wav(100), "A.wav": wav(200), "./a.wav": wav(300), "b//a.wav": wav(50)}))

    shop.unpack()

    assert shop.lying() == {"day.tar", "day/a.wav", "day/A.wav", "day/b/a.wav"}
    assert shop.refusals() == {"a.wav": "member_doubled"}
    assert shop.content("day/a.wav") == wav(100)


def test_a_file_and_a_folder_of_one_name_are_two_keys(shop: Shop) -> None:
    shop.put("day.tar", tar_of({"a": wav(100), "a/b.wav": wav(200), "c.wav": wav(300)}))

    archive = shop.unpack()

    assert (archive.state, archive.taken) == ("unpacked", 3)
    assert [shop.content(f"day/{name}") for name in ("a", "a/b.wav")] == [wav(100), wav(200)]


def test_an_archive_that_breaks_off_keeps_what_came_before(shop: Shop) -> None:
    packed = tar_of(numbered(3))
    shop.put("day.tar", packed[: 2 * 9216 + 3000])

    archive = shop.unpack()

    assert (archive.state, archive.code, archive.taken) == ("refused", "archive_broken", 2)
    assert shop.state("day.tar") == ("rejected", "archive_broken")
    assert {"day/000.wav", "day/001.wav"} <= shop.lying()
    (told,) = shop.announced("recording.rejected")
    assert (told["key"], told["code"]) == ("sap/day.tar", "archive_broken")


def test_two_archives_of_one_folder_overwrite_nothing_of_each_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put("day.tar", tar_of({"a.wav": wav(100)}))
    shop.put("day.zip", zip_of({"a.wav": wav(200)}))
    shop.look()
    shop.work("ingest.register")
    with shop.database.begin() as tx:
        found = [one.archive_id for one in archive_listing.archives(tx, COLLECTION, most=10)]
        both = [archives.opened(tx, archive_id) for archive_id in found]
    stat, met = ObjectStore.stat, threading.Barrier(2)

    def stat_together(store: ObjectStore, bucket: str, key: str) -> StoredObject:
        try:
            return stat(store, bucket, key)
        finally:
            with suppress(threading.BrokenBarrierError):
                met.wait(1.0)  # for the other one, should it look before this one puts

    monkeypatch.setattr(ObjectStore, "stat", stat_together)
    with ThreadPoolExecutor(2) as pool:
        unpacked = list(pool.map(lambda opened: slices.unpack(opened, 60, shop.database, shop.tools()).unpacked, both))

    assert sorted((one.n_taken, one.n_refused) for one in unpacked) == [(0, 1), (1, 0)]


def test_a_bomb_is_rejected_and_what_came_before_it_is_kept(shop: Shop) -> None:
    shop.put("day.zip", zip_of({"a.wav": wav(100), "bomb.wav": bytes(100 << 20)}))

    archive = shop.unpack()

    assert (archive.state, archive.code, archive.taken) == ("refused", "archive_expansion", 1)
    assert shop.state("day.zip") == ("rejected", "archive_expansion")
    assert shop.lying() == {"day.zip", "day/a.wav"}


def test_what_is_compressed_and_no_tar_is_no_audio(shop: Shop) -> None:
    shop.put("a.wav.gz", gzip.compress(wav()))
    shop.look()
    shop.work("ingest.register")

    assert shop.state("a.wav.gz") == ("rejected", "not_audio")
