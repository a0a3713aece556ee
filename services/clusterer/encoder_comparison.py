"""Compare two encoders on what people have said of a collection. Changes nothing.

Both are judged on the same segments, those with a vector in either space; each with a back-end and a calibration of its
own, learned for the occasion from these vectors and labels, as identification would learn them. Clusters are found
without looking at the labels that they are compared with. Only one encoder's vectors are in memory at a time, and of
very many segments a fair draw is taken.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from jaxtyping import Float32, Float64, Int64

from services.clusterer import hearing, switching
from services.clusterer.clustering.cluster import cluster
from services.clusterer.clustering.groups import with_singles
from services.clusterer.clustering.types import NOISE, Anchor
from services.clusterer.generations import SegmentsGone
from services.clusterer.hearing import LABELLED_MOST, Ear
from services.clusterer.identification.answer import NOBODY
from services.clusterer.identification.fitting import Labelled
from services.clusterer.identification.leave_one_out import left_out
from services.clusterer.identification.pairs import Pairs, pairs_of
from services.clusterer.naming import ACTOR
from services.clusterer.spaces import space_of
from shared.errors import PermanentError
from shared.scoring.backend import Backend
from shared.scoring.learning import LARGEST_SAMPLE
from shared.scoring.verification import ErrorRates, equal_error_rate, error_rates
from shared.settings import ClustererSettings
from shared.storage import embeddings, encoder_comparisons, encoders, labels, segments
from shared.storage.database import Database, Transaction
from shared.storage.encoders import StoredEncoder
from shared.wording import counted

SEED: Final = 0  # of the draw of pairs: the same labels have the same figures whenever they are asked for
CURVE_POINTS: Final = 200
LOWEST_RATE: Final = 1e-3  # where the picture begins
FEWEST_SPEAKERS: Final = 2
MOST_SEGMENTS: Final = 100_000
"""Of more than so many the first ids are clustered, which are hashes: 1.6 GB at 1024 numbers each."""
READ_AT_ONCE: Final = 10_000  # segments


class TooFewLabels(PermanentError):
    """To compare encoders, name two segments each of two speakers at least, and have both encoders embed them."""

    code = "too_few_labels"


@dataclass(frozen=True, slots=True)
class Identification:
    """What became of labelled segments that were asked about without their own label; shares of `segments`."""

    segments: int
    right: float
    wrong: float
    unnamed: float


@dataclass(frozen=True, slots=True)
class Clusters:
    """The clusters of all segments, against the labels of the labelled ones; noise counts as clusters of one."""

    clusters: int
    ari: float  # adjusted Rand index (Hubert and Arabie 1985)
    purity: float  # of what is in clusters
    coverage: float  # the share that is in clusters


@dataclass(frozen=True, slots=True)
class Figures:
    """How one encoder does. `lacking` labelled segments have no vector in its space, and count for neither encoder."""

    encoder: str
    lacking: int
    eer_percent: float
    identification: Identification
    clustering: Clusters
    curve: tuple[tuple[float, float], ...]  # (false alarm, miss) from threshold to threshold


@dataclass(frozen=True, slots=True)
class _Shared:
    """What both encoders are judged on: row i of all is `segment_ids[i]`; `labelled` are the rows that people named."""

    segment_ids: list[UUID]
    n_segments: int  # of which these were drawn
    durations_s: Float64[np.ndarray, " rows"]
    labelled: Int64[np.ndarray, " labelled"]
    speakers: Int64[np.ndarray, " labelled"]  # numbered from 0 on
    lacking: tuple[int, ...]  # of each encoder


def compare(database: Database, collection: str, names: Sequence[str], settings: ClustererSettings) -> dict[str, Any]:
    """The comparison as it is kept and shown. Raises TooFewLabels, NothingEmbedded."""
    with database.begin() as tx:
        spaces = [encoders.by_name(tx, name) for name in names]
        shared = _shared(tx, collection, spaces)
    _check(shared, collection, names)
    pairs = pairs_of(len(shared.labelled), np.random.default_rng(SEED))
    targets = pairs.targets(shared.speakers)
    figures = [
        _figures(shared, pairs, lacking, space, _rows(database, space, shared.segment_ids), settings)
        for space, lacking in zip(spaces, shared.lacking, strict=True)
    ]
    naming, changes = _changes(database, collection, names[1], settings)
    return {
        "segments": shared.n_segments,
        "clustered": len(shared.segment_ids),
        "labelled": len(shared.labelled),
        "speakers": len(set(shared.speakers.tolist())),
        "pairs": len(targets),
        "pairs_of_one_speaker": int(targets.sum()),
        "pairs_drawn": pairs.drawn,
        "encoders": [asdict(one) for one in figures],
        "naming": naming,
        "changes": changes,
    }


def _shared(tx: Transaction, collection: str, spaces: Sequence[StoredEncoder]) -> _Shared:
    said = labels.said_by_people(tx, collection, LABELLED_MOST)
    heard = [set(embeddings.of_segments(tx, space, list(said)).segment_ids()) for space in spaces]
    named = heard[0].intersection(*heard[1:])
    drawn, n_segments = embeddings.in_both(tx, spaces[0], spaces[1], collection, MOST_SEGMENTS)
    segment_ids = sorted(named.union(drawn))
    labelled = [row for row, s in enumerate(segment_ids) if s in named]
    numbers = {p: n for n, p in enumerate(sorted({said[s] for s in named}))}
    return _Shared(
        segment_ids=segment_ids,
        n_segments=n_segments,
        durations_s=segments.durations_s(tx, segment_ids),
        labelled=np.array(labelled, np.int64),
        speakers=np.array([numbers[said[segment_ids[row]]] for row in labelled], np.int64),
        lacking=tuple(len(said) - len(one) for one in heard),
    )


def _rows(database: Database, space: StoredEncoder, segment_ids: list[UUID]) -> Float32[np.ndarray, "rows dim"]:
    """The vectors, in the order of the ids, which are sorted. Raises SegmentsGone."""
    rows = np.empty((len(segment_ids), space.dimension), np.float32)
    with database.begin() as tx:
        for begin in range(0, len(segment_ids), READ_AT_ONCE):
            wanted = segment_ids[begin : begin + READ_AT_ONCE]
            found = embeddings.of_segments(tx, space, wanted)
            if len(found.rows) < len(wanted):
                raise SegmentsGone
            rows[begin : begin + len(wanted)] = found.rows
    return rows


def _check(shared: _Shared, collection: str, names: Sequence[str]) -> None:
    """Raises TooFewLabels."""
    n_speakers = int((np.bincount(shared.speakers) > 1).sum())
    if n_speakers < FEWEST_SPEAKERS:
        told = f"{counted(n_speakers, 'speaker')} with two labelled segments that have a vector of both."
        for name, lacking in zip(names, shared.lacking, strict=True):
            if lacking:
                command = f"`earmark backfill -c {collection} --encoder {name} --wait`"
                told += f" {counted(lacking, 'labelled segment')} without one of {name}: {command}."
        raise TooFewLabels(told)


def _figures(
    shared: _Shared,
    pairs: Pairs,
    lacking: int,
    space: StoredEncoder,
    rows: Float32[np.ndarray, "rows dim"],
    settings: ClustererSettings,
) -> Figures:
    ear, labelled = _ear(shared, space, rows, settings)
    rates = error_rates(pairs.scores(labelled.rows), pairs.targets(shared.speakers))
    return Figures(
        encoder=space.name,
        lacking=lacking,
        eer_percent=100 * equal_error_rate(rates),
        identification=_identified(labelled, ear),
        clustering=_clustered(shared, space, rows),
        curve=_curve(rates),
    )


def _ear(
    shared: _Shared, space: StoredEncoder, rows: Float32[np.ndarray, "rows dim"], settings: ClustererSettings
) -> tuple[Ear, Labelled]:
    mine = shared.labelled

    def labelled(backend: Backend) -> Labelled:
        return Labelled(backend.scored(rows[mine]), shared.durations_s[mine], shared.speakers)

    # Segment ids are hashes, and sorted: the first ones are a fair draw.
    ear = hearing.fitted(rows[:LARGEST_SAMPLE], labelled, space, settings)
    return ear, labelled(ear.backend)


def _curve(rates: ErrorRates) -> tuple[tuple[float, float], ...]:
    """Thresholds evenly along the curve, as it is drawn: in normal deviates."""
    from scipy.special import ndtri

    both = np.stack([rates.false_alarm, rates.miss])
    steps = np.abs(np.diff(ndtri(both.clip(LOWEST_RATE, 1 - LOWEST_RATE)))).sum(axis=0)
    along = np.concatenate([[0.0], steps.cumsum()])
    shown = np.unique(np.searchsorted(along, np.linspace(0, along[-1], CURVE_POINTS)))
    return tuple((float(alarm), float(miss)) for alarm, miss in both[:, shown].T)


def _identified(labelled: Labelled, ear: Ear) -> Identification:
    asked, named = left_out(labelled, ear.calibration)
    right, unnamed = named == labelled.speakers[asked], named == NOBODY
    shares = (float(found.mean()) for found in (right, ~right & ~unnamed, unnamed))
    return Identification(len(asked), *shares)


def _clustered(shared: _Shared, space: StoredEncoder, rows: Float32[np.ndarray, "rows dim"]) -> Clusters:
    from sklearn.metrics import adjusted_rand_score

    anchor = Anchor(float(space.spec["assign_threshold"]), float(space.spec["min_duration_s"]))
    found = cluster(rows, shared.durations_s, anchor).labels
    mine = found[shared.labelled]
    inside = mine != NOISE
    pure = sum(max(Counter(shared.speakers[mine == n].tolist()).values()) for n in np.unique(mine[inside]))
    return Clusters(
        clusters=int(found.max(initial=NOISE)) + 1,
        ari=float(adjusted_rand_score(shared.speakers, with_singles(mine))),
        purity=pure / max(1, int(inside.sum())),
        coverage=float(inside.mean()),
    )


def _changes(
    database: Database, collection: str, encoder: str, settings: ClustererSettings
) -> tuple[str, list[dict[str, Any]]]:
    """The encoder that names now, and each segment that would have another name if `encoder` did: done, and undone."""
    found = switching.prepare(database, collection, encoder)
    with database.begin() as tx:
        labels.lock_names(tx, collection)
        naming = space_of(tx, collection).encoder.name
        if naming == encoder:
            return naming, []
        before = encoder_comparisons.names(tx, collection)
        tried = tx.begin_nested()
        entry = labels.append(tx, collection, "switch", ACTOR)
        switching.turn(tx, collection, encoder, found, entry, settings)
        after = encoder_comparisons.names(tx, collection)
        tried.rollback()
    nobody = (None, None)
    return naming, [
        {"segment_id": str(s), "now": before.get(s, nobody)[0], "then": after.get(s, nobody)[0]}
        | {"assigned_by": after.get(s, nobody)[1]}
        for s in sorted(before.keys() | after.keys())
        if before.get(s, nobody)[0] != after.get(s, nobody)[0]
    ]
