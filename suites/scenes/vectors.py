"""Arithmetic on many vectors (n, 3), column by column: several times as fast as sums over an axis of three."""

import numpy as np


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inner products (n,) of rows (n, 3) with rows (n, 3) or with one vector (3,)."""
    product: np.ndarray = a[:, 0] * b[..., 0] + a[:, 1] * b[..., 1] + a[:, 2] * b[..., 2]
    return product


def combine(shares: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """sum_k shares[:, k] vectors[k]: (n, m), (m, 3) -> (n, 3).

    No matrix product: its threads would wait for each other in processes that share the cores.
    """
    total = np.empty((len(shares), 3), dtype=np.result_type(shares, vectors))
    for axis in range(3):
        total[:, axis] = sum(shares[:, k] * vectors[k, axis] for k in range(len(vectors)))
    return total
