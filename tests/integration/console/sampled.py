"""A corpus in SAP's proportions, and what is drawn of it over HTTP."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from shared import ids
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
