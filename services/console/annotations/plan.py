"""What an import would say of the segments of a collection, and what it could not place. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.console.annotations.mapping import Segment, TooManySpeakers, map_turns
from services.console.annotations.naming import Found, Recordings
from services.console.annotations.turns import FileTurns, Turn

MAX_SPEAKERS = 10_000
"""In one import."""


@dataclass(frozen=True, slots=True)
class Known:
    """A segment of the collection, and who speaks in it as far as is known, in samples."""

    segment_id: UUID
    recording_id: UUID
    start_sample: int
    end_sample: int
    speaker: str | None
    said: bool
    """Whether people gave that name to this very segment, themselves or by an import."""
    by_person: bool = False
    """Whether a person did so by their own word, which is stronger than an import."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Some turns and the recordings that they may be of: one, or none known, or several if it is not clear."""

    file: str
    turns: tuple[Turn, ...]
    found: tuple[Found, ...]

    @property
    def recording_id(self) -> UUID | None:
        """The recording, if it is clear which."""
        return self.found[0].recording_id if len(self.found) == 1 else None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be said: every segment of the recordings that were found is in `words` or one of `unchanged`, `mixed`
    and `uncovered`.
    """

    words: dict[UUID, str]
    left_alone: frozenset[UUID]
    """Of those in `words`: a person has said otherwise, so that they keep their name."""
    unchanged: tuple[UUID, ...]
    """Named as they are already: by people, or by whatever else if an id names them."""
    mixed: tuple[UUID, ...]
    uncovered: tuple[UUID, ...]
    unknown_segments: tuple[UUID, ...]
    """Ids that no segment of the collection has."""
    n_turns_without_segment: int

    def speakers(self) -> Counter[str]:
        """How many segments each speaker would get."""
        return Counter(name for segment_id, name in self.words.items() if segment_id not in self.left_alone)


def place(files: Iterable[FileTurns], recordings: Recordings) -> list[Placed]:
    """Find the recording of each file; a file that names segments by their ids alone needs none."""
    placed = []
    for file in files:
        timed = tuple(turn for turn in file.turns if turn.segment_id is None)
        if timed:
            found = recordings.find(file.file) or (recordings.find(file.also) if file.also else [])
            placed.append(Placed(file.file, timed, tuple(found)))
    return placed


def named_by_id(files: Iterable[FileTurns]) -> dict[UUID, set[str]]:
    """The segments that files name by their ids, and by which names."""
    named: defaultdict[UUID, set[str]] = defaultdict(set)
    for file in files:
        for turn in file.turns:
            if turn.segment_id and turn.speaker:
                named[turn.segment_id].add(turn.speaker)
    return dict(named)


@dataclass(slots=True)
class _Draft:
    words: dict[UUID, str] = field(default_factory=dict)
    unchanged: set[UUID] = field(default_factory=set)
    mixed: set[UUID] = field(default_factory=set)
    uncovered: set[UUID] = field(default_factory=set)
    n_lost: int = 0


def plan(placed: Sequence[Placed], by_id: Mapping[UUID, set[str]], segments: Iterable[Known]) -> Plan:
    """Map turns onto segments by time; what names a segment by its id counts more.

    `segments` are all of the recordings that were found, and those that are named by id. Raises TooManySpeakers.
    """
    known = {segment.segment_id: segment for segment in segments}
    draft = _Draft()
    _by_time(draft, placed, known)
    for segment_id, names in by_id.items():
        if segment_id in known:
            _by_id(draft, known[segment_id], names)
    if len(set(draft.words.values())) > MAX_SPEAKERS:
        raise TooManySpeakers(f"More than {MAX_SPEAKERS} speakers in one import.")
    return Plan(
        words=draft.words,
        left_alone=frozenset(s for s in draft.words if known[s].by_person),
        unchanged=tuple(sorted(draft.unchanged)),
        mixed=tuple(sorted(draft.mixed)),
        uncovered=tuple(sorted(draft.uncovered)),
        unknown_segments=tuple(sorted(by_id.keys() - known.keys())),
        n_turns_without_segment=draft.n_lost,
    )


def _by_time(draft: _Draft, placed: Iterable[Placed], known: Mapping[UUID, Known]) -> None:
    """An import that comes again says nothing new."""
    turns: defaultdict[UUID, list[Turn]] = defaultdict(list)
    for file in placed:
        if file.recording_id:
            turns[file.recording_id] += file.turns
    segments: defaultdict[UUID, list[Segment]] = defaultdict(list)
    for segment in known.values():
        spans = segments[segment.recording_id]
        spans.append(Segment(segment.segment_id, segment.start_sample, segment.end_sample))
    for recording_id, theirs in turns.items():
        mapped = map_turns(segments[recording_id], theirs)
        for segment_id, speaker in mapped.words:
            if known[segment_id].said and known[segment_id].speaker == speaker:
                draft.unchanged.add(segment_id)
            else:
                draft.words[segment_id] = speaker
        draft.mixed |= set(mapped.mixed)
        draft.uncovered |= set(mapped.uncovered)
        draft.n_lost += mapped.n_turns_without_segment


def _by_id(draft: _Draft, segment: Known, names: set[str]) -> None:
    """An export that comes back says most names as they are: that is no new word, and makes no guess a fact."""
    segment_id = segment.segment_id
    draft.words.pop(segment_id, None)
    draft.unchanged.discard(segment_id)
    draft.mixed.discard(segment_id)
    draft.uncovered.discard(segment_id)
    if len(names) > 1:
        draft.mixed.add(segment_id)
    elif segment.speaker in names:
        draft.unchanged.add(segment_id)
    else:
        draft.words[segment_id] = next(iter(names))
