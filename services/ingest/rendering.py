"""Make recordings' audio at other rates than 16 kHz, out of their originals."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from services.ingest.cutting import AudioGone
from services.ingest.ports import Ingest
from services.ingest.registering import DECODING
from shared.storage.objects import ObjectGone
from shared.storage.recordings import AudioSource
from shared.storage.renditions import Rendition


def render(original: AudioSource, rate_hz: int, ingest: Ingest) -> Rendition:
    """Decode the original again, up to the rate if need be, and store what it makes.

    Raises AudioGone if the object no longer holds these bytes, and what the decoder and the object store raise.
    """
    assert original.bucket is not None
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
        key = f"renditions/{DECODING}/{rate_hz}/{original.sha256[:2]}/{original.sha256}.flac"
        ingest.objects.put_file(ingest.settings.s3.derived_bucket, key, target, "audio/flac")
    return Rendition(original.recording_id, rate_hz, key, facts.n_samples)


def still_there(made: Iterable[AudioSource], ingest: Ingest) -> set[UUID]:
    """The recordings whose rendition has its bytes."""
    bucket = ingest.settings.s3.derived_bucket
    return {one.recording_id for one in made if one.key is not None and ingest.objects.exists(bucket, one.key)}
