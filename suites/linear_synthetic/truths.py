"""Weights of related tasks, (d, T): each truth in one sentence, and as a draw.

All have the same expected square VARIANCE, so that x w has variance d VARIANCE = 5 with any truth, and methods
differ by what they assume and not by the size of the problem.
"""

import math

import numpy as np

from bench.api import derive_seed

DIMENSION = 30
VARIANCE = 1 / 6  # expected square of a weight
DEVIATION = 0.2 * VARIANCE  # of `mean`: expected square of a weight's deviation from the common one
SUPPORT = 6  # of `sparse`: inputs with a weight
RANK = 2  # of `low_rank` and `outliers`: directions
CENTRES = 3  # of `clustered`
SPREAD = 0.1  # of `clustered`: share of the variance around the centres
OUTLIERS = 0.2  # of `outliers`: share of the tasks
STIFFNESS = 0.05  # of `graph`: added to the Laplacian, which has no inverse

FORMS = {
    "mean": "w_0 + v_t, v_t a fifth of the variance",
    "sparse": f"the same {SUPPORT} inputs",
    "low_rank": f"{RANK} directions",
    "clustered": f"{CENTRES} centres, a tenth of the variance around them",
    "graph": "normal with precision L + 0.05 I over the tasks, L the Laplacian of a ring",
    "outliers": f"{RANK} directions for four tasks of five, weights of their own for the others",
    "unrelated": "independent",
}


def draw_weights(truth: str, tasks: int, seed: int) -> np.ndarray:
    """The weights (DIMENSION, tasks) of `seed`, float64, each with expected square VARIANCE.

    truth: a key of FORMS.
    tasks: T.
    seed: of the run; every truth has a stream of its own.
    """
    generator = np.random.Generator(np.random.PCG64(derive_seed("linear_synthetic", seed, "weights", truth)))

    def normal(*shape: int) -> np.ndarray:
        drawn: np.ndarray = generator.standard_normal(shape)
        return drawn

    def low_rank(columns: int) -> np.ndarray:
        # A sum of RANK products of unit normals has variance RANK.
        product: np.ndarray = normal(DIMENSION, RANK) @ normal(RANK, columns)
        return product / math.sqrt(RANK)

    if truth == "mean":
        share = DEVIATION / VARIANCE
        W = math.sqrt(1 - share) * normal(DIMENSION, 1) + math.sqrt(share) * normal(DIMENSION, tasks)
    elif truth == "sparse":
        W = np.zeros((DIMENSION, tasks))
        # Fewer inputs, larger weights: the expected square over all of them stays.
        W[generator.permutation(DIMENSION)[:SUPPORT]] = math.sqrt(DIMENSION / SUPPORT) * normal(SUPPORT, tasks)
    elif truth == "low_rank":
        W = low_rank(tasks)
    elif truth == "clustered":
        # Dealt out in turn before they are mixed: clusters differ by one task at most.
        centres = normal(DIMENSION, CENTRES)[:, generator.permutation(np.arange(tasks) % CENTRES)]
        W = math.sqrt(1 - SPREAD) * centres + math.sqrt(SPREAD) * normal(DIMENSION, tasks)
    elif truth == "graph":
        ring = np.roll(np.eye(tasks), 1, axis=1)
        covariance = np.linalg.inv(2 * np.eye(tasks) - ring - ring.T + STIFFNESS * np.eye(tasks))
        # Scaled to unit variance: stiffness alone would decide how large the weights are.
        W = normal(DIMENSION, tasks) @ np.linalg.cholesky(covariance / covariance.diagonal().mean()).T
    elif truth == "outliers":
        W, own = low_rank(tasks), generator.permutation(tasks)[: round(OUTLIERS * tasks)]
        W[:, own] = normal(DIMENSION, len(own))
    else:
        W = normal(DIMENSION, tasks)
    scaled: np.ndarray = math.sqrt(VARIANCE) * W
    return scaled
