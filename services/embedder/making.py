"""Make vectors of the segments of a message: read each recording once, and give it to every encoder that wants it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.embedder.asking import Asked
from services.embedder.layered import LayerEncoder
from services.embedder.outcome import Outcome
from services.embedder.ports import Embedder
from services.embedder.reading import Clip, NoClip, clips, portions
from services.embedder.together import Row, embed_inputs
from shared.encoders.clips import Unusable
from shared.encoders.families import Input
from shared.encoders.protocol import Encoder, EncoderSpec
from shared.errors import EarmarkError, PermanentError
from shared.storage.recordings import AudioSource
from shared.storage.segments import SegmentSpan
from shared.units import samples

BATCHES_IN_MEMORY = 4  # clips of so many batches are read before they are sorted by length


@dataclass(slots=True)
class Made:
    """What each encoder made of its segments; recordings that cannot be read now, and encoders that cannot be built."""

    outcomes: dict[str, Outcome]
    unread: dict[UUID, EarmarkError] = field(default_factory=dict)
    broken: dict[str, EarmarkError] = field(default_factory=dict)


def make(
    spans: Sequence[SegmentSpan],
    sources: Mapping[int, Mapping[UUID, AudioSource]],
    asked: Iterable[Asked],
    unheard: Mapping[int, Mapping[UUID, Unusable]],
    embedder: Embedder,
) -> Made:
    """Vectors of the spans, which are sorted by recording and start; `sources` and `unheard` are by sample rate."""
    wanted: dict[str, set[UUID]] = {}
    for a in asked:
        for name in a.encoders:
            wanted.setdefault(name, set()).update(a.segment_ids)
    made = Made({name: Outcome() for name in wanted})
    specs = {name: embedder.spec(name) for name in wanted}
    _refuse_others(spans, specs, wanted, made)
    _refuse_unheard(spans, unheard, specs, wanted, made)
    for rate_hz in sorted({spec.sample_rate_hz for spec in specs.values()}):
        names = [name for name, spec in specs.items() if spec.sample_rate_hz == rate_hz]
        if rate_hz:
            heard = [span for span in spans if span.recording_id not in unheard.get(rate_hz, {})]
            _hear(heard, sources[rate_hz], {name: wanted[name] for name in names}, rate_hz, embedder, made)
        else:
            _read(spans, {name: wanted[name] for name in names}, embedder, made)
    return made


def _refuse_others(
    spans: Sequence[SegmentSpan], specs: Mapping[str, EncoderSpec], wanted: Mapping[str, set[UUID]], made: Made
) -> None:
    """A caption has no sound of its own, and speech that nobody wrote down no text."""
    reasons: dict[str, Unusable] = {"audio": "of_text", "text": "no_text"}
    for name, spec in specs.items():
        for span in spans:
            if span.segment_id in wanted[name] and not _suits(span, spec):
                made.outcomes[name].refuse(span.segment_id, reasons[spec.modality])


def _refuse_unheard(
    spans: Sequence[SegmentSpan],
    unheard: Mapping[int, Mapping[UUID, Unusable]],
    specs: Mapping[str, EncoderSpec],
    wanted: Mapping[str, set[UUID]],
    made: Made,
) -> None:
    """What cannot be had at an encoder's rate has no vector of it."""
    for name, spec in specs.items():
        reasons = unheard.get(spec.sample_rate_hz, {})
        for span in spans:
            if span.modality == "audio" and span.segment_id in wanted[name] and span.recording_id in reasons:
                made.outcomes[name].refuse(span.segment_id, reasons[span.recording_id])


def _suits(span: SegmentSpan, spec: EncoderSpec) -> bool:
    return span.modality == "audio" if spec.modality == "audio" else bool(span.text and span.text.strip())


def _hear(
    spans: Sequence[SegmentSpan],
    sources: Mapping[UUID, AudioSource],
    wanted: Mapping[str, set[UUID]],
    rate_hz: int,
    embedder: Embedder,
    made: Made,
) -> None:
    """Encoders of audio, all of one rate."""
    anybodys = set().union(*wanted.values())
    audible = [span for span in spans if span.modality == "audio" and span.segment_id in anybodys]
    most_samples = samples(BATCHES_IN_MEMORY * embedder.settings.embedder.batch_audio_s, rate_hz)
    for portion in portions(clips(audible, sources, embedder, rate_hz), most_samples):
        made.unread |= {one.span.recording_id: one.error for one in portion if isinstance(one, NoClip)}
        heard = [Piece(one.span.segment_id, one.samples, one.is_last) for one in portion if isinstance(one, Clip)]
        _embed(heard, wanted, embedder, made)
    embedder.blobs.shrink()


def _read(spans: Sequence[SegmentSpan], wanted: Mapping[str, set[UUID]], embedder: Embedder, made: Made) -> None:
    """Encoders of texts."""
    readable = [Piece(span.segment_id, span.text, is_last=True) for span in spans if span.text and span.text.strip()]
    _embed(readable, wanted, embedder, made)


@dataclass(frozen=True, slots=True)
class Piece:
    """What an encoder is given of a segment: its text, its sound, or a stretch of a long one's."""

    segment_id: UUID
    content: Input
    is_last: bool


def _embed(pieces: Sequence[Piece], wanted: Mapping[str, set[UUID]], embedder: Embedder, made: Made) -> None:
    """All encoders that want the same pieces at once, since layers of one model share its pass."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for name, segment_ids in wanted.items():
        positions = tuple(i for i, one in enumerate(pieces) if one.segment_id in segment_ids)
        alike.setdefault(positions, []).append(name)
    for positions, names in alike.items():
        encoders = _built(names, embedder, made) if positions else {}
        if not encoders:
            continue
        mine = [pieces[i] for i in positions]
        results = embed_inputs(encoders, [one.content for one in mine], embedder.settings.embedder.batch_audio_s)
        for name, encoder in encoders.items():
            made.outcomes[name].made_with = _made_with(encoder, len(mine), embedder)
            for one, result in zip(mine, results[name], strict=True):
                _note(made.outcomes[name], one, result, embedder, encoder.spec)


def _built(names: Sequence[str], embedder: Embedder, made: Made) -> dict[str, Encoder]:
    """The encoders that can be built: one whose weights are gone or changed costs the others nothing."""
    found: dict[str, Encoder] = {}
    for name in names:
        try:
            found[name] = embedder.encoder(name)
        except PermanentError as error:
            made.broken[name] = error
    return found


def _made_with(encoder: Encoder, n_inputs: int, embedder: Embedder) -> str:
    """What is recorded beside vectors: on what they were made, in which numbers, how many at once at most."""
    of_model = encoder.model.made_with if isinstance(encoder, LayerEncoder) else None
    facts = of_model or {"device": embedder.settings.embedder.device, "dtype": "float32"}
    return " ".join(f"{name}={value.replace(' ', '_')}" for name, value in {**facts, "batch": str(n_inputs)}.items())


def _note(outcome: Outcome, one: Piece, result: Row | Unusable, embedder: Embedder, spec: EncoderSpec) -> None:
    if isinstance(result, Row):
        outcome.add(one.segment_id, result.vector, len(one.content))
        if result.frames is not None and spec.frames is not None:
            outcome.keep(one.segment_id, embedder.frames.add(spec, one.segment_id, result.frames, last=one.is_last))
        return
    outcome.refuse(one.segment_id, result)
    if spec.frames is not None and one.is_last:
        outcome.keep(one.segment_id, embedder.frames.end(spec, one.segment_id))
