"""Paired log errors drawn from a known truth, run round by round as an inquiry runs them."""

from collections.abc import Callable, Sequence

import numpy as np

from leaderboard.ask.relations import RelationSample, TaskRelation
from leaderboard.ask.verdicts import FamilyRules, RelationVerdict, judge_family

Noise = Callable[[np.random.Generator, int], np.ndarray]


def draw_normal(generator: np.random.Generator, size: int) -> np.ndarray:
    return generator.standard_normal(size)


def draw_heavy(generator: np.random.Generator, size: int) -> np.ndarray:
    """Student t of three degrees of freedom, with a variance of 1."""
    return generator.standard_t(3, size) / np.sqrt(3)


def draw_family(
    generator: np.random.Generator,
    changes: Sequence[tuple[float, float]],
    rules: FamilyRules,
    noise: Noise = draw_normal,
    spread: float = 0.05,
) -> list[RelationVerdict]:
    """The verdicts of a family at the end, each relation with as many seeds as an inquiry gives it.

    Seeds are added look by look to what is undecided, and shuffled labels are run for what is better than alone.

    Args:
        generator: the only source of chance.
        changes: (true change against alone, true change against shuffled labels) of each relation.
        rules: of the family.
        noise: of the three log errors of a seed, with a variance of 1. The error alone is common to the family.
        spread: by which noise is multiplied.
    """
    most, count = rules.looks.seeds[-1], len(changes)
    base = spread * noise(generator, most)
    own = spread * noise(generator, count * most).reshape(count, most)
    shuffled = spread * noise(generator, count * most).reshape(count, most)
    relations = [TaskRelation(f"task{at}", ("other",), "hard") for at in range(count)]
    seen, dealt = [0] * count, [0] * count

    def judge() -> list[RelationVerdict]:
        """What is said of the seeds that were run."""
        return judge_family(
            [
                RelationSample(r, (base - own[at] + a)[: seen[at]], (shuffled[at] - own[at] + s)[: dealt[at]])
                for at, (r, (a, s)) in enumerate(zip(relations, changes, strict=True))
            ],
            rules,
        )

    judged = judge()
    for seeds in rules.looks.seeds:
        seen = [seeds if each.verdict == "UNDECIDED" else n for n, each in zip(seen, judged, strict=True)]
        judged = judge()
        # Shuffled labels come after what they are asked for, at the same look.
        asked = [each.verdict == "UNDECIDED" and each.against_alone is not None for each in judged]
        dealt = [seeds if wanted else n for n, wanted in zip(dealt, asked, strict=True)]
        judged = judge()
    return judged
