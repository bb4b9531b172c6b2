"""Sums of paired differences under flips of their signs, exact where that is feasible."""

from collections.abc import Iterator

import numpy as np

EXACT = 20  # seeds up to which all flips are gone through
REPLICATES = 9_999  # random flips beyond; with the observed signs a round number
CHUNK = 11  # seeds whose flips are held in memory at once


def flipped_sums(
    values: np.ndarray, generator: np.random.Generator | None = None, replicates: int = REPLICATES
) -> Iterator[np.ndarray]:
    """Sums over seeds of s_i x_i for flips s in {-1, +1}^n that all rows of `values` [row, seed] share.

    Yields chunks [flip, row]; the very first flip is the observed one, all +1. A flip and its opposite have
    opposite sums, so only those with s_1 = +1 are yielded: all 2^(n-1) up to 20 seeds, beyond that the
    observed one and `replicates` drawn ones. Raises ValueError where drawing has no `generator`.
    """
    if values.shape[1] <= EXACT:
        yield from _yield_all_sums(values.T)
    elif generator is None:
        raise ValueError(f"`generator` should be given for more than {EXACT} seeds. Found {values.shape[1]} seeds.")
    else:
        yield values.sum(axis=1)[None]
        yield from _draw_sums(values.T, generator, replicates)


def _yield_all_sums(seeds: np.ndarray) -> Iterator[np.ndarray]:
    """All flips of [seed, row] but of the first seed, a chunk per flip of the last ones."""
    chunk = seeds[:1].sum(axis=0) + _sum_all_flips(seeds[1 : CHUNK + 1])
    for offset in _sum_all_flips(seeds[CHUNK + 1 :]):
        yield chunk + offset


def _sum_all_flips(seeds: np.ndarray) -> np.ndarray:
    """[2^n, row] sums of [seed, row] under all flips, the one without any first."""
    sums = np.zeros((1, seeds.shape[1]))
    for seed in seeds:
        sums = np.concatenate([sums + seed, sums - seed])
    return sums


def _draw_sums(seeds: np.ndarray, generator: np.random.Generator, replicates: int) -> Iterator[np.ndarray]:
    """Sums [flip, row] of [seed, row] under `replicates` drawn flips, in chunks that fit into memory."""
    for start in range(0, replicates, 2**CHUNK):
        shape = min(2**CHUNK, replicates - start), len(seeds)
        yield generator.choice([-1.0, 1.0], shape) @ seeds
