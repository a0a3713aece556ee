"""One list of metrics: what the code counts, what the page says and what alerts ask for is all on it."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from shared import metrics

ROOT = Path(__file__).parents[2]
CODE = {path: path.read_text() for top in ("shared", "services") for path in ROOT.glob(f"{top}/**/*.py")}
PAGE = (ROOT / "docs" / "metrics.md").read_text()
WHAT_TO_DO = (ROOT / "docs" / "operations.md").read_text()
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "earmark.rules.yml").read_text())["groups"]
ROW = re.compile(r"^\| `(earmark_\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
USED = re.compile(r"""(?:metrics\.(?:count|observe|put)|Sample)\(\s*"(earmark_\w+)\"""")
ALERTS = [rule for group in RULES for rule in group["rules"]]


def test_every_metric_is_described_and_every_description_is_one_of_a_metric():
    assert set(metrics.SPECS) == metrics.names()


def test_every_name_is_used_and_every_used_name_is_on_the_list():
    used = {name for text in CODE.values() for name in USED.findall(text)}
    assert used == metrics.names()


def test_the_page_has_a_row_for_each_in_the_order_of_the_code():
    assert [row[0] for row in ROW.findall(PAGE)] == list(metrics.SPECS)


def test_the_page_names_the_labels_of_each():
    told = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, _, labels, _ in ROW.findall(PAGE)}
    assert told == {name: spec.labels for name, spec in metrics.SPECS.items()}


def test_names_are_as_prometheus_asks_for():
    """https://prometheus.io/docs/practices/naming: a prefix, base units, `_total` for what only grows."""
    for name in metrics.names():
        assert re.fullmatch(r"earmark(_[a-z]+)+", name), name
        assert name.endswith("_total") == (name in get_args(metrics.CounterName)), name
        assert not re.search(r"_(ms|minutes|mib|kb)$", name), name


def test_histograms_have_steps_and_nothing_else_has():
    assert {name for name, spec in metrics.SPECS.items() if spec.steps} == set(get_args(metrics.HistogramName))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_there_are_by_labels_that_they_have(rule: dict):
    asked = re.findall(r"(earmark_\w+)(?:\{([^}]*)\})?", rule["expr"])
    assert asked or "up{" in rule["expr"]
    for sample, selectors in asked:
        name = sample if sample in metrics.names() else re.sub(r"_(sum|count|bucket)$", "", sample)
        assert name in metrics.names(), sample
        labels = {part.split("=")[0].strip("!~ ") for part in selectors.split(",") if part}
        assert labels <= set(metrics.SPECS[name].labels), sample  # type: ignore[index]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_can_be_read_and_leads_to_the_page(rule: dict):
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["expr"].count("(") == rule["expr"].count(")")
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert f"`{rule['alert']}`" in WHAT_TO_DO
