"""Subsets over HTTP: drawn in Postgres as `shared/sampling.py` defines, kept, listed, refused with a code."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from shared.sampling import group_sample, quotas, random_sample, stratified_sample
from shared.storage import collections
from tests.integration.console.conftest import Served
from tests.integration.console.sampled import (
    ATTRIBUTES,
    ETIOLOGIES,
    NAME,
    PATH,
    STRATA,
    drawn,
    refused,
    register,
    sample,
)


def test_a_random_sample_is_the_one_that_the_definition_draws(sap: Served) -> None:
    made = sample(sap, percent=30, seed=7)
    assert (made["n_recordings"], made["strata"]) == (
        30, [{"name": None, "size": 100, "quota": 30, "drawn": 30, "small": False, "groups": None}],
    )  # fmt: skip
    assert drawn(sap, "pilot") == sorted(random_sample(ATTRIBUTES, 30, 7))
    assert [stratum["small"] for stratum in sample(sap, "three", max_samples=3)["strata"]] == [False]


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
        groups = {(ATTRIBUTES[k].get("etiology"), ATTRIBUTES[k].get("contributor_id", k)) for k in grouped(n, seed)}
        assert sum(stratum["groups"] for stratum in made["strata"]) == len(groups)


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
    ({"name": "a b/x"}, 422, "invalid_request", "body.name: 'a b/x' cannot name a subset: a name starts with a letter"),
    ({"name": "a\n"}, 422, "invalid_request", "cannot name a subset"),
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


def test_a_value_that_is_only_written_otherwise_is_not_called_unknown(served: Served) -> None:
    with served.console.database.begin() as tx:
        collections.create(tx, NAME, "whole", ("tiny",))
        register(tx, {f"{n}.wav": {"rating": 3, "read": n == 0} for n in range(4)})
    said = refused(served, where=["rating=3.0", "read=maybe"])[2]
    assert "read is nowhere 'maybe'" in said
    assert "rating" not in said


def test_strata_beyond_number_are_refused(served: Served) -> None:
    with served.console.database.begin() as tx:
        collections.create(tx, NAME, "whole", ("tiny",))
        register(tx, {f"{n}.wav": {"file_name": f"{n}.wav"} for n in range(1001)})
    assert refused(served, sampling="stratified", by="file_name")[:2] == (422, "too_many_strata")


def test_only_who_may_ingest_draws(sap: Served) -> None:
    with sap.as_(sap.token("read")) as reader:
        assert reader.post(PATH, json={"name": "pilot"}).status_code == 403
        assert reader.get(PATH).status_code == 200
