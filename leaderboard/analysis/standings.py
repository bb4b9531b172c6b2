"""Where each method of a board stands: its rank, what it ties with, and what holds over the whole board."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from leaderboard.analysis.letters import abridged, join_letters, letters_of
from leaderboard.analysis.statistics import (
    LEVEL,
    RANK_SEEDS,
    Cells,
    Comparison,
    Interval,
    WorstTask,
    change_matrix,
    family,
    gains,
    group_equal_methods,
    interquartile_mean,
    interval,
    rank_intervals,
    sensitivity,
    settled,
    tie_groups,
    tied_with_first,
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
    that a solver's tolerance explains order nothing: ranks and tests are those of `settled` cells.
    `comparisons` and `max_t` are by reference: Holm's and max-t's adjusted p over the primary family. `win` is the
    probability to beat the board's reference on a random seed and task, `middle` the interquartile mean of the gains
    over seeds and tasks.
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

    def holds(self, reference: str) -> bool:
        """Whether the change against `reference` holds after Holm; what has no interval holds nowhere."""
        found = self.comparisons.get(reference)
        return found is not None and found.estimate.low is not None and found.adjusted <= 1 - LEVEL

    @property
    def groups(self) -> str:
        """The letters as one text."""
        return join_letters(self.letters)

    def ties(self, other: "Standing") -> bool:
        """Whether the data do not order the two."""
        return not set(self.letters).isdisjoint(other.letters)

    @property
    def place(self) -> str:
        """Rank, its interval and the letters, as in `2 [1, 4] ab`; nothing where the method has no rank."""
        if math.isnan(self.rank.mean):
            return ""
        ends = "" if self.rank.low is None else f" [{self.rank.low:g}, {self.rank.high:g}]"
        return f"{self.rank.mean:g}{ends} {abridged(self.letters)}".rstrip()


@dataclass(frozen=True)
class Standings:
    """Every method that takes part, the size of the primary family, and sentences about both."""

    methods: dict[str, Standing]
    references: tuple[str, ...]
    family: int
    notes: list[str]


NOBODY = Standings({}, (), 0, [])


def standings(data: Cells, contestants: Collection[str]) -> Standings:
    """Those of `data` that take part, against each other. Nobody where the reference is missing or nobody else is."""
    methods = [method for method in data.board.methods if method in contestants]
    data = _only(data, methods)
    even = settled(data)
    changes, steady = change_matrix(data, DECIDES), change_matrix(even, DECIDES)
    if not np.isfinite(changes).any() or len(methods) < 2:
        return NOBODY
    generator = np.random.default_rng(SEED)
    references = tuple(name for name in dict.fromkeys((data.board.reference, *REFERENCES)) if name in methods)
    primary = family(even, DECIDES, references)
    flipped = family(even, DECIDES, references, correction="max_t", generator=generator)
    groups = tie_groups(steady, overlap=data.overlap)
    letters = letters_of([tied_with_first(steady, overlap=data.overlap)] if groups is None else groups, len(methods))
    pooled = gains(data)
    wins = win_probability(-even.errors)[:, methods.index(data.board.reference)]
    worst = worst_tasks(data)
    ranked = rank_intervals(steady, generator, overlap=data.overlap)
    found = {
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
        )
        for at, (method, rank) in enumerate(zip(methods, ranked, strict=True))
    }
    tests = sum(np.isfinite(each.p) for each in primary)
    return Standings(found, references, int(tests), list(_notes(even, found, references, int(tests), groups is None)))


def _notes(
    data: Cells, found: dict[str, Standing], references: tuple[str, ...], tests: int, only_first: bool
) -> Iterator[str]:
    against = " and against ".join(f"`{name}`" for name in references)
    held = any(standing.holds(data.board.reference) for standing in found.values())
    yield (
        f"{'* Δ log' if held else 'No Δ log'} holds against `{data.board.reference}` after Holm over the primary "
        f"family of {tests} paired t tests: every method against {against}."
    )
    drawn = ", with a 95 % bootstrap interval over whole seeds"
    few = f", without an interval below {RANK_SEEDS} seeds"
    enough = max(standing.rank.n for standing in found.values()) >= RANK_SEEDS
    letters = (
        "`a` marks the first and what paired t tests, Holm over all pairs, do not order against it; letters for every "
        "pair would be more than the methods."
        if only_first
        else "methods that share a letter are not ordered by paired t tests, Holm over all pairs."
    )
    yield f"rank: of the mean Δ log{'' if data.overlap else drawn if enough else few}; {letters}"
    if same := _same(data):
        yield f"Equal in every task and seed to within {tolerance_of(data):g}, and so of one rank: {same}."
    agreement = sensitivity(data)
    taus = {pair[0] if pair[1] == DECIDES else pair[1]: tau for pair, tau in agreement.tau.items() if DECIDES in pair}
    named = {"delta_flat": "Δ flat", "delta_task": "Δ task"}
    told = [f"{named[name]} {tau:.2f}" for name, tau in taus.items() if math.isfinite(tau)]
    if told and len(agreement.methods) > 2:
        yield f"Kendall's tau of the ranking by Δ log with that by another definition: {', '.join(told)}."


def _same(data: Cells) -> str:
    """The methods that are one model under several names."""
    methods = data.board.methods
    names: dict[int, list[str]] = {}
    for name, first in zip(methods, group_equal_methods(data), strict=True):
        names.setdefault(first, []).append(f"`{data.board.label(name)}`")
    return "; ".join(" = ".join(each) for each in names.values() if len(each) > 1)


def as_rows(found: Standings) -> list[dict[str, object]]:
    """One flat object for each method, in the shape of `mtlbench table --format json`; a missing number is None."""
    rows: list[dict[str, object]] = []
    for standing in found.methods.values():
        worst = standing.worst
        rows.append(
            {
                "method": standing.method,
                "rank": _known(standing.rank.mean),
                "rank_low": standing.rank.low,
                "rank_high": standing.rank.high,
                "tie_groups": standing.groups,
                DECIDES: _known(standing.change.mean),
                "ci_low": standing.change.low,
                "ci_high": standing.change.high,
                "seeds": standing.change.n,
                "p_holm": {name: _known(each.adjusted) for name, each in standing.comparisons.items()},
                "p_max_t": {name: _known(p) for name, p in standing.max_t.items()},
                "win_probability": _known(standing.win),
                "interquartile_mean": _known(standing.middle),
                "worst_task": worst.task if worst else None,
                "worst_gain": worst.gain.mean if worst else None,
                "worst_low": worst.gain.low if worst else None,
                "worst_high": worst.gain.high if worst else None,
            }
        )
    return rows


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _only(data: Cells, methods: list[str]) -> Cells:
    at = [data.board.methods.index(method) for method in methods]
    board = data.board.model_copy(update={"methods": methods})
    return replace(data, board=board, values=data.values[at], errors=data.errors[at])
