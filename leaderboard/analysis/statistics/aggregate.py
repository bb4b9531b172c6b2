"""What stands for many runs and tasks at once. Scores are higher is better; `changes.gains` makes such a scale."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.analysis.statistics.cells import Cells
from leaderboard.analysis.statistics.changes import gains
from leaderboard.analysis.statistics.intervals import LEVEL, Interval, interval


@dataclass(frozen=True)
class WorstTask:
    """The task in which a method gains least, and the mean of that gain, log(reference error / error)."""

    task: str
    gain: Interval


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of the middle half of all numbers, NaNs left out; NaN where there are none.

        of N numbers in order, floor(N / 4) are dropped at each end

    Agarwal et al. (2021), Deep Reinforcement Learning at the Edge of the Statistical Precipice. Has an interval
    as the `statistic` of `bootstrap_interval` on [seed, task].
    """
    scores = np.asarray(scores, dtype=float)
    known = np.sort(scores[np.isfinite(scores)])
    cut = known.size // 4
    return float(known[cut : known.size - cut].mean()) if known.size else math.nan


def performance_profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """[..., threshold]: the share of runs and tasks of [..., seed, task] with a score above each threshold.

    NaNs take no part; NaN where there are none. Where two profiles cross, the threshold decides which is better.
    Agarwal et al. (2021), after Dolan and More (2002), Benchmarking Optimization Software with Performance Profiles.
    """
    known = np.isfinite(scores).sum(axis=(-2, -1))
    above = (scores[..., None] > thresholds).sum(axis=(-3, -2))
    return _share(above, known[..., None])


def win_probability(scores: np.ndarray, paired: bool = True) -> np.ndarray:
    """[method, method]: how probably the first beats the second on a random seed and task; ties count half.

        P[a, b] = mean over seeds i and tasks t of 1{x_ait > x_bit} + 1/2 1{x_ait = x_bit}

    `scores` are [method, seed, task]; P[a, b] + P[b, a] = 1. Without `paired` the seeds of the two are drawn apart,
    as in the probability of improvement of Agarwal et al. (2021). NaNs take no part; NaN where nothing pairs.
    """
    found = np.empty((len(scores), len(scores)))
    for at, own in enumerate(scores):
        ours, theirs = (own, scores) if paired else (own[:, None], scores[:, None])
        known = np.isfinite(ours) & np.isfinite(theirs)
        axes = tuple(range(1, known.ndim))
        wins = ((ours > theirs) & known).sum(axis=axes) + ((ours == theirs) & known).sum(axis=axes) / 2
        found[at] = _share(wins, known.sum(axis=axes))
    return found


def worst_tasks(data: Cells, level: float = LEVEL) -> dict[str, WorstTask]:
    """Method -> the task with the least mean gain against the reference, over the seeds that pair.

    The gain is log(reference error / error), and its interval the paired t interval. It is the least of
    several, so that its mean lies too low by itself. A method with a task without numbers is left out.
    """
    found = {}
    for method, gain in zip(data.board.methods, gains(data), strict=True):
        means = [interval(column, level, data.overlap) for column in gain.T]
        if means and not any(math.isnan(mean.mean) for mean in means):
            place = min(range(len(means)), key=lambda task: means[task].mean)
            found[method] = WorstTask(data.tasks[place], means[place])
    return found


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where there is no whole."""
    shape = np.broadcast_shapes(np.shape(part), np.shape(whole))
    share: np.ndarray = np.divide(part, whole, out=np.full(shape, np.nan), where=whole > 0)
    return share
