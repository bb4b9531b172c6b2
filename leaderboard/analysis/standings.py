"""Where each method of a board stands: its rank, what it ties with, and what holds over the whole board."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np

from leaderboard.analysis.contrasts import (
    Contrast,
    ContrastKind,
    ContrastVerdict,
    DetectableRange,
    contrast_pairs,
    contrast_with_best,
    summarise_detectable,
)
from leaderboard.analysis.letters import letters_of
from leaderboard.analysis.statistics import (
    Cells,
    Comparison,
    Interval,
    Ties,
    WorstTask,
    change_matrix,
    family,
    find_ties,
    gains,
    group_equal_methods,
    interquartile_mean,
    interval,
    merge_equal_methods,
    rank_intervals,
    sensitivity,
    tolerance_of,
    win_probability,
    worst_tasks,
)

DECIDES = "delta_log"  # the change that methods are ranked by
REFERENCES = ("single_task", "hard")
SEED = 0  # of the bootstrap, so that a table comes out the same each time


@dataclass(frozen=True)
class Standing:
    """One method among those of its board.

    `rank` is that of its mean change, with an interval; methods that share one of `letters` are not ordered. Numbers
    that a solver's tolerance explains order nothing: ranks and tests are those of cells after `merge_equal_methods`.
    `comparisons` and `max_t` are by reference: Holm's and max-t's adjusted p over the primary family. `win` is the
    probability to beat the board's reference on a random seed and task, `middle` the interquartile mean of the gains
    over seeds and tasks. `contrasts` are the planned comparisons of the method that the board has runs for: the
    reference and the best have none with themselves.
    """

    method: str
    change: Interval
    rank: Interval
    letters: tuple[str, ...]
    comparisons: dict[str, Comparison]
    max_t: dict[str, float]
    win: float
    middle: float
    worst: WorstTask | None
    contrasts: dict[ContrastKind, Contrast] = field(default_factory=dict)

    @property
    def verdict(self) -> ContrastVerdict | None:
        """Against the board's reference; None of the reference itself."""
        contrast = self.contrasts.get("reference")
        return contrast.verdict if contrast else None

    @property
    def could_be_best(self) -> bool:
        """Whether it is ranked, and no test has shown another method to be better."""
        contrast = self.contrasts.get("best")
        return self.ranked and (contrast is None or contrast.verdict != "worse")

    @property
    def ranked(self) -> bool:
        """Whether it has a rank: a method that lacks seeds which others have does not."""
        return not math.isnan(self.rank.mean)


@dataclass(frozen=True)
class Standings:
    """Every method that takes part, and what the tests behind their order were.

    `family` is the number of tests of the primary family: every method against each of `references`. With
    `first_only`, letters for every pair would be more than the methods, and `a` marks what is not ordered against the
    first. `apart` are all pairs (better, worse) that paired t tests order, Holm over the pairs. `equal` are groups of
    methods whose errors agree to within `tolerance` in every task and seed. `tau` is Kendall's tau of the ranking with
    that by another definition of the change, where both order anything.
    """

    methods: dict[str, Standing]
    references: tuple[str, ...] = ()
    family: int = 0
    first_only: bool = False
    equal: list[list[str]] = field(default_factory=list)
    tolerance: float = 0.0
    tau: dict[str, float] = field(default_factory=dict)
    apart: frozenset[tuple[str, str]] = frozenset()

    @property
    def kinds(self) -> list[ContrastKind]:
        """The kinds of planned contrasts that any method has, in their order."""
        there = {kind for each in self.methods.values() for kind in each.contrasts}
        return [kind for kind in get_args(ContrastKind) if kind in there]

    @property
    def detectable(self) -> DetectableRange | None:
        """What changes against the reference the board can find."""
        return summarise_detectable(each.contrasts.get("reference") for each in self.methods.values())


