"""Encoders that people add: what is refused at once, what waits for a worker, and where it is seen."""

from typing import Any

import pytest

from shared.storage import definitions, encoders, model_families
from shared.storage.model_families import KnownFamily
from tests.integration.console.conftest import Served

SPEC = {"layer": "encoder", "pooling": "mean", "window": None, "frames": None, "modality": "text", "revision": "r"}


@pytest.fixture
def known(served: Served) -> Served:
    """Workers have announced two families; of one, they have no library."""
    with served.console.database.begin() as tx:
        model_families.announce(tx, KnownFamily("roberta", "text", "transformers", True, {"base": "a/roberta-base"}))
        model_families.announce(tx, KnownFamily("whisper", "audio", "transformers,whisper", False, {}))
    return served


def add(known: Served, status: int = 202, **body: object) -> Any:
    answer = known.http.post("/v1/encoders", json={"name": "words", "family": "roberta", "model": "base", **body})
    assert answer.status_code == status, answer.text
    return answer.json()["items"] if status == 202 else answer.json()["error"]


def requested(known: Served) -> list[str]:
    with known.console.database.begin() as tx:
        rows = tx.exec_driver_sql("SELECT data ->> 'encoder' FROM event WHERE type LIKE '%%encoder.requested%%'")
        return sorted(row[0] for row in rows)


def settle(known: Served, name: str) -> None:
    """As a worker does."""
    with known.console.database.begin() as tx:
        encoders.announce_encoder(tx, name, f"{name}_1", 4, SPEC)
        definitions.settle(tx, name, "a/roberta-base@0", SPEC)


def test_one_encoder_has_its_name_and_waits_for_a_worker(known: Served) -> None:
    [one] = add(known, layers=["encoder.1"])
    assert (one["name"], one["state"], one["layer"], one["dimension"]) == ("words", "requested", "encoder.1", None)
    assert requested(known) == ["words"]


def test_several_are_named_after_layer_and_pooling(known: Served) -> None:
    made = add(known, layers=["encoder.1", "encoder"], poolings=["mean", "none"], frames="float16")
    assert {one["name"]: one["frames"] for one in made} == {
        "words:encoder.1:mean": None,
        "words:encoder.1:none": "float16",
        "words:encoder:mean": None,
        "words:encoder:none": "float16",
    }
    assert requested(known) == sorted(one["name"] for one in made)
    assert [one["name"] for one in add(known, poolings=["max", "stats"])] == ["words:max", "words:stats"]


def test_the_same_again_is_no_second_request(known: Served) -> None:
    add(known)
    assert [one["state"] for one in add(known)] == ["requested"]
    assert requested(known) == ["words"]


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({"family": "magic"}, "unknown_family", "roberta, whisper"),
        ({"family": "whisper"}, "missing_library", "earmark[transformers]', or 'earmark[whisper]' for a single file"),
        ({"poolings": ["mean", "median"]}, "unknown_pooling", "mean, max, first, last, stats, none"),
        ({"window": "round"}, "unknown_window", "padded, trimmed"),
        ({"poolings": ["none"], "frames": "int8"}, "unknown_frame_type", "float16 or float32"),
        ({"frames": "float16"}, "unknown_frame_type", "'none'"),
        ({"name": "Words"}, "bad_encoder_name", "'Words'"),
        ({"name": "a/b"}, "bad_encoder_name", "'a/b'"),
        ({"model": ""}, "invalid_request", "model"),
        ({"layer": "encoder"}, "invalid_request", "layer"),
    ],
)
def test_what_the_console_can_know_is_refused_at_once_and_nothing_is_written(
    known: Served, body: dict[str, object], code: str, named: str
) -> None:
    error = add(known, 422, **body)
    assert error["code"] == code
    assert named in error["message"]
    assert requested(known) == []
    assert known.http.get("/v1/encoders").json() == []


def test_a_name_stands_for_one_encoder(known: Served) -> None:
    add(known)
    assert [one["layer"] for one in add(known, layers=["encoder.1"])] == ["encoder.1"]  # there is no space of it yet
    settle(known, "words")
    assert add(known, 409, layers=["encoder.2"])["code"] == "encoder_exists"
    with known.console.database.begin() as tx:
        encoders.announce_encoder(tx, "packaged", "packaged_1", 4, SPEC)
    assert add(known, 409, name="packaged")["code"] == "encoder_exists"
    assert add(known, 409, name="ge2e")["code"] == "encoder_exists"  # even while no worker offers it


def test_a_ready_one_is_listed_with_its_space_and_collections_may_name_it(known: Served) -> None:
    add(known)
    settle(known, "words")
    [one] = known.http.get("/v1/encoders").json()
    assert (one["state"], one["family"], one["space"], one["dimension"]) == ("ready", "roberta", "words_1", 4)
    assert one["pinned"] == "a/roberta-base@0"
    assert known.http.get("/v1/encoders/words").json() == one
    with known.console.database.begin() as tx:
        encoders.announce_encoder(tx, "hears", "hears_1", 4, {**SPEC, "name": "hears", "modality": "audio"})
    made = known.http.post("/v1/collections", json={"name": "calls", "encoders": ["hears", "words"], "segmenter": None})
    assert made.status_code == 201, made.text
    assert known.http.post("/v1/encoders/words/checks", json={}).status_code == 202


def test_one_that_is_not_ready_says_why(known: Served) -> None:
    add(known)
    body = {"name": "calls", "encoders": ["words"]}
    assert "a worker reads its model" in known.http.post("/v1/collections", json=body).json()["error"]["message"]
    with known.console.database.begin() as tx:
        definitions.fail(tx, "words", "unknown_layer", "base has no layer 'x'; it has a, b.")
    [one] = known.http.get("/v1/encoders").json()
    assert (one["state"], one["code"], one["dimension"]) == ("failed", "unknown_layer", None)
    for path, json in (("/v1/collections", body), ("/v1/encoders/words/checks", {})):
        error = known.http.post(path, json=json).json()["error"]
        assert (error["code"], "it has a, b" in error["message"]) == ("unknown_encoder", True)
    assert [one["state"] for one in add(known, layers=["a"])] == ["requested"]  # put right, under the same name


def test_an_encoder_that_nobody_knows_is_not_found(known: Served) -> None:
    answer = known.http.get("/v1/encoders/magic")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_encoder")


def test_families_are_shown(known: Served) -> None:
    [roberta, whisper] = known.http.get("/v1/encoder-families").json()
    assert (roberta["name"], roberta["modality"], roberta["installed"]) == ("roberta", "text", True)
    assert roberta["models"] == {"base": "a/roberta-base"}
    assert (whisper["installed"], whisper["extra"]) == (False, "transformers,whisper")


def test_adding_needs_the_scope_ingest(known: Served) -> None:
    body = {"name": "words", "family": "roberta", "model": "base"}
    with known.as_(known.token("read")) as reader:
        assert reader.post("/v1/encoders", json=body).status_code == 403
        assert reader.get("/v1/encoder-families").status_code == 200
