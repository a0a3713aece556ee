"""Pack clips of many recordings into batches of like length, and bring each vector back to its clip."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from shared.encoders.clips import Unusable, why_unusable
from shared.encoders.protocol import Encoder
from shared.units import samples


def pack(clip_samples: Sequence[int], budget_samples: int) -> list[list[int]]:
    """Positions of the clips, batch by batch, the longest first; each position occurs once.

    Neighbours in length share a batch, since some encoders pad a batch to its longest clip and the padding is work
    for nothing (and moves the vectors of some). A batch counts as padded: its clips times the longest of them stays
    within the budget, except where a single clip alone exceeds it. The longest go first, so that a device that runs
    out of memory does so at once.
    """
    batches: list[list[int]] = []
    longest = 0
    for position in sorted(range(len(clip_samples)), key=lambda i: (-clip_samples[i], i)):
        if batches and (len(batches[-1]) + 1) * longest <= budget_samples:
            batches[-1].append(position)
        else:
            batches.append([position])
            longest = clip_samples[position]
    return batches


def embed_clips(
    encoder: Encoder, clips: Sequence[Float32[np.ndarray, " _samples"]], batch_audio_s: float
) -> list[Float32[np.ndarray, " _dim"] | Unusable]:
    """A unit vector for each clip, or the reason why it has none, in the order of the clips.

    An unusable clip costs nobody else's vector. Raises what the encoder raises, which then concerns the whole batch.
    """
    outcomes: list[Float32[np.ndarray, " _dim"] | Unusable | None] = [why_unusable(clip) for clip in clips]
    usable = [position for position, reason in enumerate(outcomes) if reason is None]
    budget_samples = samples(batch_audio_s, encoder.spec.sample_rate_hz)
    for batch in pack([clips[position].size for position in usable], budget_samples):
        positions = [usable[i] for i in batch]
        rows = encoder.embed([clips[position] for position in positions])
        for position, row in zip(positions, rows, strict=True):
            outcomes[position] = row
    return [outcome for outcome in outcomes if outcome is not None]
