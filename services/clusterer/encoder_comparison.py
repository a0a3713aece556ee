"""Compare two encoders on what people have said of a collection. Changes nothing.

Both are judged on the same segments, those with a vector in either space; each with a back-end and a calibration of its
own, learned for the occasion from these vectors and labels, as identification would learn them. Clusters are found
without looking at the labels that they are compared with.
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
from services.clusterer.hearing import LABELLED_MOST, Ear
from services.clusterer.identification.answer import NOBODY
from services.clusterer.identification.fitting import Labelled
from services.clusterer.identification.leave_one_out import left_out
from services.clusterer.identification.pairs import pairs_of
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
    durations_s: Float64[np.ndarray, " rows"]
    labelled: Int64[np.ndarray, " labelled"]
    speakers: Int64[np.ndarray, " labelled"]  # numbered from 0 on
    rows: tuple[Float32[np.ndarray, "rows _"], ...]  # of each encoder
    lacking: tuple[int, ...]


def compare(database: Database, collection: str, names: Sequence[str], settings: ClustererSettings) -> dict[str, Any]:
    """The comparison as it is kept and shown. Raises TooFewLabels, NothingEmbedded."""
    with database.begin() as tx:
        spaces = [encoders.by_name(tx, name) for name in names]
        shared = _read(tx, collection, spaces)
    _check(shared, collection, names)
    pairs = pairs_of(len(shared.labelled), np.random.default_rng(SEED))
    targets = pairs.targets(shared.speakers)
    figures = []
    for number, space in enumerate(spaces):
        ear, labelled = _ear(shared, number, space, settings)
        rates = error_rates(pairs.scores(labelled.rows), targets)
        figures.append(
            Figures(
                encoder=space.name,
                lacking=shared.lacking[number],
                eer_percent=100 * equal_error_rate(rates),
                identification=_identified(labelled, ear),
                clustering=_clustered(shared, number, space),
                curve=_curve(rates),
            )
        )
    naming, changes = _changes(database, collection, names[1], settings)
    return {
        "segments": len(shared.segment_ids),
        "labelled": len(shared.labelled),
        "speakers": len(set(shared.speakers.tolist())),
        "pairs": len(targets),
        "pairs_of_one_speaker": int(targets.sum()),
        "pairs_drawn": pairs.drawn,
        "encoders": [asdict(one) for one in figures],
        "naming": naming,
        "changes": changes,
    }


def _read(tx: Transaction, collection: str, spaces: Sequence[StoredEncoder]) -> _Shared:
    vectors = [embeddings.of_collection(tx, space, collection) for space in spaces]
    row_of = [{s: row for row, s in enumerate(one.segment_ids())} for one in vectors]
    common = sorted(set(row_of[0]).intersection(*row_of[1:]))
    said = labels.said_by_people(tx, collection, LABELLED_MOST)
    labelled = [row for row, s in enumerate(common) if s in said]
    numbers = {p: n for n, p in enumerate(sorted({said[common[row]] for row in labelled}))}
    return _Shared(
        segment_ids=common,
        durations_s=segments.durations_s(tx, common),
        labelled=np.array(labelled, np.int64),
        speakers=np.array([numbers[said[common[row]]] for row in labelled], np.int64),
        rows=tuple(one.rows[[rows[s] for s in common]] for one, rows in zip(vectors, row_of, strict=True)),
        lacking=tuple(sum(s not in rows for s in said) for rows in row_of),
    )


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


def _ear(shared: _Shared, number: int, space: StoredEncoder, settings: ClustererSettings) -> tuple[Ear, Labelled]:
    rows, mine = shared.rows[number], shared.labelled

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


def _clustered(shared: _Shared, number: int, space: StoredEncoder) -> Clusters:
    from sklearn.metrics import adjusted_rand_score

    anchor = Anchor(float(space.spec["assign_threshold"]), float(space.spec["min_duration_s"]))
    found = cluster(shared.rows[number], shared.durations_s, anchor).labels
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
