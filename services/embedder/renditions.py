"""Audio at other rates than 16 kHz: where it lies, what has to be asked for first, and what cannot be had."""

from collections.abc import Callable, Collection, Iterable, Mapping
from uuid import UUID

from services.embedder.asking import Asked
from services.embedder.blobs import AudioGone, RenditionMissing
from shared.errors import EarmarkError
from shared.events import RenditionRequested
from shared.storage import recordings, renditions
from shared.storage.database import Transaction
from shared.storage.recordings import AudioSource
from shared.storage.segments import SegmentSpan
from shared.units import SAMPLE_RATE_HZ, seconds

Sources = Mapping[int, Mapping[UUID, AudioSource]]
"""Where to read recordings from, by sample rate."""


class OriginalGone(AudioGone):
    """No key holds the original any more, from which audio at another rate than 16 kHz is made; put it back."""

    code = "original_gone"


def sources(tx: Transaction, asked: Collection[Asked], rate_of: Callable[[str], int], bucket: str) -> Sources:
    """At 16 kHz every recording, at the other rates that are wanted those that have been made at them."""
    recording_ids = [a.recording_id for a in asked]
    others = {rate_of(name) for a in asked for name in a.encoders} - {0, SAMPLE_RATE_HZ}
    found = {rate_hz: renditions.sources(tx, recording_ids, rate_hz, bucket) for rate_hz in others}
    return {SAMPLE_RATE_HZ: recordings.audio_sources(tx, recording_ids, bucket), **found}


def lacking(
    tx: Transaction, asked: Iterable[Asked], spans: Iterable[SegmentSpan], rate_of: Callable[[str], int], found: Sources
) -> dict[UUID, EarmarkError]:
    """The recordings that have to be rendered before they can be heard, or cannot be, since their original is gone."""
    audible = {span.recording_id for span in spans if span.modality == "audio"}
    missing: dict[UUID, set[int]] = {}
    for a in asked:
        rates_hz = {rate_of(name) for name in a.encoders} - {0}
        if a.recording_id in audible and (not_made := {r for r in rates_hz if a.recording_id not in found[r]}):
            missing.setdefault(a.recording_id, set()).update(not_made)
    originals = renditions.originals(tx, list(missing)) if missing else {}
    return {
        recording_id: RenditionMissing(tuple(sorted(rates_hz))) if recording_id in originals else OriginalGone()
        for recording_id, rates_hz in missing.items()
    }


def requests(error: RenditionMissing, source: AudioSource, collection: str) -> list[RenditionRequested]:
    """What asks ingest for what is missing of a recording, whose audio at 16 kHz is `source`."""
    return [
        RenditionRequested(
            recording_id=source.recording_id,
            collection=collection,
            sample_rate_hz=rate_hz,
            duration_s=seconds(source.n_samples),
        )
        for rate_hz in error.rates_hz
    ]
