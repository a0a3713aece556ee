"""The likeliest sequence of voices through a region's windows (Viterbi 1967). Pure numpy."""

import numpy as np
from jaxtyping import Float, Int


def likeliest_path(scores: Float[np.ndarray, "steps voices"], switch_cost: float) -> Int[np.ndarray, " steps"]:
    """One voice a step, such that the sum of the scores less the cost of all switches is largest.

    Ties go to staying, then to the lower number.
    """
    best = scores[0].astype(np.float64)
    came_from = np.empty(scores.shape, np.int64)
    for step, score in enumerate(scores):
        if step == 0:
            continue
        leader = int(np.argmax(best))
        stays = best >= best[leader] - switch_cost
        came_from[step] = np.where(stays, np.arange(len(best)), leader)
        best = np.where(stays, best, best[leader] - switch_cost) + score
    path = np.empty(len(scores), np.int64)
    path[-1] = int(np.argmax(best))
    for step in range(len(scores) - 1, 0, -1):
        path[step - 1] = came_from[step, path[step]]
    return path
