"""Methods over several suites: who has less error on all suites that they share, with suites and seeds both random.

Nothing is filled in. Methods are ordered only over suites that each of them was run on; which suites those are depends
on which methods are asked for, so that one collection has several such blocks, from many suites to many methods.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leaderboard.analysis.results import Results
from leaderboard.analysis.standings import DECIDES, SEED
from leaderboard.analysis.statistics import Interval, band_means, draw_suites

SuiteChanges = Mapping[str, Mapping[str, np.ndarray]]  # suite -> method -> Δ log against the reference, [seed]
LEAST_SHARED = 2  # suites of a block: one suite has a page of its own


@dataclass(frozen=True)
class RankedOverSuites:
    """A method over the suites of a block.

    Attributes:
        method: its text.
        change: in Δ log against the reference, the mean over suites; positive where there is less error. The interval
            is that of the test, corrected over the methods of the block; none of the reference or of few suites.
        verdict: against the reference; None where there is no interval.
        first: the share of resamples in which its mean is the largest.
        could_be_best: whether no test has the method of the largest mean above it; None where there is no test.
    """

    method: str
    change: Interval
    verdict: Literal["better", "worse", "undecided"] | None
    first: float
    could_be_best: bool | None


@dataclass(frozen=True)
class SuiteBlock:
    """Methods that share `suites`, the largest mean first; every one of them was run on every one of these."""

    suites: tuple[str, ...]
    methods: tuple[RankedOverSuites, ...]


def collect_suite_changes(results: Results) -> dict[str, np.ndarray]:
    """Method -> its Δ log against the reference of a board on the seeds that all ranked methods have, [seed]."""
    names = [method for method, standing in results.standings.methods.items() if standing.ranked]
    rows = results.changes[DECIDES][[results.board.methods.index(name) for name in names]]
    whole = np.isfinite(rows).all(axis=0)
    return {name: row[whole] for name, row in zip(names, rows, strict=True)} if whole.any() else {}


def find_shared_suites(
    changes: SuiteChanges, methods: Iterable[str], reference: str
) -> list[tuple[list[str], list[str]]]:
    """(suites, methods) of every block: all methods that were run on all suites of one of them.

    No block is part of another one: leaving out a method would not let more suites in, nor a suite more methods.

    Args:
        changes: of every suite the changes of the methods that were run there.
        methods: which ones are asked for.
        reference: whose suites alone count; it is in every block.

    Returns:
        Blocks of LEAST_SHARED suites and two methods at least, those with the most suites first.
    """
    there = {suite: own for suite, own in changes.items() if reference in own}
    wanted = dict.fromkeys([reference, *methods])
    sets = {method: frozenset(suite for suite, own in there.items() if method in own) for method in wanted}
    shared = set(sets.values())
    while True:  # what two of them have in common is shared by the methods of both
        more = shared | {one & two for one in shared for two in sets.values()}
        if more == shared:
            break
        shared = more
    blocks: dict[tuple[str, ...], list[str]] = {}
    for suites in shared:
        names = [method for method in wanted if suites <= sets[method]]
        common = frozenset.intersection(*(sets[name] for name in names)) if names else frozenset()
        if len(names) > 1 and len(common) >= LEAST_SHARED:
            blocks[tuple(suite for suite in there if suite in common)] = names
    return [(list(suites), names) for suites, names in sorted(blocks.items(), key=lambda each: -len(each[0]))]


def rank_over_suites(
    changes: SuiteChanges, suites: Sequence[str], methods: Sequence[str], reference: str
) -> SuiteBlock:
    """Order methods by their mean change over suites, each suite alike, with suites and seeds both drawn.

        m_a = 1/S sum_s 1/n_s sum_i d_sai,   d_sai = Δ log of method a against the reference on seed i of suite s

    Intervals are those of `band_means` over resamples of suites, and of seeds within (`draw_suites`): of the M - 1
    methods against the reference together, and of the M - 1 against the one of the largest mean together, as in
    multiple comparisons with the best. Suites are taken to be drawn independently of one another, from others like
    them.

    Args:
        changes: as of `find_shared_suites`.
        suites, methods: a block of it.
        reference: one of the methods.
    """
    samples = [np.array([changes[suite][method] for method in methods]) for suite in suites]
    found = draw_suites(samples, np.random.default_rng(SEED))
    own, base, best = np.eye(len(methods)), methods.index(reference), int(found.means.argmax())
    others = [at for at in range(len(methods)) if at != base]
    rivals = [at for at in range(len(methods)) if at != best]
    against = dict(zip(others, band_means(found, own[others] - own[base]), strict=True))
    behind = dict(zip(rivals, band_means(found, own[best] - own[rivals]), strict=True))
    rows = []
    for at in np.argsort(-found.means, kind="stable").tolist():
        change = against.get(at, Interval(0.0, None, None, len(suites)))
        gap = behind[at].low if at in behind else 0.0
        tested = next(iter(against.values())).low is not None
        rows.append(
            RankedOverSuites(
                *(methods[at], change, _judge(change)),
                *(float(found.first[at]), gap is None or gap <= 0 if tested else None),
            )
        )
    return SuiteBlock(tuple(suites), tuple(rows))


def _judge(change: Interval) -> Literal["better", "worse", "undecided"] | None:
    """The verdict that an interval says; None without one."""
    if change.low is None or change.high is None:
        return None
    return "better" if change.low > 0 else "worse" if change.high < 0 else "undecided"
