"""Clusterings over HTTP: of texts, and of subsets."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from shared.events import ClusteringRequested
from shared.storage import attributes, clustering_members, collections, encoders, method_comparisons
from shared.storage.method_comparisons import Comparison, Counts
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings
from tests.integration.console.test_backfills import events_of

PATH = "/v1/collections/meetings/clusterings"
SUBSETS = "/v1/collections/meetings/subsets"


@pytest.fixture
def texts(served: Served, meetings: Meetings) -> Served:
    with served.console.database.begin() as tx:
        encoders.announce_encoder(tx, "words", "words@1", 4, {"modality": "text"})
        collections.add_encoder(tx, "meetings", "words")
    return served


def drawn(served: Served) -> None:
    asked = served.http.post(SUBSETS, json={"name": "pilot", "max_samples": 1, "partial": True})
    assert asked.status_code == 201, asked.text


def test_an_encoder_of_texts_clusters(texts: Served) -> None:
    assert texts.http.post(PATH, json={"encoder": "words"}).status_code == 202
    assert [event["encoder"] for event in events_of(texts, ClusteringRequested.type)] == ["words"]


def test_the_clusters_of_a_subset_are_shown_page_by_page(served: Served, meetings: Meetings) -> None:
    drawn(served)
    request_id = served.http.post(PATH, json={"subset": "pilot"}).json()["request_id"]
    ids = sorted(meetings.exported)[:3]
    with served.console.database.begin() as tx:
        clustering_members.write(tx, UUID(request_id), ids, np.array([0, 0, -1]), np.array([1.0, 0.5, 0.0]))
    path = f"/v1/clusterings/{request_id}/segments"
    first = served.http.get(path, params={"limit": 2}).json()
    rest = served.http.get(path, params={"after": first["next"]}).json()
    assert [(row["segment_id"], row["cluster"]) for row in first["items"] + rest["items"]] == [
        (str(ids[0]), 0), (str(ids[1]), 0), (str(ids[2]), None),
    ]  # fmt: skip
    assert rest["next"] is None


def test_segments_that_were_not_clustered_are_counted(served: Served, meetings: Meetings) -> None:
    """One of monday's three, or of all six: a recording that lies under no key has one, too."""
    monday = {"name": "monday", "where": ["day=monday"], "partial": True}
    with served.console.database.begin() as tx:
        attributes.put(tx, "meetings", {"meetings/a monday/ü.wav": {"day": "monday"}})
    assert served.http.post(SUBSETS, json=monday).status_code == 201
    for body, without in (({"subset": "monday"}, 2), ({"method": "hdbscan"}, 5)):
        path = f"/v1/clusterings/{served.http.post(PATH, json=body).json()['request_id']}"
        assert served.http.get(path).json()["without_vector"] is None
        with served.console.database.begin() as tx:
            counts = Counts(clusters=1, noise=0)
            method_comparisons.write(tx, UUID(path[-36:]), Comparison(counts, counts, 1, None), {})
        assert served.http.get(path).json()["without_vector"] == without


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"subset": "nobody"}, 404, "unknown_subset"),
        ({"subset": "pilot", "method": "hdbscan", "apply": True}, 422, "subset_stands"),
        ({"subset": "pilot", "encoder": "nobody"}, 422, "unknown_encoder"),
    ],
)
def test_what_cannot_be_clustered_is_refused(
    served: Served, meetings: Meetings, body: dict[str, Any], status: int, code: str
) -> None:
    drawn(served)
    refused = served.http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
