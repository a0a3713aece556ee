"""What lies beside recordings and says something of them, by its ending."""

from typing import Final

SIDECARS: Final = frozenset(
    {
        *(".rttm", ".textgrid", ".eaf", ".pfsx", ".stm", ".ctm", ".lab", ".trs", ".srt", ".vtt"),
        *(".txt", ".md", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".html", ".pdf"),
    }
)
"""No format of audio has one of these."""
