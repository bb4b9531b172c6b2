"""Verdicts: RELATED, HARMFUL, NEUTRAL or UNDECIDED for each relation of a family, at the looks of a design.

A relation has two contrasts: against learning the main task alone, and against learning it beside the same extras with
shuffled labels. Each contrast is a family of its own over all relations that were planned, run or not.

    RELATED    less error than alone, and less than beside shuffled labels: what the extras' labels say helps
    HARMFUL    more error than alone
    NEUTRAL    within the margin of alone; or less error than alone, but no less than beside shuffled labels, so that
               what the labels say makes no difference
    UNDECIDED  neither is shown

With both contrasts at level alpha, two-sided, a false RELATED in the family has probability alpha at most: alpha / 2
where nothing is better than alone, alpha / 2 where only shuffled labels are as good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from leaderboard.analysis.statistics import LEAST_SEEDS, Interval, equivalence_t, holm, interval
from leaderboard.analysis.statistics.significance import paired_t_rows
from leaderboard.ask.looks import Looks
from leaderboard.ask.relations import (
    CONTRASTS,
    Contrasted,
    Decision,
    Direction,
    RelationSample,
    TaskRelation,
    VerdictWord,
    stack_samples,
)

Adjustment = Literal["holm", "bh"]
TINY = 1e-12  # of a deviation of log errors: rounding


@dataclass(frozen=True)
class RelationVerdict:
    """A relation with its verdict.

    Args:
        relation: what is judged.
        alone, shuffled: mean change in log error with its own 95 % interval, positive where together is better; of all
            seeds that were run.
        against_alone, against_shuffled: what the two contrasts came to; None while undecided.
    """

    relation: TaskRelation
    alone: Interval
    shuffled: Interval
    against_alone: Decision | None
    against_shuffled: Decision | None

    @property
    def verdict(self) -> VerdictWord:
        """In a word; see the module."""
        match self._directions:
            case "worse", _:
                return "HARMFUL"
            case "equivalent", _:
                return "NEUTRAL"
            case "better", "better":
                return "RELATED"
            case "better", "worse" | "equivalent":
                return "NEUTRAL"
        return "UNDECIDED"

    @property
    def reading(self) -> str:
        """What both contrasts say together, in a few words; empty where there is no more to say than the verdict."""
        readings: dict[tuple[Direction | None, Direction | None], str] = {
            ("better", "better"): "what the other labels say helps",
            ("better", None): "helps, but it is not shown that shuffled labels would not",
            ("better", "equivalent"): "helps, but so do shuffled labels: regularisation, not information",
            ("better", "worse"): "helps, but shuffled labels help more: regularisation, not information",
            ("worse", "better"): "informative but harmful: worse than alone, better than with shuffled labels",
            ("worse", "equivalent"): "harmful, whatever the labels say",
            ("worse", "worse"): "harmful, and more so than shuffled labels",
            ("equivalent", "better"): "informative, but no better than alone",
        }
        return readings.get(self._directions, "")

    @property
    def letter(self) -> str:
        """The first letter of the verdict, for a cell of a matrix; empty while undecided."""
        return self.verdict[0] if self.settled else ""

    @property
    def settled(self) -> bool:
        """Whether more runs cannot change the verdict: what a look has decided stays decided."""
        return self.verdict != "UNDECIDED"

    @property
    def _directions(self) -> tuple[Direction | None, Direction | None]:
        """What is said against learning alone, and against shuffled labels; None while undecided."""
        alone, shuffled = self.against_alone, self.against_shuffled
        return alone.direction if alone else None, shuffled.direction if shuffled else None


@dataclass(frozen=True)
class FamilyRules:
    """How a family of relations is judged.

    looks: the design; `margin`: of equivalence, in log error; `overlap`: test rows per training row where seeds are
    splits of the same rows, else 0; `adjust`: Holm over the family, or Benjamini and Hochberg.
    """

    looks: Looks
    margin: float
    overlap: float = 0.0
    adjust: Adjustment = "holm"


def judge_family(samples: Sequence[RelationSample], rules: FamilyRules) -> list[RelationVerdict]:
    """One judgement per relation, in order. A function of the runs alone: the same runs have the same answer.

    Args:
        samples: of all relations of the family, also those that were not run, since each counts in the adjustment.
        rules: of the family.
    """
    decided = {against: decide_contrast(samples, against, rules) for against in CONTRASTS}
    return [
        RelationVerdict(
            sample.relation,
            interval(sample.alone, overlap=rules.overlap),
            interval(sample.shuffled, overlap=rules.overlap),
            decided["alone"][place],
            decided["shuffled"][place],
        )
        for place, sample in enumerate(samples)
    ]


def decide_contrast(
    samples: Sequence[RelationSample], against: Contrasted, rules: FamilyRules
) -> list[Decision | None]:
    """What a contrast came to for each relation, look by look; None for those that are open.

    At a look of level a_k the paired t tests of all relations are adjusted together, and those at most a_k are decided.
    A relation that was decided before counts as rejected (p = 0), one that has not come so far as not (p = 1). Then a
    first false finding falls at look k with probability a_k at most, whatever was found before. The two one-sided tests
    of sameness are a family of their own.
    """
    decisions: list[Decision | None] = [None] * len(samples)
    same: list[Decision | None] = [None] * len(samples)
    for seeds, level in rules.looks:
        rows = stack_samples(samples, against, seeds)
        known = np.isfinite(rows).sum(axis=1) >= LEAST_SEEDS
        # Where every seed gives one number, seeds say nothing of chance: such a difference is never certain.
        spread = np.array([np.nanstd(row) > TINY if there else False for row, there in zip(rows, known, strict=True)])
        for taken, tests in (
            (decisions, paired_t_rows(rows, rules.overlap)),
            (same, equivalence_t(rows, rules.margin, rules.overlap)),
        ):
            enough = known & spread if taken is decisions else known
            p = np.where(enough & np.isfinite(tests), tests, 1.0)
            before = np.array([each is not None for each in taken], bool)
            adjusted = _adjust(np.where(before, 0.0, p), rules.adjust)
            for place in np.flatnonzero((adjusted <= level) & ~before & enough):
                direction: Direction = "equivalent"
                if taken is decisions:
                    direction = "better" if np.nanmean(rows[place]) > 0 else "worse"
                taken[place] = Decision(direction, seeds, float(adjusted[place]))
    # Of two findings the first stands; of one look, that there is a difference.
    return [
        one if other is None or (one is not None and one.seeds <= other.seeds) else other
        for one, other in zip(decisions, same, strict=True)
    ]


def _adjust(p: np.ndarray, adjust: Adjustment) -> np.ndarray:
    """Adjusted p [relation]: by Holm, or Benjamini and Hochberg (1995), Controlling the False Discovery Rate."""
    if adjust == "holm":
        return holm(p)
    from scipy.stats import false_discovery_control  # takes long to import, and few ask for it

    adjusted: np.ndarray = false_discovery_control(p, method="bh")
    return adjusted
