"""Weights of biomarkers along the visits, (BIOMARKERS, visits): each truth in one sentence, and as a draw.

All have the same signal: the square of x w_t, summed over biomarkers, is SIGNAL on average over the visits.
"""

import math

import numpy as np

from bench.api import derive_seed

MONTHS = (0, 6, 12, 24, 36, 48)
BIOMARKERS = 60
GROUP = 5  # biomarkers of a group, which lie side by side and enter together
SIGNAL = 2.0  # expected square of x w_t, x ~ N(0, I), on average over the visits
USED = 9  # of `few`: biomarkers with a weight
MEMORY = 36.0  # months: of `smooth` and `few`, weights so far apart have the correlation exp(-1/2)
ENTRIES = (0, 12, 36)  # of `late`: the months at which a group of biomarkers enters

COURSES = {
    "late": f"groups of {GROUP} biomarkers enter at the months 0, 12 and 36, above 0 and constant from there on",
    "few": f"the same {USED} biomarkers of {BIOMARKERS} at all visits, with weights that change smoothly",
    "smooth": "all biomarkers, with weights that change smoothly",
    "unrelated": "all biomarkers, with weights drawn anew for each visit",
}


def draw_courses(truth: str, seed: int) -> np.ndarray:
    """The weights (BIOMARKERS, visits) of `seed`, float64.

    truth: a key of COURSES.
    seed: of the run; every truth has a stream of its own.
    """
    generator = np.random.Generator(np.random.PCG64(derive_seed("progression", seed, "weights", truth)))
    months, shape = np.array(MONTHS, dtype=float), (BIOMARKERS, len(MONTHS))
    if truth == "late":
        W, enters = np.zeros(shape), months >= np.array(ENTRIES)[:, None]  # (groups, visits)
        chosen = generator.permutation(BIOMARKERS // GROUP)[: len(ENTRIES)]
        for group, since in zip(chosen, enters, strict=True):
            heights = np.abs(generator.standard_normal(GROUP))
            W[group * GROUP : (group + 1) * GROUP] = heights[:, None] * since
        expected = GROUP * enters.mean(axis=1).sum()
    elif truth == "unrelated":
        W, expected = generator.standard_normal(shape), BIOMARKERS
    else:
        # A Gaussian process along the months; a little on the diagonal, or rounding would leave no root of it.
        covariance = np.exp(-((months[:, None] - months) ** 2) / (2 * MEMORY**2)) + 1e-6 * np.eye(len(months))
        W = generator.standard_normal(shape) @ np.linalg.cholesky(covariance).T
        expected = BIOMARKERS if truth == "smooth" else USED
        if truth == "few":
            W[generator.permutation(BIOMARKERS)[USED:]] = 0.0
    scaled: np.ndarray = math.sqrt(SIGNAL / expected) * W
    return scaled
