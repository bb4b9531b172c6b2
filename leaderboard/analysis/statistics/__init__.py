"""Statistics over paired seeds: changes against a reference, their intervals, tests, ranks and aggregates.

The unit is a run. A change is computed inside each seed, between two runs that share their seed, and
only then averaged; a missing cell is NaN and takes no part. `docs/statistics.md` says which to use when.
"""

from leaderboard.analysis.statistics.aggregate import (
    WorstTask,
    interquartile_mean,
    performance_profile,
    win_probability,
    worst_tasks,
)
from leaderboard.analysis.statistics.alike import group_equal_methods, merge_equal_methods, tolerance_of
from leaderboard.analysis.statistics.cells import Cells, Column, SelectionRule, status_of
from leaderboard.analysis.statistics.changes import (
    CHANGES,
    change_matrix,
    changes,
    delta_flat,
    delta_log,
    delta_task,
    gains,
    log_gains,
    percent_less,
    replace_reference,
)
from leaderboard.analysis.statistics.crossed import crossed_interval, gather_units
from leaderboard.analysis.statistics.intervals import (
    FEW_SEEDS,
    LEAST_SEEDS,
    LEVEL,
    RANK_SEEDS,
    Interval,
    bootstrap_interval,
    corrected_interval,
    interval,
    sign_flip_interval,
)
from leaderboard.analysis.statistics.nested import LEAST_SUITES, NESTED_RESAMPLES, NestedMeans, band_means, draw_suites
from leaderboard.analysis.statistics.power import MARGIN, POWER, detectable_effect, equivalence_t, one_sided_t
from leaderboard.analysis.statistics.ranking import (
    Sensitivity,
    Ties,
    compare_pairs,
    find_ties,
    kendall_tau,
    rank_intervals,
    ranks,
    sensitivity,
)
from leaderboard.analysis.statistics.significance import (
    Comparison,
    family,
    holm,
    holm_levels,
    max_t,
    paired_t,
    sign_flip,
)

__all__ = [
    "CHANGES",
    "FEW_SEEDS",
    "LEAST_SEEDS",
    "LEAST_SUITES",
    "LEVEL",
    "MARGIN",
    "NESTED_RESAMPLES",
    "POWER",
    "RANK_SEEDS",
    "Cells",
    "Column",
    "Comparison",
    "Interval",
    "NestedMeans",
    "SelectionRule",
    "Sensitivity",
    "Ties",
    "WorstTask",
    "band_means",
    "bootstrap_interval",
    "change_matrix",
    "changes",
    "compare_pairs",
    "corrected_interval",
    "crossed_interval",
    "delta_flat",
    "delta_log",
    "delta_task",
    "detectable_effect",
    "draw_suites",
    "equivalence_t",
    "family",
    "find_ties",
    "gains",
    "gather_units",
    "group_equal_methods",
    "holm",
    "holm_levels",
    "interquartile_mean",
    "interval",
    "kendall_tau",
    "log_gains",
    "max_t",
    "merge_equal_methods",
    "one_sided_t",
    "paired_t",
    "percent_less",
    "performance_profile",
    "rank_intervals",
    "ranks",
    "replace_reference",
    "sensitivity",
    "sign_flip",
    "sign_flip_interval",
    "status_of",
    "tolerance_of",
    "win_probability",
    "worst_tasks",
]
