"""Whether a dial dips: a value of the option that is worse than both of the dial's ends.

A dial from separate models to one trunk that is exact at both ends has no reason to be worse in between than at either.
One that is hurts in some other way than by what it shares, as by a shorter step.
"""

from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.curves import log_test_error
from leaderboard.analysis.dials import ENDS, Dial
from leaderboard.analysis.statistics import Interval, holm, interval
from leaderboard.analysis.statistics.power import one_sided_t


@dataclass(frozen=True)
class DialPoint:
    """One value of a dial beside its ends.

    value: of the option.
    changes: end -> mean Δ log against it with a 95 % interval, paired by seed; positive where the value has less error.
    p: that the value is not below both ends, adjusted by Holm over the values of the dial; NaN below two shared seeds.
    """

    value: float
    changes: dict[str, Interval]
    p: float


def compare_with_ends(dial: Dial) -> list[DialPoint]:
    """Every value of a dial against `single_task` and `hard`, on the seeds that all three have.

        p = max over ends of P(T_{n-1} >= -mean d / (s / sqrt n)),   d = Δ log of the value against the end

    The larger of two one-sided p-values tests that both ends are better (intersection-union, Berger 1982); Holm makes
    it hold over all values. Without runs of both ends there is nothing to compare, and the list is empty.
    """
    if any(end not in dial.ends for end in ENDS):
        return []
    ends = {end: {run.spec.seed: log_test_error(run) / len(run.tasks) for run in dial.ends[end]} for end in ENDS}
    differences = []
    for runs in dial.points.values():
        own = {run.spec.seed: log_test_error(run) / len(run.tasks) for run in runs}
        seeds = sorted(own.keys() & ends["single_task"].keys() & ends["hard"].keys())
        differences.append({end: np.array([ends[end][seed] - own[seed] for seed in seeds]) for end in ENDS})
    worse = [max(float(one_sided_t(-each[end][None])[0]) for end in ENDS) for each in differences]
    adjusted = holm(np.array(worse))
    return [
        DialPoint(value, {end: interval(each[end]) for end in ENDS}, float(p))
        for value, each, p in zip(dial.points, differences, adjusted, strict=True)
    ]
