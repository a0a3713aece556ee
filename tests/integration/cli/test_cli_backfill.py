"""`earmark backfill` and `earmark split` against a real HTTP server."""

import pytest

from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark


def test_a_backfill_is_asked_for(api: Script, earmark: Earmark) -> None:
    result = earmark("backfill", "-c", "talk", "--encoder", "spectral", "--json")
    assert (result.status, result.document["backfill_id"], result.document["added"]) == (0, "backfill-1", False)
    assert api.bodies["collections/talk/backfills"] == [{"encoder": "spectral", "everything": False, "subset": None}]
    assert result.err == ""


def test_all_of_it_can_be_asked_for(api: Script, earmark: Earmark) -> None:
    earmark("backfill", "-c", "talk", "--encoder", "spectral", "--all")
    assert api.bodies["collections/talk/backfills"][0]["everything"] is True


def test_a_backfill_is_waited_for(earmark: Earmark) -> None:
    result = earmark("backfill", "-c", "new", "--encoder", "spectral", "--wait", "--json")
    assert result.document == {"state": "done", "wanted": 9, "done": 9, "added": True}
    assert "also embeds what comes into new" in result.err


def test_waiting_for_a_backfill_ends_at_the_timeout(earmark: Earmark) -> None:
    result = earmark("backfill", "-c", "talk", "--encoder", "spectral", "--wait", "--timeout", 0, "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "timeout")


@pytest.mark.parametrize("words", [("backfill", "-c", "talk"), ("split", "s1"), ("split", "--at", "1")])
def test_what_must_be_named_must_be_named(earmark: Earmark, words: tuple[str, ...]) -> None:
    assert earmark(*words).status == 2


def test_a_split_shows_the_parts(api: Script, earmark: Earmark) -> None:
    result = earmark("split", "s1", "--at", 2.5, "--at", 4)
    assert (result.status, api.bodies["segments/s1/split"]) == (0, [{"at_s": [2.5, 4.0]}])
    assert all(part in result.out for part in ("s1-0", "s1-1", "s1-2", "2.5"))


def test_a_split_is_one_json_document(earmark: Earmark) -> None:
    document = earmark("split", "s1", "--at", 2.5, "--json").document
    assert document["removed"] == "s1"
    assert [part["end_s"] for part in document["parts"]] == [2.5, 9.0]
