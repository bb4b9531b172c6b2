"""What is asked about: a main task, the extra tasks beside it, and a method; and what was measured of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

VerdictWord = Literal["RELATED", "HARMFUL", "NEUTRAL", "UNDECIDED"]
Contrasted = Literal["alone", "shuffled"]  # what learning together is compared with
Direction = Literal["better", "worse", "equivalent"]
CONTRASTS: tuple[Contrasted, ...] = ("alone", "shuffled")


@dataclass(frozen=True)
class TaskRelation:
    """Does learning `extras` together with `main` under `method` help `main`?

    main: the task whose error is looked at.
    extras: the tasks learnt beside it, in the order of the suite.
    method: in short form.
    """

    main: str
    extras: tuple[str, ...]
    method: str


@dataclass(frozen=True)
class RelationSample:
    """Paired runs of one relation, seed by seed from the first on.

    alone: [seed] log(error of `main` learnt alone / its error learnt together): positive where together is better.
    shuffled: [seed] log(its error beside extras with shuffled labels / its error learnt together).

    A seed that failed is NaN; the arrays end with the first seed that has not been run, so that `len` says how far a
    relation can be looked at. Nothing is known of shuffled extras where none were run.
    """

    relation: TaskRelation
    alone: np.ndarray
    shuffled: np.ndarray = field(default_factory=lambda: np.empty(0))

    def differences(self, against: Contrasted) -> np.ndarray:
        """The [seed] of one of the two contrasts."""
        return self.alone if against == "alone" else self.shuffled


@dataclass(frozen=True)
class Decision:
    """What a contrast came to: at which look (seeds), in which direction, with which adjusted p at that look."""

    direction: Direction
    seeds: int
    p: float


def stack_samples(samples: Sequence[RelationSample], against: Contrasted, seeds: int) -> np.ndarray:
    """[relation, seed] of the first `seeds` seeds; a relation that has not come that far is all NaN.

    A part of a look is no look: its p would be of other seeds than the design has.
    """
    rows = np.full((len(samples), seeds), np.nan)
    for place, sample in enumerate(samples):
        own = sample.differences(against)
        if len(own) >= seeds:
            rows[place] = own[:seeds]
    return rows
