"""When the runs are looked at, and how much error each look may spend: a sequential design that holds its level.

Seeds are added in rounds until an answer is there. Whoever tests after every round at 5 % errs far more often than in
5 %. So there are a few looks, fixed beforehand, and each has its share of the level.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from leaderboard.analysis.statistics import LEAST_SEEDS, LEVEL


@dataclass(frozen=True)
class Looks:
    """The number of seeds at each look, ascending, and the level `alpha` that all looks together hold.

        alpha_k = alpha n_k / sum_j n_j

    The shares sum to alpha, so that by Bonferroni the probability of a false finding at any look is at most alpha,
    whatever the earlier looks led to. Late looks, which see most, have the larger shares.
    """

    seeds: tuple[int, ...]
    alpha: float = 1 - LEVEL

    @classmethod
    def up_to(cls, most: int, alpha: float = 1 - LEVEL) -> "Looks":
        """Looks at a quarter, at half and at all of `most` seeds, at three seeds at least.

        Raises ValueError below three seeds, which have no interval.
        """
        if most < LEAST_SEEDS:
            raise ValueError(f"`seeds` should be {LEAST_SEEDS} or more. Found `seeds = {most}`.")
        parts = {max(LEAST_SEEDS, math.ceil(most * share)) for share in (0.25, 0.5, 1.0)}
        return cls(tuple(sorted(parts)), alpha)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """(seeds, share of the level) of each look."""
        total = sum(self.seeds)
        return iter([(seeds, self.alpha * seeds / total) for seeds in self.seeds])

    @property
    def shares(self) -> tuple[float, ...]:
        """The level of each look."""
        return tuple(share for _, share in self)
