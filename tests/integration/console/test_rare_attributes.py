"""Segments of the few recordings that have an attribute are found from these, and are the same ones."""

import pytest
import sqlalchemy as sa

from shared.storage import attributes, listing
from shared.storage.conditions import matching
from shared.storage.narrowing import Narrowing
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import NAME, Meetings


@pytest.fixture
def having(served: Served, meetings: Meetings) -> Narrowing:
    """Monday, which lies under two keys."""
    with served.console.database.begin() as tx:
        about = {"room": "3"}
        attributes.put(tx, NAME, {"meetings/a monday/ü.wav": about, "meetings/z/copy.wav": about})
    return Narrowing(attributes=matching(["room=3"]))


@pytest.mark.parametrize("few", [0, 1, 2])
def test_it_does_not_matter_how_they_are_found(
    served: Served, meetings: Meetings, having: Narrowing, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FEW", few)
    with served.console.database.begin() as tx:
        found = listing.segments(tx, NAME, narrowed_to=having, most=10)
        first = listing.segments(tx, NAME, narrowed_to=having, most=1)[0]
        place = (str(first.object_key), round(16_000 * first.start_s), first.segment_id)
        rest = listing.segments(tx, NAME, narrowed_to=having, after=place, most=10)
    assert [s.segment_id for s in found] == [meetings.segment_ids[name] for name in ("m1", "m2", "m3")]
    assert [s.segment_id for s in [first, *rest]] == [s.segment_id for s in found]


def test_nothing_is_read_of_the_others(served: Served, having: Narrowing) -> None:
    """As the planner sees it, which knows nothing of how rare an attribute is."""
    with served.console.database.begin() as tx:
        tx.execute(
            sa.text("""
                WITH r AS (
                    INSERT INTO recording (recording_id, collection, sha256, n_samples, facts)
                    SELECT gen_random_uuid(), :name, n::text, 16000, '{}' FROM generate_series(1, 20000) n
                    RETURNING recording_id, sha256
                ), o AS (
                    INSERT INTO stored_object
                        (object_id, collection, bucket, key, etag, size_bytes, state, recording_id)
                    SELECT gen_random_uuid(), :name, 'audio', 'meetings/' || sha256, 'e', 1, 'registered', recording_id
                    FROM r
                )
                INSERT INTO segment (segment_id, recording_id, collection, start_sample, end_sample, source)
                SELECT gen_random_uuid(), recording_id, :name, 0, 16000, 'whole@1' FROM r
            """),
            {"name": NAME},
        )
        tx.execute(sa.text("ANALYZE segment, stored_object, recording, object_attributes"))
        read = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'segment'"
        before = tx.execute(sa.text(read)).scalar_one()
        assert len(listing.segments(tx, NAME, narrowed_to=having, most=10)) == 3
        assert tx.execute(sa.text(read)).scalar_one() == before