def rank_methods(data: Cells, contestants: Collection[str], twins: Mapping[str, str] | None = None) -> Standings:
    """Those of `data` that take part, against each other. Nobody where the reference is missing or nobody else is.

    The one place where tests are adjusted: Holm and max-t over the primary family, Holm over all pairs for the letters,
    Holm over each family of planned contrasts.

    Args:
        data: every cell of the board, those of its controls included.
        contestants: the methods that are ranked.
        twins: method -> its twin; a twin need not be ranked, and counts where the board has runs of it.
    """
    methods = [method for method in data.board.methods if method in contestants]
    whole, data = data, keep_methods(data, methods)
    even = merge_equal_methods(data)
    changes, steady = change_matrix(data, DECIDES), change_matrix(even, DECIDES)
    if not np.isfinite(changes).any() or len(methods) < 2:
        return Standings({})
    generator = np.random.default_rng(SEED)
    # Both ends of the dial are references on every board: a method that beats one of them may be the other in disguise.
    references = tuple(name for name in dict.fromkeys((data.board.reference, *REFERENCES)) if name in methods)
    primary = family(even, DECIDES, references)
    flipped = family(even, DECIDES, references, correction="max_t", generator=generator)
    ties = find_ties(steady, overlap=data.overlap)
    groups = ties.groups()
    letters = letters_of([ties.with_first()] if groups is None else groups, len(methods))
    # What was measured stays as it is; only what orders methods takes equal ones as equal.
    pooled = gains(data)
    wins = win_probability(-even.errors)[:, methods.index(data.board.reference)]
    worst = worst_tasks(data)
    ranks = rank_intervals(steady, generator, overlap=data.overlap)
    own = [(method, data.board.reference) for method in methods if method != data.board.reference]
    against = contrast_pairs(steady, methods, own, data.overlap)
    planned: dict[ContrastKind, dict[str, Contrast]] = {
        "reference": against,
        "twin": _contrast_twins(whole, methods, twins or {}),
        "best": contrast_with_best(steady, methods, ties, data.overlap, against),
    }
    standings = {
        method: Standing(
            method,
            interval(changes[at], overlap=data.overlap),
            rank,
            letters[at],
            {each.reference: each for each in primary if each.method == method},
            {each.reference: each.adjusted for each in flipped if each.method == method},
            math.nan if method == data.board.reference else float(wins[at]),
            interquartile_mean(pooled[at]),
            None if method == data.board.reference else worst.get(method),
            {kind: contrasts[method] for kind, contrasts in planned.items() if method in contrasts},
        )
        for at, (method, rank) in enumerate(zip(methods, ranks, strict=True))
    }
    tests = int(sum(np.isfinite(each.p) for each in primary))
    return Standings(
        *(standings, references, tests, groups is None),
        *(_group_equal(even), tolerance_of(even), _compare_definitions(even)),
        apart=_list_apart(ties, methods, standings),
    )


def _list_apart(ties: Ties, methods: list[str], standings: Mapping[str, Standing]) -> frozenset[tuple[str, str]]:
    """Pairs (better, worse) that tests of all pairs order; none below the seeds that an interval takes."""
    names = [methods[row] for row in ties.order]
    if not names or standings[names[0]].change.low is None:
        return frozenset()
    return frozenset((names[i], names[j]) for i, j in np.argwhere(np.triu(~ties.tied, 1)))


def _contrast_twins(data: Cells, methods: list[str], twins: Mapping[str, str]) -> dict[str, Contrast]:
    """The contrasts of `methods` with those of their twins that `data` has runs of."""
    pairs = [(m, twins[m]) for m in methods if m in twins and twins[m] != m and twins[m] in data.board.methods]
    pairs = [(method, twin) for method, twin in pairs if data.count_finished(twin)]
    if not pairs:
        return {}
    # Changes are against the reference; that cancels in the difference of two of them.
    names = list(dict.fromkeys([*methods, *(twin for _, twin in pairs)]))
    even = merge_equal_methods(keep_methods(data, names))
    return contrast_pairs(change_matrix(even, DECIDES), names, pairs, data.overlap)


def _group_equal(data: Cells) -> list[list[str]]:
    """The methods whose errors the solver cannot tell apart, as those of one model under several names."""
    names: dict[int, list[str]] = {}
    for name, first in zip(data.board.methods, group_equal_methods(data), strict=True):
        names.setdefault(first, []).append(name)
    return [each for each in names.values() if len(each) > 1]


def _compare_definitions(data: Cells) -> dict[str, float]:
    """Definition of the change -> Kendall's tau of its ranking with the one that decides; of three methods or more."""
    agreement = sensitivity(data)
    taus = {pair[0] if pair[1] == DECIDES else pair[1]: tau for pair, tau in agreement.tau.items() if DECIDES in pair}
    return {name: tau for name, tau in taus.items() if math.isfinite(tau)} if len(agreement.methods) > 2 else {}


def keep_methods(data: Cells, methods: list[str]) -> Cells:
    """The same cells with these methods only, in their order."""
    at = [data.board.methods.index(method) for method in methods]
    board = data.board.model_copy(update={"methods": methods})
    return replace(data, board=board, values=data.values[at], errors=data.errors[at])
