"""Audio at other rates than 16 kHz: where it lies, what has to be asked for first, and what cannot be had."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from services.embedder.asking import Asked
from services.embedder.blobs import RenditionMissing
from shared.encoders.clips import Unusable
from shared.errors import EarmarkError
from shared.events import RenditionRequested
from shared.storage import recordings, renditions
from shared.storage.database import Transaction
from shared.storage.recordings import AudioSource
from shared.storage.segments import SegmentSpan
from shared.units import SAMPLE_RATE_HZ, seconds

Sources = Mapping[int, Mapping[UUID, AudioSource]]
"""Where to read recordings from, by sample rate."""


@dataclass(slots=True)
class Lacking:
    """Recordings that have to be rendered before they can be heard, and by rate those that cannot be, with why."""

    to_make: dict[UUID, EarmarkError] = field(default_factory=dict)
    unheard: dict[int, dict[UUID, Unusable]] = field(default_factory=dict)

    @property
    def gone(self) -> set[UUID]:
        """Of the latter those whose original lies under no key any more."""
        reasons = (one for of_rate in self.unheard.values() for one in of_rate.items())
        return {recording_id for recording_id, why in reasons if why == "original_gone"}


def sources(tx: Transaction, asked: Collection[Asked], rate_of: Callable[[str], int], bucket: str) -> Sources:
    """At 16 kHz every recording, at the other rates that are wanted those that have been made at them."""
    recording_ids = [a.recording_id for a in asked]
    others = {rate_of(name) for a in asked for name in a.encoders} - {0, SAMPLE_RATE_HZ}
    found = {rate_hz: renditions.sources(tx, recording_ids, rate_hz, bucket) for rate_hz in others}
    return {SAMPLE_RATE_HZ: recordings.audio_sources(tx, recording_ids, bucket), **found}


def lacking(
    tx: Transaction, asked: Iterable[Asked], spans: Iterable[SegmentSpan], rate_of: Callable[[str], int], found: Sources
) -> Lacking:
    """What is not there at the rates that are wanted."""
    audible = {span.recording_id for span in spans if span.modality == "audio"}
    missing: dict[int, set[UUID]] = {}
    for a in asked:
        for rate_hz in {rate_of(name) for name in a.encoders} - {0}:
            if a.recording_id in audible and a.recording_id not in found[rate_hz]:
                missing.setdefault(rate_hz, set()).add(a.recording_id)
    result = Lacking()
    to_make: dict[UUID, list[int]] = {}
    for rate_hz, recording_ids in sorted(missing.items()):
        failed = renditions.failed(tx, list(recording_ids), rate_hz)
        originals = renditions.originals(tx, list(recording_ids - failed))
        result.unheard[rate_hz] = {
            r: "not_rendered" if r in failed else "original_gone" for r in recording_ids - originals.keys()
        }
        for recording_id in originals:
            to_make.setdefault(recording_id, []).append(rate_hz)
    result.to_make = {recording_id: RenditionMissing(tuple(rates_hz)) for recording_id, rates_hz in to_make.items()}
    return result


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
