"""One file from its first byte to its facts: sniff, check, decode all of it, write the target if one is needed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32

from services.ingest.decode.convert import check_samples
from services.ingest.decode.errors import (
    BadSampleRate,
    Corrupt,
    Expansion,
    TooLong,
    TooManyChannels,
    Truncated,
    ZeroLength,
)
from services.ingest.decode.facts import DecodedFacts
from services.ingest.decode.headers.dispatch import read_promise
from services.ingest.decode.headers.promise import Promise
from services.ingest.decode.limits import (
    EXPANSION_GRACE_S,
    MAX_CHANNELS,
    MAX_SAMPLE_RATE_HZ,
    MIN_SAMPLE_RATE_HZ,
    DecodeLimits,
)
from services.ingest.decode.pcm import PcmSource, Undecided, open_pcm
from services.ingest.decode.source import SourceFile
from services.ingest.decode.target import write_target
from services.ingest.sniff import Container, Sniffed, sniff_file
from shared.units import SAMPLE_RATE_HZ

_Block = Float32[np.ndarray, "frames channels"]


@dataclass(slots=True)
class _Progress:
    """How much of a file has been decoded, at its own rate."""

    n_frames: int = 0
    n_sounding: int = 0  # in blocks that are not digital silence


def decode_file(source: Path, target: Path, limits: DecodeLimits, rate_hz: int = SAMPLE_RATE_HZ) -> DecodedFacts:
    """Decode a whole file and write it to `target` as mono FLAC at a rate; the facts are measured on that.

    Memory does not grow with the duration. Raises the RejectedInput subclasses of `errors`, and OSError where the
    source cannot be read or the target not be written.
    """
    with SourceFile(source) as handle:
        size = handle.size
        sniffed = sniff_file(handle)
        promise = read_promise(sniffed.container, handle, sniffed.start, size)
        _check_promise(promise, limits)
        job = _Job(source, handle, size, sniffed, promise, limits, rate_hz)
        try:
            return job.run(target)
        except Undecided:
            return replace(job, promise=promise.for_a_judge()).run(target)


@dataclass(frozen=True, slots=True)
class _Job:
    source: Path
    handle: BinaryIO
    size: int
    sniffed: Sniffed
    promise: Promise
    limits: DecodeLimits
    rate_hz: int

    def run(self, target: Path) -> DecodedFacts:
        try:
            facts, chosen = self._pass(target, None)
        except Corrupt:
            if self.sniffed.container is not Container.FLAC or self.promise.duration_s is None:
                raise
            raise self._flac_damage(self.promise.duration_s) from None
        if chosen is None:
            return facts
        facts, _ = self._pass(target, chosen)  # rare enough that decoding twice beats analysing every stereo file first
        return replace(facts, notes=(*facts.notes, "phase_cancelling_downmix"))

    def _flac_damage(self, promised_s: float) -> Corrupt | Truncated:
        """Tell a FLAC file that was cut off from one damaged within: libsndfile reports both as one error."""
        from services.ingest.decode.pcm_av import flac_extent

        extent = flac_extent(self.handle)
        if extent.hole_s is not None:
            return Corrupt(f"The FLAC frames break off at {extent.hole_s:.2f} s and go on later.")
        return Truncated(f"The header promises {promised_s:.2f} s; {extent.end_s:.2f} s can be decoded.")

    def _pass(self, target: Path, chosen: int | None) -> tuple[DecodedFacts, int | None]:
        """Decode once; with the facts comes the channel to take instead, if the mean turned out to cancel."""
        progress = _Progress()
        with closing(open_pcm(self.source, self.handle, self.sniffed.container, self.promise)) as pcm:
            blocks: Iterator[_Block] = self._checked(pcm, progress)
            first = next(blocks, None)  # settles rate and channels
            if first is None:
                raise ZeroLength
            written = write_target(chain([first], blocks), pcm, target, chosen, self.rate_hz)
            self._check_whole(pcm, progress)
            damaged = ("damaged_packets",) if pcm.n_damaged else ()
            loudness = written.loudness
            facts = DecodedFacts(
                container=self.sniffed.container.value,
                codec=pcm.codec,
                original_sample_rate_hz=pcm.sample_rate_hz,
                original_channels=pcm.channels,
                n_samples=loudness.n_samples,
                duration_s=loudness.n_samples / self.rate_hz,
                peak=loudness.peak,
                rms_db=loudness.rms_db,
                notes=(*self.promise.notes, *damaged, *written.notes),
            )
        if facts.n_samples == 0:
            original_hz = facts.original_sample_rate_hz
            raise ZeroLength(f"{progress.n_frames} samples at {original_hz} Hz make none at {self.rate_hz} Hz.")
        return facts, written.louder_channel

    def _checked(self, pcm: PcmSource, progress: _Progress) -> Iterator[_Block]:
        """The blocks of a source, each checked before it is used, and the file's limits with it."""
        for block in pcm.blocks():
            _check_shape(pcm.sample_rate_hz, pcm.channels)
            check_samples(block)
            progress.n_frames += len(block)
            progress.n_sounding += len(block) if block.any() else 0
            self._check_limits(pcm, progress)
            yield block

    def _check_limits(self, pcm: PcmSource, progress: _Progress) -> None:
        decoded_s = progress.n_frames / pcm.sample_rate_hz
        if decoded_s > self.limits.max_decoded_s:
            raise TooLong(f"It goes on after {decoded_s:,.0f} s.")
        # Digital silence packs to next to nothing: a muted hour is no bomb, and costs as little again when stored.
        expansion = 2 * progress.n_sounding * pcm.channels / self.size
        if decoded_s > EXPANSION_GRACE_S and expansion > self.limits.max_expansion:
            raise Expansion(f"{self.size:,} bytes make more than {decoded_s:,.0f} s of audio.")

    def _check_whole(self, pcm: PcmSource, progress: _Progress) -> None:
        promised_s = self.promise.duration_s
        decoded_s = progress.n_frames / pcm.sample_rate_hz
        if promised_s is None or promised_s - decoded_s <= self.promise.tolerance_s:
            return
        kind = Corrupt if self.promise.complete else Truncated
        raise kind(f"The header promises {promised_s:.2f} s; {decoded_s:.2f} s can be decoded.")


def _check_promise(promise: Promise, limits: DecodeLimits) -> None:
    """Refuse by the header alone what no decoding can mend."""
    if promise.sample_rate_hz is not None and promise.channels is not None:
        _check_shape(promise.sample_rate_hz, promise.channels)
    if promise.missing:
        raise Truncated(promise.missing)
    if promise.duration_s is not None and promise.duration_s > limits.max_decoded_s:
        raise TooLong(f"The header promises {promise.duration_s:,.0f} s.")


def _check_shape(sample_rate_hz: int, channels: int) -> None:
    if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise BadSampleRate(f"The header says {sample_rate_hz:,} Hz.")
    if channels > MAX_CHANNELS:
        raise TooManyChannels(f"The header says {channels:,} channels.")
    if channels < 1:
        raise Corrupt("The header says 0 channels.")
