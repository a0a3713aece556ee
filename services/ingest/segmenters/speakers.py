"""How many speakers somebody says there are, as a segmenter takes it."""

from services.ingest.segmenters.protocol import Hints
from shared import speaker_counts


def parse_speakers(text: str) -> Hints:
    """What `N` or `MIN-MAX` says about a recording. Raises UnclearSpeakers."""
    return Hints(*speaker_counts.parse(text))
