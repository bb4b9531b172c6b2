"""What a seed contributes to a change and what a split does, and the interval that holds for other splits as well.

A suite whose data are small may have an option `split`: other partitions of its rows, or other rows. Runs on several of
them tell the two sources of noise apart:

    d_ks = mu + S_k + E_ks,   S_k ~ (0, sigma_split^2),   E_ks ~ (0, sigma_seed^2)

for split k and seed s: the one-way layout of random effects, with seeds nested in splits.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord, parse_call
from leaderboard.analysis.results import Results, collect_cells
from leaderboard.analysis.standings import DECIDES
from leaderboard.analysis.statistics import LEAST_SEEDS, LEVEL, Interval, change_matrix
from leaderboard.boards.record_selection import select_records

OPTION = "split"  # of a suite, a whole number from 0: which partition


@dataclass(frozen=True)
class VarianceParts:
    """The two parts of the noise of a change, in its unit, and its mean over splits.

    Args:
        mean: over splits, each with the same say; its interval covers the choice of the split, `n` counts them.
        split: standard deviation of what a split adds; NaN where no split has two seeds.
        seed: standard deviation of what a seed adds; NaN likewise.
        seeds: the fewest and most seeds of a split.
    """

    mean: Interval
    split: float
    seed: float
    seeds: tuple[int, int]


def estimate_parts(values: Sequence[np.ndarray], overlap: float = 0.0, level: float = LEVEL) -> VarianceParts | None:
    """The parts of `values`, one array [seed] per split, NaNs left out; None below two splits with a seed.

        MS_seed = sum_ks (d_ks - d_k.)^2 / (N - K)              s^2 = sum_k (d_k. - m)^2 / (K - 1),   m = mean_k d_k.
        sigma_seed^2 = MS_seed       sigma_split^2 = max(0, s^2 - MS_seed / n),   n = K / sum_k 1 / n_k
        V = s^2 / K + overlap sigma_split^2                     m +- t_{(1 + level) / 2, df} sqrt(V)

    The method of moments on unweighted means, which is the analysis of variance where all n_k are equal (Searle,
    Casella and McCulloch 1992, Variance Components, ch. 3; for benchmarks Bouthillier et al. 2021, Accounting for
    Variance in Machine Learning Benchmarks). df = K - 1; with an `overlap`, by Satterthwaite (1946) from the two
    squares in V. Below three splits there is no interval.

    Args:
        values: in any unit, independent inside a split.
        overlap: test rows per training row where splits deal the same rows out anew: what they add correlates then, and
            V has sigma_split^2 (1 / K + overlap) in the place of sigma_split^2 / K (Nadeau and Bengio 2003). What seeds
            add does not.
        level: of the interval.
    """
    known = [each[np.isfinite(each)] for each in values]
    known = [each for each in known if each.size]
    splits, sizes = len(known), [each.size for each in known]
    if splits < 2:
        return None
    means = np.array([each.mean() for each in known])
    mean, between = float(means.mean()), float(means.var(ddof=1))
    rest = sum(sizes) - splits
    inside = sum(float(((each - each.mean()) ** 2).sum()) for each in known) / rest if rest else math.nan
    of_seeds = inside / splits * sum(1 / size for size in sizes) if rest else 0.0
    of_split = max(0.0, between - of_seeds)
    parts = of_split if rest else math.nan, inside
    ends: tuple[float | None, float | None] = None, None
    if splits >= LEAST_SEEDS:
        half = _half_width(between, of_seeds if of_split else 0.0, overlap if of_split else 0.0, splits, rest, level)
        ends = mean - half, mean + half
    return VarianceParts(
        Interval(mean, *ends, splits), math.sqrt(parts[0]), math.sqrt(parts[1]), (min(sizes), max(sizes))
    )


def _half_width(between: float, of_seeds: float, overlap: float, splits: int, rest: int, level: float) -> float:
    """Half the interval of the mean: `between` and `of_seeds` are s^2 and MS_seed / n, `rest` is N - K."""
    from scipy.special import stdtrit

    squares = between * (1 / splits + overlap), overlap * of_seeds
    variance, freedom = squares[0] - squares[1], float(splits - 1)
    if squares[1]:
        freedom = max(1.0, variance**2 / (squares[0] ** 2 / (splits - 1) + squares[1] ** 2 / rest))
    return float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)


def find_split_suites(suite: str, records: Iterable[ResultRecord]) -> list[str]:
    """The suites of `records` that are `suite` but for its option `split`, in the order of that number.

    `suite` is canonical, and among them where it has records; a suite that leaves the option out has split 0.
    """
    base, numbers = _without_split(suite)[0], dict[str, int]()
    for name in {record.spec.suite for record in records}:
        other, number = _without_split(name)
        if other == base and number is not None:
            numbers[name] = number
    return sorted(numbers, key=lambda name: (numbers[name], name))


def _without_split(suite: str) -> tuple[str, int | None]:
    """A canonical suite without its option `split`, and the number it had; None where that is no whole number."""
    call = parse_call(suite)
    number = call.options.get(OPTION, "0")
    rest = {key: value for key, value in call.options.items() if key != OPTION}
    return str(type(call)(call.name, rest)), int(number) if number.isdecimal() and number.isascii() else None


def compare_splits(results: Results, records: Sequence[ResultRecord], overlap: float = 0.0) -> dict[str, VarianceParts]:
    """method -> parts of its Δ log against the reference, of the methods of a board with runs on two splits or more.

    Args:
        results: of the board, on one of the splits.
        records: everything that is stored; on each split those are chosen that a board of it would have.
        overlap: as in `estimate_parts`.
    """
    own = next((record.spec.suite for record in results.records.values()), None)
    suites = find_split_suites(own, records) if own else []
    if len(suites) < 2:
        return {}
    # Its controls and its series belong to the board's own suite.
    methods = [m for m in results.board.methods if results.selection.roles[m] != "control"]
    board = results.board.model_copy(update={"controls": [], "series": [], "methods": methods})
    changes = []
    for suite in suites:
        there = board.model_copy(update={"suite": suite})
        chosen = select_records(there, records, results.selection.track).records
        changes.append(change_matrix(collect_cells(there, chosen, results.rule), DECIDES))
    parts = {
        method: estimate_parts([matrix[at] for matrix in changes], overlap)
        for at, method in enumerate(methods)
        if method != board.reference
    }
    return {method: each for method, each in parts.items() if each}
