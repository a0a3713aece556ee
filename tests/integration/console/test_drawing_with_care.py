"""What a draw waits for and warns of: files that still arrive, vain exclusions, how recordings are cut."""

from typing import Any

import pytest
import sqlalchemy as sa

from shared import ids
from shared.storage import attributes
from shared.storage.database import Transaction
from tests.integration.console.conftest import Served
from tests.integration.console.sampled import ATTRIBUTES, NAME, PATH, refused, sample


def arriving(served: Served, **conditions: list[str]) -> dict[str, int]:
    answer = served.http.get(f"/v1/collections/{NAME}/arriving", params=conditions)
    assert answer.status_code == 200, answer.text
    return answer.json()


def announce(tx: Transaction, path: str, data: dict[str, Any] | None, state: str | None) -> None:
    """A file that a corpus spoke of (`data`) and that the watcher has seen, or not (`state`)."""
    key = f"{NAME}/{path}"
    if data is not None:
        attributes.put(tx, NAME, {key: data})
    if state is not None:
        made = {"id": ids.object_id("audio", key), "name": NAME, "key": key, "state": state}
        tx.execute(
            sa.text("""INSERT INTO stored_object (object_id, collection, bucket, key, etag, size_bytes, state)
                       VALUES (:id, :name, 'audio', :key, 'etag', 1, :state)"""),
            made,
        )


@pytest.mark.parametrize(
    ("data", "state"), [({"etiology": "ALS"}, None), ({"etiology": "ALS"}, "seen"), (None, "seen")]
)
def test_while_files_arrive_nothing_is_drawn_unless_a_part_is_wanted(
    sap: Served, data: dict[str, Any] | None, state: str | None
) -> None:
    with sap.console.database.begin() as tx:
        announce(tx, "Train/late.wav", data, state)
    status, code, message = refused(sap, percent=50)
    assert (status, code, message) == (409, "still_arriving", "1 of 101 files are not registered yet.")
    assert sap.http.get(PATH).json() == {"items": []}
    assert sample(sap, percent=50, partial=True)["n_recordings"] == 50
    assert refused(sap, percent=50)[:2] == (409, "subset_taken")


def test_only_files_that_might_be_drawn_are_waited_for(sap: Served) -> None:
    with sap.console.database.begin() as tx:
        announce(tx, "Train/late.wav", {"etiology": "Ströke, üben"}, "seen")
        announce(tx, "Train/bad.wav", {"etiology": "ALS"}, "rejected")
    assert arriving(sap) == {"arriving": 1, "files": 101}
    assert arriving(sap, where=["etiology=ALS"]) == {"arriving": 0, "files": 29}
    assert arriving(sap, exclude=["etiology=Ströke, üben"])["arriving"] == 0
    assert refused(sap)[1] == "still_arriving"
    assert sample(sap, where=["etiology=ALS"])["n_recordings"] == 29


def test_a_standing_subset_is_given_whatever_arrives(sap: Served) -> None:
    made = sample(sap, percent=10)
    with sap.console.database.begin() as tx:
        announce(tx, "Train/late.wav", {"etiology": "ALS"}, None)
    again = sap.http.post(PATH, json={"name": "pilot", "percent": 10})
    assert (again.status_code, again.json()) == (200, made)


def test_an_exclusion_that_nothing_meets_is_told(sap: Served) -> None:
    made = sample(sap, exclude=["etiology=als", "etiology=ALS"])
    (warning,) = made["warnings"]
    assert made["n_excluded"] == 29
    assert warning.startswith("Nothing had etiology=als: nothing was excluded by it.")
    assert warning.endswith("Did you mean 'ALS'?")
    assert sample(sap, "sound", exclude=["etiology=ALS"])["warnings"] == []


def test_how_the_recordings_of_a_subset_are_cut_is_told(sap: Served) -> None:
    none, one, several, uncut = (ids.recording_id(NAME, f"{NAME}/{path}") for path in list(ATTRIBUTES)[:4])
    with sap.console.database.begin() as tx:
        add = sa.text("""INSERT INTO segment (segment_id, recording_id, collection, start_sample, end_sample, source,
                                              modality)
                         VALUES (gen_random_uuid(), :id, :name, :start, 16000, 'vad@1', :modality)""")
        spans = [(one, 0, "audio"), (several, 0, "audio"), (several, 8000, "audio"), (none, 0, "text")]
        tx.execute(add, [{"id": i, "name": NAME, "start": start, "modality": m} for i, start, m in spans])
        tx.execute(sa.text("UPDATE recording SET state = 'registered' WHERE recording_id = :id"), {"id": uncut})
    made = sample(sap)
    counts = {name: made[name] for name in ("not_cut", "without_segment", "several_segments")}
    assert counts == {"not_cut": 1, "without_segment": len(ATTRIBUTES) - 3, "several_segments": 1}
