"""One story with the command: name, look before, take back, reject, part, unite, forget; the log tells all of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import FullStack, until

pytestmark = pytest.mark.slow
COLLECTION = "names"


@pytest.fixture(scope="module")
def stack(full_stack: FullStack, demo_audio: Path) -> FullStack:
    call(full_stack, "ingest", demo_audio, "-c", COLLECTION, "--wait", "--timeout", "120")
    call(full_stack, "cluster", "-c", COLLECTION, "--wait")
    return full_stack


def call(stack: FullStack, *words: object, check: bool = True) -> Any:
    """The command, with what it prints."""
    return json.loads(stack.earmark(*map(str, words), "--json", check=check).stdout)


def rows(stack: FullStack, kind: str) -> list[dict[str, Any]]:
    """A listing of the collection, by the API: the command takes a second to start."""
    with stack.api() as api:
        found: list[dict[str, Any]] = api.get(f"/v1/collections/{COLLECTION}/{kind}?limit=1000").json()["items"]
    return found


def names(stack: FullStack) -> dict[str, tuple[str, str]]:
    return {r["segment_id"]: (r["speaker"], r["assigned_by"]) for r in rows(stack, "segments") if r["speaker"]}


def clusters(stack: FullStack) -> list[dict[str, Any]]:
    return rows(stack, "clusters")


def members(stack: FullStack, cluster_id: str) -> list[str]:
    return [row["segment_id"] for row in rows(stack, "segments") if row["cluster_id"] == cluster_id]


def label(stack: FullStack, **said: object) -> str:
    return _spread(stack, "labels", said)


def reject(stack: FullStack, **said: object) -> str:
    return _spread(stack, "rejections", said)


def undo(stack: FullStack, label_id: str) -> str:
    return _spread(stack, f"labels/{label_id}/undo", {})


def _spread(stack: FullStack, path: str, body: dict[str, object]) -> str:
    with stack.api() as api:
        label_id = str(api.post(f"/v1/{path}", json=body).raise_for_status().json()["label_id"])
        until(lambda: api.get(f"/v1/labels/{label_id}").json()["state"] == "propagated")
    return label_id


def test_a_cluster_shows_why_to_trust_it(stack: FullStack) -> None:
    for cluster in clusters(stack):
        assert cluster["trust"]["margin"] > 0
        assert cluster["trust"]["stability"] > 0.75
        assert set(cluster["trust"]["exemplars"]) <= set(members(stack, cluster["cluster_id"]))


def test_next_asks_about_the_largest_voice_first(stack: FullStack) -> None:
    largest = max(clusters(stack), key=lambda cluster: cluster["segments"])
    first = call(stack, "next", "-c", COLLECTION)[0]
    assert first["cluster_id"] == largest["cluster_id"]
    assert first["reason"] == f"names {largest['segments']} segments of an unnamed cluster"


def test_clusters_keep_their_ids_when_they_are_found_again(stack: FullStack) -> None:
    before = {c["cluster_id"]: c["segments"] for c in clusters(stack)}
    call(stack, "cluster", "-c", COLLECTION, "--wait")
    assert {c["cluster_id"]: c["segments"] for c in clusters(stack)} == before


def test_what_is_taken_back_was_never_said(stack: FullStack) -> None:
    largest, second = (c["cluster_id"] for c in clusters(stack)[:2])
    before = names(stack)
    start = datetime.now(UTC).isoformat()
    label_id = label(stack, cluster_id=largest, speaker="Ada")
    named = names(stack)
    assert {s for s, (name, _) in named.items() if name == "Ada"} >= set(members(stack, largest))
    other = label(stack, segment_id=members(stack, second)[0], speaker="Bea")
    again = undo(stack, label_id)
    assert "Ada" not in {name for name, _ in names(stack).values()}
    assert {row["segment_id"] for row in call(stack, "labels", "as-of", start, "-c", COLLECTION)} == set(before)
    undo(stack, other)
    assert names(stack) == before
    undo(stack, again)
    assert names(stack) == named
    undo(stack, label_id)
    assert names(stack) == before
    assert call(stack, "labels", "undo", label_id, check=False)["error"]["code"] == "already_undone"


def test_a_clustering_is_taken_back_and_brought_again(stack: FullStack) -> None:
    first, second = members(stack, clusters(stack)[0]["cluster_id"])[:2]
    said = [label(stack, segment_id=first, speaker="Ann"), label(stack, segment_id=second, speaker="Ben")]
    before = clusters(stack), rows(stack, "segments")
    call(stack, "cluster", "-c", COLLECTION, "--wait")
    after = clusters(stack), rows(stack, "segments")
    assert after != before
    *_, older, newest = (r["label_id"] for r in rows(stack, "labels") if r["operation"] == "cluster")
    assert call(stack, "labels", "undo", older, check=False)["error"]["code"] == "newer_clustering"
    taken = call(stack, "labels", "undo", newest, "--wait")
    assert (clusters(stack), rows(stack, "segments")) == before
    assert call(stack, "labels", "undo", older, check=False)["error"]["code"] == "not_kept"
    undo(stack, taken["label_id"])
    assert (clusters(stack), rows(stack, "segments")) == after
    for label_id in said:
        undo(stack, label_id)
    call(stack, "cluster", "-c", COLLECTION, "--wait")


def test_why_leads_to_what_a_person_said(stack: FullStack) -> None:
    largest = clusters(stack)[0]["cluster_id"]
    first, *others = members(stack, largest)
    label_id = label(stack, segment_id=first, speaker="Ada")
    why = call(stack, "labels", "why", others[0])
    assert (why["speaker"], why["assigned_by"]) == ("Ada", "cluster")
    assert (why["because"]["label_id"], why["because"]["segment_id"]) == (label_id, first)
    assert why["cluster"]["cluster_id"] == largest
    assert [change["speaker"] for change in why["history"]][-1] == "Ada"
    told = stack.earmark("labels", "why", others[0]).stdout
    assert "is Ada, as its cluster is" in told
    undo(stack, label_id)


def test_a_rejected_segment_is_never_given_to_that_speaker(stack: FullStack) -> None:
    largest = clusters(stack)[0]["cluster_id"]
    inside = members(stack, largest)
    rejected, named = inside[-1], inside[0]
    label_id = label(stack, segment_id=named, speaker="Ada")
    rejection = reject(stack, segment_id=rejected, speaker="Ada")
    assert names(stack).get(rejected, ("",))[0] != "Ada"
    call(stack, "cluster", "-c", COLLECTION, "--wait")
    assert names(stack).get(rejected, ("",))[0] != "Ada"
    assert call(stack, "labels", "why", rejected)["rejected"] == ["Ada"]
    undo(stack, rejection)
    undo(stack, label_id)


def test_a_label_can_be_looked_at_before_it_is_given(stack: FullStack) -> None:
    call(stack, "cluster", "-c", COLLECTION, "--wait")
    before = names(stack)
    largest = clusters(stack)[0]["cluster_id"]
    review = call(stack, "label", "--cluster", largest, "Eve", "--review")
    assert names(stack) == before
    assert {c["segment_id"] for c in review["changes"]} >= set(members(stack, largest))
    left_out = review["changes"][0]["segment_id"]
    done = call(stack, "review", "apply", review["review_id"], "--except", left_out, "--wait")
    foreseen = {c["segment_id"] for c in review["changes"]} - {left_out}
    assert {s for s, (name, _) in names(stack).items() if name == "Eve"} <= foreseen
    assert names(stack).get(left_out, ("",))[0] != "Eve"
    undo(stack, done["label_id"])


def test_speakers_are_united_parted_and_forgotten(stack: FullStack) -> None:
    one, two = (members(stack, c["cluster_id"]) for c in clusters(stack)[:2])
    label(stack, segment_id=one[0], speaker="Kim")
    label(stack, segment_id=two[0], speaker="Kimberly")
    merged = call(stack, "speakers", "merge", "Kim", "Kimberly", "--wait")["label_id"]
    assert names(stack)[two[0]][0] == "Kim"
    kim = next(row for row in call(stack, "speakers", "list") if row["name"] == "Kim")
    assert kim["also"] == ["Kimberly"]
    undo(stack, merged)
    assert names(stack)[two[0]][0] == "Kimberly"
    call(stack, "speakers", "split", "Kim", "Jo", "--segment", one[1], "--wait")
    assert names(stack)[one[1]] == ("Jo", "human")
    receipt = call(stack, "speakers", "erase", "Kimberly")
    assert receipt["erased"]["speakers"] == 1
    assert receipt["erased"]["vectors"] >= 1
    stack.idle()
    left = {row["segment_id"] for row in rows(stack, "segments")}
    assert two[0] not in left
    assert one[0] in left
    log = rows(stack, "labels")
    assert "Kimberly" not in json.dumps(log)
    assert call(stack, "speakers", "merge", "Kim", "Kimberly", check=False)["error"]["code"] == "unknown_speaker"
