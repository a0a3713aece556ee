"""A comparison of two encoders as SVG: bars for what is a share, and their detection error trade-off curves.

The axes of the curves are normal deviates: Martin and others, "The DET curve in assessment of detection task
performance" (Eurospeech 1997).
"""

from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist
from typing import Final
from xml.sax.saxutils import escape

from services.launcher.cli.client import Document

_WIDTH, _HEIGHT = 900, 360
_TOP, _SIDE = 60, 260  # where both panels begin, and how high and wide the square one is
_BARS_LEFT, _BARS_WIDTH = 50, 470
_CURVES_LEFT = 600
_COLOURS: Final = ("#3b6fb6", "#d9822b")
_RATES: Final = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6)
_BARS: dict[str, Callable[[Document], float]] = {
    "EER": lambda one: one["eer_percent"] / 100,
    "right": lambda one: one["identification"]["right"],
    "wrong": lambda one: one["identification"]["wrong"],
    "unnamed": lambda one: one["identification"]["unnamed"],
    "ARI": lambda one: one["clustering"]["ari"],
    "purity": lambda one: one["clustering"]["purity"],
    "coverage": lambda one: one["clustering"]["coverage"],
}


def picture(document: Document) -> str:
    """The SVG of what `earmark encoders compare` found, without any reference to another file."""
    encoders = document["encoders"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        '<g font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_legend(document["collection"], encoders),
        *_bars(encoders),
        *_curves(encoders),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ccc"/>'


def _legend(collection: str, encoders: Sequence[Document]) -> Iterator[str]:
    yield _text(_BARS_LEFT, 20, collection, "start")
    for number, one in enumerate(encoders):
        x = _BARS_LEFT + 220 * number
        yield f'<rect x="{x}" y="30" width="12" height="12" fill="{_COLOURS[number]}"/>'
        yield _text(x + 18, 41, one["encoder"], "start")


def _bars(encoders: Sequence[Document]) -> Iterator[str]:
    """A group for each share, a bar for each encoder; what is below zero has none."""
    for share in (0.0, 0.5, 1.0):
        y = _TOP + _SIDE * (1 - share)
        yield _line(_BARS_LEFT, y, _BARS_LEFT + _BARS_WIDTH, y)
        yield _text(_BARS_LEFT - 6, y + 4, f"{share:g}", "end")
    step = _BARS_WIDTH / len(_BARS)
    for place, (label, share_of) in enumerate(_BARS.items()):
        middle = _BARS_LEFT + step * (place + 0.5)
        yield _text(middle, _TOP + _SIDE + 18, label)
        for number, one in enumerate(encoders):
            share = share_of(one)
            height, x = _SIDE * max(0.0, share), middle + 24 * (number - 1)
            y = _TOP + _SIDE - height
            yield f'<rect x="{x:.1f}" y="{y:.1f}" width="22" height="{height:.1f}" fill="{_COLOURS[number]}"/>'
            yield f'<g font-size="9">{_text(x + 11, y - 3, f"{share:.2f}")}</g>'


def _along(rate: float) -> float:
    """Where a rate lies on an axis, 0 to 1."""
    deviates = NormalDist()
    lowest, highest = (deviates.inv_cdf(r) for r in (_RATES[0], _RATES[-1]))
    clipped = min(max(rate, _RATES[0]), _RATES[-1])
    return (deviates.inv_cdf(clipped) - lowest) / (highest - lowest)


def _curves(encoders: Sequence[Document]) -> Iterator[str]:
    for rate in _RATES:
        x, y = _CURVES_LEFT + _SIDE * _along(rate), _TOP + _SIDE * (1 - _along(rate))
        yield _line(x, _TOP, x, _TOP + _SIDE)
        yield _line(_CURVES_LEFT, y, _CURVES_LEFT + _SIDE, y)
        yield _text(x, _TOP + _SIDE + 18, f"{100 * rate:g}")
        yield _text(_CURVES_LEFT - 6, y + 4, f"{100 * rate:g}", "end")
    yield _text(_CURVES_LEFT + _SIDE / 2, _TOP + _SIDE + 34, "false alarms, %")
    yield _text(_CURVES_LEFT + _SIDE / 2, _TOP - 8, "misses, %, at each rate of false alarms")
    for number, one in enumerate(encoders):
        points = " ".join(
            f"{_CURVES_LEFT + _SIDE * _along(alarm):.1f},{_TOP + _SIDE * (1 - _along(miss)):.1f}"
            for alarm, miss in one["curve"]
        )
        yield f'<polyline points="{points}" fill="none" stroke="{_COLOURS[number]}" stroke-width="2"/>'
