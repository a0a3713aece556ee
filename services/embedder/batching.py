"""Pack clips of many recordings into batches of like length."""

from collections.abc import Sequence


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
