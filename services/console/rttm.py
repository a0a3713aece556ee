"""Segments as RTTM, the turn format of NIST's Rich Transcription evaluations (RT-09 plan, appendix A)."""

import re

_SEPARATOR = re.compile(r"[\s\x00-\x1f\x7f]+")
NO_LABEL = "SPEAKER_00"
"""Who speaks where a recording was never diarized: one voice, as far as anybody knows."""


def line(stem: str, start_s: float, duration_s: float, name: str) -> str:
    """One SPEAKER line: a turn of `name` in the file `stem`, on channel 1."""
    return f"SPEAKER {_field(stem)} 1 {start_s:.3f} {duration_s:.3f} <NA> <NA> {_field(name)} <NA> <NA>\n"


def _field(text: str) -> str:
    """Fields are separated by whitespace and cannot be quoted."""
    return _SEPARATOR.sub("_", text) or "_"
