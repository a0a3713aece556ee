"""A recording whose cutting was dropped for good is cut after all when its bytes are put again."""

import pytest
import sqlalchemy as sa

from tests.integration.ingest.unpacking_shop import Shop
from tests.support.corpora import wav


@pytest.fixture
def registered(shop: Shop) -> Shop:
    """One recording that waits to be cut."""
    shop.put("a.wav", wav(200))
    shop.look()
    shop.work("ingest.register")
    return shop


def put_elsewhere(shop: Shop, *keys: str) -> None:
    for key in keys:
        shop.put(key, wav(200))
    shop.look()
    shop.work("ingest.register")


def change(shop: Shop, statement: str) -> None:
    with shop.database.begin() as tx:
        tx.execute(sa.text(statement))


def test_bytes_put_again_are_announced_again_once_if_their_work_was_dropped(registered: Shop) -> None:
    change(registered, "DELETE FROM delivery WHERE subscription = 'ingest.segment'")
    put_elsewhere(registered, "b.wav", "c.wav")
    assert registered.rows("SELECT subscription, state FROM delivery") == [("ingest.segment", "pending")]
    assert len(registered.announced("recording.registered")) == 2


@pytest.mark.parametrize("state", ["pending", "dead"])
def test_work_that_waits_or_was_given_up_is_left_as_it_is(registered: Shop, state: str) -> None:
    change(registered, f"UPDATE delivery SET state = '{state}'")
    put_elsewhere(registered, "b.wav")
    assert len(registered.announced("recording.registered")) == 1


def test_what_is_cut_is_not_cut_again(registered: Shop) -> None:
    change(registered, "DELETE FROM delivery")
    change(registered, "UPDATE recording SET state = 'segmented'")
    put_elsewhere(registered, "b.wav")
    assert len(registered.announced("recording.registered")) == 1
