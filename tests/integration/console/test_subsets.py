"""Subsets over HTTP: drawn in Postgres as `shared/sampling.py` defines, kept, listed, refused with a code."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from shared import ids
from shared.sampling import group_sample, quotas, random_sample, stratified_sample
from shared.storage import attributes, collections
from shared.storage.database import Transaction
from tests.integration.console.conftest import Served

NAME = "sap"
PATH = f"/v1/collections/{NAME}/subsets"
# In SAP's proportions, with the characters that keys and texts may hold.
ETIOLOGIES = {"Parkinson's Disease": 35, "ALS": 29, "Cerebral Palsy": 20, "Down Syndrome": 11, "Ströke, üben": 4}
PER_CONTRIBUTOR = 4


def corpus() -> dict[str, dict[str, Any]]:
    """The attributes of each key below the collection; the last recording has none."""
    found: dict[str, dict[str, Any]] = {}
    for etiology, n in ETIOLOGIES.items():
        for k in range(n):
            contributor = f"{etiology[:2]}{k // PER_CONTRIBUTOR}"
            found[f"Train/{contributor}/{contributor}_{k} é.wav"] = {
                "etiology": etiology,
                "contributor_id": contributor,
                "categories": ["Digital Assistant Commands", "Novel"][: 1 + k % 2],
                "prompt": {"kind": "read" if k % 3 else "free"},
            }
    return found | {"Train/nobody.wav": {}}


ATTRIBUTES = corpus()


def stratum_of(key: str) -> str:
    return str(ATTRIBUTES[key].get("etiology", ""))


STRATA = {name: [key for key in ATTRIBUTES if stratum_of(key) == name] for name in (*ETIOLOGIES, "")}


def register(tx: Transaction, rows: dict[str, dict[str, Any]], collection: str = NAME) -> None:
    """Recordings under these keys, as ingest would leave them, with their attributes."""
    keys = [f"{collection}/{path}" for path in rows]
    recordings = [ids.recording_id(collection, key) for key in keys]
    tx.execute(
        sa.text("""INSERT INTO recording (recording_id, collection, sha256, state, n_samples, facts)
                   SELECT id, :collection, id::text, 'ready', 16000, '{}' FROM unnest(:ids) AS n(id)"""),
        {"collection": collection, "ids": recordings},
    )
    objects = """
        INSERT INTO stored_object (object_id, collection, bucket, key, etag, size_bytes, state, recording_id)
        SELECT o.id, :collection, 'audio', o.key, 'etag', 1, 'registered', o.recording_id
        FROM unnest(:ids, CAST(:keys AS text[]), :recordings) AS o(id, key, recording_id)
    """
    object_ids = [ids.object_id("audio", key) for key in keys]
    tx.execute(sa.text(objects), {"collection": collection, "ids": object_ids, "keys": keys, "recordings": recordings})
    put = sa.text("INSERT INTO object_attributes (collection, key, data) VALUES (:collection, :key, :data)")
    put = put.bindparams(sa.bindparam("data", type_=JSONB))
    tx.execute(put, [{"collection": collection, "key": f"{collection}/{k}", "data": d} for k, d in rows.items() if d])


@pytest.fixture
def sap(served: Served) -> Served:
    with served.console.database.begin() as tx:
        collections.create(tx, NAME, "whole", ("tiny",))
        register(tx, ATTRIBUTES)
    return served


def drawn(served: Served, name: str) -> list[str]:
    """The keys of a subset below the collection, page after page."""
    keys, after = [], None
    while True:
        page = served.http.get(f"{PATH}/{name}/recordings", params={"limit": 7, **({"after": after} if after else {})})
        keys += [item["object_key"].removeprefix(f"{NAME}/") for item in page.json()["items"]]
        after = page.json()["next"]
        if after is None:
            return keys


def sample(served: Served, name: str = "pilot", **wanted: Any) -> dict[str, Any]:
    answer = served.http.post(PATH, json={"name": name, **wanted})
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(served: Served, **wanted: Any) -> tuple[int, str, str]:
    answer = served.http.post(PATH, json={"name": "pilot", **wanted})
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_a_random_sample_is_the_one_that_the_definition_draws(sap: Served) -> None:
    made = sample(sap, percent=30, seed=7)
    assert (made["n_recordings"], made["strata"]) == (
        30, [{"name": None, "size": 100, "quota": 30, "drawn": 30, "small": False}],
    )  # fmt: skip
    assert drawn(sap, "pilot") == sorted(random_sample(ATTRIBUTES, 30, 7))


def test_a_stratified_sample_has_exactly_so_many_in_proportion(sap: Served) -> None:
    made = sample(sap, max_samples=17, sampling="stratified", by="etiology", seed=3)
    expected = stratified_sample(STRATA, 17, 3)
    assert drawn(sap, "pilot") == sorted(key for keys in expected.values() for key in keys)
    assert {(s["name"] or "", s["quota"], s["drawn"], s["small"]) for s in made["strata"]} == {
        (name, len(keys), len(keys), len(keys) < 5) for name, keys in expected.items()
    }
    assert made["n_recordings"] == 17


def grouped(n: int, seed: int) -> set[str]:
    """The keys that the definition draws of each etiology, contributor by contributor."""
    shares = quotas({name: len(keys) for name, keys in STRATA.items()}, n)
    found = set()
    for name, members in STRATA.items():
        unit_of = {key: str(ATTRIBUTES[key].get("contributor_id", key)) for key in members}
        taken = group_sample(Counter(unit_of.values()), shares[name], seed, name)
        found |= {key for key, unit in unit_of.items() if unit in taken}
    return found


@pytest.mark.parametrize("n", [20, 33, 50])
def test_groups_are_drawn_whole_and_as_near_to_the_number_as_they_come(sap: Served, n: int) -> None:
    for seed in range(4):
        wanted = {"percent": n, "sampling": "stratified", "by": "etiology", "group": "contributor_id", "seed": seed}
        made = sample(sap, f"pilot{seed}", **wanted)
        assert set(drawn(sap, f"pilot{seed}")) == grouped(n, seed)
        assert made["n_recordings"] == len(grouped(n, seed))


def test_what_is_excluded_is_excluded_before_the_sampling(sap: Served) -> None:
    made = sample(sap, percent=50, exclude=["etiology=ALS", "categories=Novel"], where=["prompt.kind=read"])
    left = [
        key
        for key, data in ATTRIBUTES.items()
        if data and data["prompt"]["kind"] == "read" and data["etiology"] != "ALS" and "Novel" not in data["categories"]
    ]
    assert drawn(sap, "pilot") == sorted(random_sample(left, round(len(left) / 2), 42))
    read = [data for data in ATTRIBUTES.values() if data and data["prompt"]["kind"] == "read"]
    assert made["n_excluded"] == len(read) - len(left)


def test_a_recording_under_two_keys_is_drawn_once_by_the_first(sap: Served) -> None:
    with sap.console.database.begin() as tx:
        tx.execute(
            sa.text("""INSERT INTO stored_object (object_id, collection, bucket, key, etag, size_bytes, state,
                                                  recording_id)
                       SELECT gen_random_uuid(), collection, bucket, key || '.copy', etag, 1, state, recording_id
                       FROM stored_object WHERE collection = :name"""),
            {"name": NAME},
        )
    assert sample(sap)["n_recordings"] == len(ATTRIBUTES)
    assert drawn(sap, "pilot") == sorted(ATTRIBUTES)


def test_a_name_stands_for_one_way_to_draw(sap: Served) -> None:
    made = sample(sap, percent=10)
    with sap.console.database.begin() as tx:
        register(tx, {"Train/later.wav": {"etiology": "ALS"}})
    again = sap.http.post(PATH, json={"name": "pilot", "percent": 10})
    assert (again.status_code, again.json()) == (200, made)
    assert refused(sap, percent=11)[:2] == (409, "subset_taken")
    assert [item["name"] for item in sap.http.get(PATH).json()["items"]] == ["pilot"]
    assert sap.http.get(f"{PATH}/pilot").json() == made


def test_a_deleted_subset_is_gone_and_its_recordings_are_not(sap: Served) -> None:
    made = sample(sap, percent=10)
    assert sap.http.delete(f"{PATH}/pilot").status_code == 204
    for call in (sap.http.get, sap.http.delete):
        answer = call(f"{PATH}/pilot")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_subset")
    with sap.console.database.begin() as tx:
        assert tx.execute(sa.text("SELECT count(*) FROM subset_member")).scalar_one() == 0
        assert tx.execute(sa.text("SELECT count(*) FROM recording")).scalar_one() == len(ATTRIBUTES)
    assert UUID(made["subset_id"]) != UUID(sample(sap, percent=10)["subset_id"])


def test_strata_hold_together_what_a_condition_takes_for_equal(served: Served) -> None:
    """Numbers as numbers, a list of one value as that value, a column with a dot by its name."""
    values: list[Any] = [3, 3.0, "3", [3], ["a", "b"], ["a", "b"], None, True]
    with served.console.database.begin() as tx:
        collections.create(tx, NAME, "whole", ("tiny",))
        register(tx, {f"{n}.wav": {"take.no": value} for n, value in enumerate(values)})
    made = sample(served, sampling="stratified", by="take.no")
    assert {s["name"]: s["size"] for s in made["strata"]} == {"3": 4, "[a, b]": 2, None: 1, "true": 1}
    for wanted, n in (("3", 4), ("3.0", 3), ("a", 2), ("true", 1), ("null", 1)):
        assert sample(served, f"by-{wanted}", where=[f"take.no={wanted}"])["n_recordings"] == n
        left = sample(served, f"but-{wanted}", exclude=[f"take.no={wanted}"])
        assert (left["n_recordings"], left["n_excluded"]) == (len(values) - n, n)


@pytest.mark.parametrize(("wanted", "status", "code", "words"), [
    ({"percent": -1}, 422, "invalid_request", "percent"),
    ({"percent": 0}, 422, "nothing_drawn", "Of 100 recordings 0 are wanted"),
    ({"percent": 101}, 422, "invalid_request", "percent"),
    ({"max_samples": 0}, 422, "invalid_request", "max_samples"),
    ({"sampling": "systematic"}, 422, "invalid_request", "'random' or 'stratified'"),
    ({"sampling": "stratified"}, 422, "invalid_request", "names the strata"),
    ({"by": "etiology"}, 422, "invalid_request", "names the strata"),
    ({"name": "a b"}, 422, "invalid_request", "name"),
    ({"sampling": "stratified", "by": "Etiology"}, 422, "unknown_attribute",
     "did you mean 'etiology'? there are: categories, contributor_id, etiology, prompt"),
    ({"group": "prompt.mood"}, 422, "unknown_attribute", "'prompt.mood'"),
    ({"exclude": ["etiology"]}, 422, "bad_condition", "name=value"),
    ({"where": ["etiology=als"]}, 422, "nothing_drawn", "No recording is left"),
    ({"where": ["etiology=als"]}, 422, "nothing_drawn",
     "etiology is nowhere 'als', but one of: ALS, Cerebral Palsy, Down Syndrome, Parkinson's Disease, Ströke, üben."),
    ({"exclude": [f"etiology={name}" for name in ETIOLOGIES], "where": ["prompt.kind=read"]}, 422, "nothing_drawn",
     "(64 excluded)"),
    ({"percent": 0.1}, 422, "nothing_drawn", "Of 100 recordings 0 are wanted"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused_with_a_code(
    sap: Served, wanted: dict[str, Any], status: int, code: str, words: str
) -> None:
    assert refused(sap, **wanted)[:2] == (status, code)
    assert words in refused(sap, **wanted)[2]
    assert sap.http.get(PATH).json() == {"items": []}


def test_strata_beyond_number_are_refused(served: Served) -> None:
    with served.console.database.begin() as tx:
        collections.create(tx, NAME, "whole", ("tiny",))
        register(tx, {f"{n}.wav": {"file_name": f"{n}.wav"} for n in range(1001)})
    assert refused(served, sampling="stratified", by="file_name")[:2] == (422, "too_many_strata")


def test_only_who_may_ingest_draws(sap: Served) -> None:
    with sap.as_(sap.token("read")) as reader:
        assert reader.post(PATH, json={"name": "pilot"}).status_code == 403
        assert reader.get(PATH).status_code == 200


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
