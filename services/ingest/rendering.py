"""Make recordings' audio at other rates than 16 kHz, out of their originals; say of which that cannot be done."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from services.ingest.cutting import AudioGone
from services.ingest.decode.errors import DecodeMemory, DecoderCrashed, DecodeTimeout
from services.ingest.decoded import rendition_key
from services.ingest.ports import Ingest
from shared.errors import EarmarkError, PermanentError
from shared.events import RenditionRequested
from shared.ledger.consumer import Delivered
from shared.storage import renditions
from shared.storage.database import Database, Transaction
from shared.storage.objects import ObjectGone
from shared.storage.recordings import AudioSource
from shared.storage.renditions import Failure, Rendition


class RenderingAbandoned(PermanentError):
    """Whoever made the recording's audio at another rate died of it, again and again; its last error says of what."""

    code = "rendering_abandoned"


class RenderingFailed(EarmarkError):
    """The decoder gave up, perhaps for what else the machine does; each attempt counts, the last one is final."""

    # Neither transient, for it may be the file's fault, nor permanent, for then the first attempt would be the last.
    code = "rendering_failed"


_PERHAPS_THE_MACHINES: Final = (DecodeTimeout, DecodeMemory, DecoderCrashed)  # of a file that was decoded once


@dataclass(slots=True)
class Renderings:
    """What became of the recordings that were asked for; those whose original lies elsewhere now are `gone`."""

    made: list[Rendition] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    gone: dict[Delivered, AudioSource] = field(default_factory=dict)
    deferred: dict[Delivered, EarmarkError] = field(default_factory=dict)


def render_all(wanted: dict[Delivered, RenditionRequested], database: Database, ingest: Ingest) -> Renderings:
    """Make what is wanted and not there; nothing that was made is written down yet."""
    found = Renderings()
    for rate_hz in sorted({event.sample_rate_hz for event in wanted.values()}):
        # Of several that ask for the same, the last one stands for all.
        asked = {event.recording_id: d for d, event in wanted.items() if event.sample_rate_hz == rate_hz}
        with database.begin() as tx:
            known = renditions.sources(tx, list(asked), rate_hz, ingest.settings.s3.derived_bucket)
            originals = renditions.originals(tx, list(asked))
        there, lost = _looked_at(known.values(), ingest)
        if lost:
            with database.begin() as tx:
                renditions.lose(tx, lost, rate_hz)
        for recording_id in originals.keys() - there:
            _answer_beforehand(asked[recording_id], recording_id, rate_hz, database, ingest)
            _render(asked[recording_id], originals[recording_id], rate_hz, ingest, found)
    return found


def take_back(tx: Transaction, wanted: Mapping[Delivered, RenditionRequested], found: Renderings) -> None:
    """What was answered beforehand, of those that are tried again after all."""
    for delivered in found.deferred.keys() | found.gone.keys():
        event = wanted[delivered]
        renditions.try_again(tx, [event.recording_id], event.sample_rate_hz)


def _answer_beforehand(
    delivered: Delivered, recording_id: UUID, rate_hz: int, database: Database, ingest: Ingest
) -> None:
    """Before the last attempt: should this process die of it too, nobody is left to tell who waits."""
    if _is_last(delivered, ingest):
        why = RenderingAbandoned()
        with database.begin() as tx:
            renditions.fail(tx, [Failure(recording_id, rate_hz, why.code, why.sentence())])


def _is_last(delivered: Delivered, ingest: Ingest) -> bool:
    return delivered.claim.attempt >= ingest.settings.ledger.attempts_before_dead


def _render(delivered: Delivered, original: AudioSource, rate_hz: int, ingest: Ingest, found: Renderings) -> None:
    try:
        found.made.append(render(original, rate_hz, ingest))
    except AudioGone:
        found.gone[delivered] = original
    except PermanentError as error:
        if isinstance(error, _PERHAPS_THE_MACHINES) and not _is_last(delivered, ingest):
            found.deferred[delivered] = RenderingFailed(f"{error.code}: {error.sentence()}")
        else:
            found.failed.append(Failure(original.recording_id, rate_hz, error.code, error.sentence()))
    except EarmarkError as error:
        found.deferred[delivered] = error


def render(original: AudioSource, rate_hz: int, ingest: Ingest) -> Rendition:
    """Decode the original again, up to the rate if need be, and store what it makes.

    Raises AudioGone if the object no longer holds these bytes, and what the decoder and the object store raise.
    """
    assert original.key is not None
    with tempfile.TemporaryDirectory(dir=ingest.scratch) as folder:
        path, target = Path(folder) / "original", Path(folder) / "rendition.flac"
        try:
            fetched = ingest.objects.fetch(original.bucket, original.key, path)
        except ObjectGone as error:
            raise AudioGone from error
        if fetched.sha256 != original.sha256:
            raise AudioGone
        facts = ingest.decoder.decode(path, target, rate_hz)
        key = rendition_key(original.sha256, rate_hz)
        ingest.objects.put_file(ingest.settings.s3.derived_bucket, key, target, "audio/flac")
    return Rendition(original.recording_id, rate_hz, key, facts.n_samples)


def _looked_at(made: Iterable[AudioSource], ingest: Ingest) -> tuple[set[UUID], dict[UUID, str]]:
    """The recordings whose rendition has its bytes, and the keys of those whose has not."""
    bucket = ingest.settings.s3.derived_bucket
    keys = {one.recording_id: one.key for one in made if one.key is not None}
    lost = {recording_id: key for recording_id, key in keys.items() if not ingest.objects.exists(bucket, key)}
    return keys.keys() - lost.keys(), lost
