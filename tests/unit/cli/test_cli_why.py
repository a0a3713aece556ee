"""What `earmark labels why` says of a name that followed from a cluster."""

from typing import Any

import pytest

from services.launcher.cli.why import told

WORD = {"label_id": "l", "operation": "assign", "actor": "ann", "said_at": "noon", "speaker": "Ada", "segment_id": "t"}
ADA, BEA = {"speaker": "Ada", "segments": 2}, {"speaker": "Bea", "segments": 1}


def why(named: list[dict[str, Any]], on_cluster: str | None = None) -> dict[str, Any]:
    return {
        "segment_id": "s",
        "speaker": "Ada",
        "assigned_by": "cluster",
        "confidence": 0.9,
        "because": {**WORD, "cluster_id": on_cluster},
        "cluster": {"cluster_id": "c", "segments": 4, "cohesion": 0.8, "probability": 0.9, "named": named},
        "enrolment": None,
        "rejected": [],
    }


@pytest.mark.parametrize(
    ("explained", "expected"),
    [
        (why([ADA]), "Segment s is Ada, as its cluster is (90 %)."),
        (why([ADA, BEA], "c"), "Segment s is Ada, as its cluster is (90 %)."),
        (why([ADA, BEA]), "Segment s is Ada, for it is nearest to them of its cluster's voices (90 %)."),
    ],
)
def test_a_name_from_a_cluster_says_whether_the_cluster_has_it(explained: dict[str, Any], expected: str) -> None:
    assert next(told(explained)) == expected


def test_several_who_were_named_in_a_cluster_are_told() -> None:
    assert "People named several speakers in it, in so many segments: Ada (2), Bea (1)." in list(told(why([ADA, BEA])))
