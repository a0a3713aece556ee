"""`earmark collections switch` and `earmark encoders compare` against a real HTTP server."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark

SWITCH = ("collections", "switch", "-c", "talk", "--encoder", "spectral")
COMPARE = ("encoders", "compare", "ge2e", "spectral", "-c", "talk")


def figures(encoder: str, lacking: int) -> dict[str, Any]:
    return {
        "encoder": encoder,
        "lacking": lacking,
        "eer_percent": 1.25,
        "identification": {"segments": 8, "right": 0.75, "wrong": 0.0, "unnamed": 0.25},
        "clustering": {"clusters": 3, "ari": 0.9, "purity": 1.0, "coverage": 0.5},
        "curve": [[1.0, 0.0], [0.1, 0.02], [0.0, 1.0]],
    }


@pytest.fixture
def compared(api: Script) -> Script:
    changes = [{"segment_id": f"s{n}", "now": "Ada", "then": None, "assigned_by": None} for n in range(21)]
    api.comparison = {
        "segments": 12, "labelled": 8, "speakers": 2, "pairs": 28, "pairs_of_one_speaker": 12, "pairs_drawn": False,
        "encoders": [figures("ge2e", 0), figures("spectral", 4)], "naming": "ge2e", "changes": changes,
    }  # fmt: skip
    api.check_result = {"passed": True, "audio_s_per_s": 72.0}
    return api


def test_a_switch_is_asked_for(api: Script, earmark: Earmark) -> None:
    result = earmark(*SWITCH)
    assert (result.status, api.bodies["collections/talk/switches"]) == (0, [{"encoder": "spectral"}])
    assert "spectral will name talk" in result.out


def test_a_switch_is_waited_for_and_says_how_to_take_it_back(earmark: Earmark) -> None:
    result = earmark(*SWITCH, "--wait")
    assert "spectral names talk now; before, ge2e did." in result.out
    assert "earmark labels undo label-9" in result.out


@pytest.mark.parametrize(("state", "code"), [("failed", "nothing_embedded"), ("superseded", "superseded")])
def test_a_switch_that_does_not_come_about_is_a_failure(api: Script, earmark: Earmark, state: str, code: str) -> None:
    api.switch_state = state
    result = earmark(*SWITCH, "--wait", "--json")
    assert (result.status, result.document["error"]["code"]) == (1, code)


def test_a_comparison_is_a_table_with_what_would_change_and_what_lacks(compared: Script, earmark: Earmark) -> None:
    result = earmark(*COMPARE)
    assert compared.bodies["collections/talk/comparisons"] == [{"encoders": ["ge2e", "spectral"]}]
    assert "equal error rate, %" in result.out
    assert "4 labelled segments without a vector of spectral" in result.out
    assert "earmark backfill -c talk --encoder spectral --wait" in result.out
    assert "s19" in result.out
    assert "s20" not in result.out
    assert "1 more" in result.err


def test_a_comparison_is_one_document_with_costs(compared: Script, earmark: Earmark) -> None:
    document = earmark(*COMPARE, "--json").document
    assert [one["cost_s_per_hour"] for one in document["encoders"]] == [50.0, 50.0]
    assert len(document["changes"]) == 21


def test_an_encoder_that_cannot_be_measured_has_no_cost(compared: Script, earmark: Earmark) -> None:
    compared.check_result = {"passed": False, "code": "no_library", "reason": "It is not installed."}
    result = earmark(*COMPARE, "--json")
    assert [one["cost_s_per_hour"] for one in result.document["encoders"]] == [None, None]
    assert "It is not installed." in result.err


def test_document_and_picture_are_written(compared: Script, earmark: Earmark, tmp_path: Path) -> None:
    compared.comparison["encoders"][1]["encoder"] = "a<b"
    shown = earmark(*COMPARE, "--out", str(tmp_path / "a" / "b"), "--json").document
    assert json.loads((tmp_path / "a" / "b" / "comparison.json").read_text()) == shown
    picture = ET.parse(tmp_path / "a" / "b" / "comparison.svg").getroot()
    words = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"EER", "ARI", "ge2e", "a<b"} <= set(words)
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_a_comparison_of_too_little_is_a_failure_with_its_code(api: Script, earmark: Earmark) -> None:
    api.comparison = {"code": "too_few_labels", "reason": "1 speaker."}
    result = earmark(*COMPARE, "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "too_few_labels")
