"""Prometheus' text format, as a scraper reads it."""

from collections import defaultdict

import httpx
from prometheus_client.parser import text_string_to_metric_families

from shared import metrics

Series = dict[str, dict[tuple[str, ...], float]]
"""By name of the sample and the values of its labels, in the order of the labels' names."""


def parsed(text: str) -> Series:
    found: Series = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


def own() -> Series:
    """What this process has counted."""
    return parsed(metrics.exposition().decode())


def scraped(port: int) -> Series:
    return parsed(httpx.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text)
