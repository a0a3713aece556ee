"""How well the stored vectors tell voices apart, by a list of trials."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from services.console import trials
from services.console.api.shapes import Asked, CollectionName, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.scoring.learning import LARGEST_SAMPLE, learn
from shared.storage import calibrations, cohorts, collections, encoders, exports

router = APIRouter(tags=["evaluations"], dependencies=[Depends(Requires("read"))])


class TrialList(Asked):
    """Lines of `1|0 path path`; files are matched to object keys by their last three path parts, extensions aside."""

    encoder: str | None = Field(None, examples=["ge2e"])
    trials: Annotated[str, Field(examples=["1 id1/a/00001.wav id1/b/00002.wav\n0 id1/a/00001.wav id2/c/00001.wav"])]


class Evaluated(Shown):
    """Equal error rate in percent, and minDCF at p_target 0.01 and both costs 1; `missing` trials had no vectors.

    `missing_files` are why: as they are matched, by the last three parts of their paths, without extension.
    """

    eer_percent: float
    min_dcf: float
    trials: int
    missing: int
    missing_files: list[str] = Field(examples=[["id2/c/00001"]])


@router.post("/v1/collections/{collection}/evaluations/trials")
def evaluate(console: ConsoleDep, collection: CollectionName, asked: TrialList) -> Evaluated:
    """Score the trials as identification scores: against the collection, by what its own vectors have in common.

    A file's vector is the mean of its segments' scored vectors. Without labels, and whatever clusters there are.
    """
    listed = trials.parse(asked.trials)
    with console.exports.passed(), console.database.begin() as tx:
        exports.see_as_one(tx)
        found = collections.get(tx, collection)
        encoder = encoders.by_name(tx, asked.encoder or found.encoders[0])
        recordings = trials.match(listed, exports.keys(tx, collection))
        sample = calibrations.sample(tx, collection, encoder, LARGEST_SAMPLE)
        backend = learn(sample.rows, float(encoder.spec["assign_threshold"]))
        sums = cohorts.scored_sums(tx, encoder, sorted(set(recordings.values())), backend.scored)
    vectors = {key: trials.unit(sums[recording]) for key, recording in recordings.items() if recording in sums}
    result = trials.evaluate(listed, vectors)
    return Evaluated(
        eer_percent=100 * result.eer,
        min_dcf=result.min_dcf,
        trials=result.n_trials,
        missing=result.n_missing,
        missing_files=["/".join(key) for key in trials.missing(listed, vectors)],
    )
