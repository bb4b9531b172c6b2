"""The estimators and tests that every board uses, as functions of arrays; no torch.

    mb.statistics.paired_t(own - other)            # p of a paired t test over seeds
    mb.statistics.holm([0.01, 0.03, 0.2])          # adjusted for their number
    mb.statistics.interval(changes)                # mean with its 95 % Student t interval

The unit is a run: arrays have an axis of seeds, paired by position, and NaN where a run is missing. Formulas and
sources stand with each function; docs/statistics.md says which to use when.
"""

from leaderboard.analysis.statistics import *  # noqa: F403
from leaderboard.analysis.statistics import __all__ as __all__
