"""How often RELATED is said of tables whose tasks have nothing in common: 200 of them, divided anew for each seed.

Errors are those of real fits, by kernel ridge in closed form, alone and coupled; the verdicts are the product's.
"""

import math

import numpy as np
import pytest

from leaderboard.ask.looks import Looks
from leaderboard.ask.relations import RelationSample, TaskRelation
from leaderboard.ask.verdicts import FamilyRules, RelationVerdict, judge_family

TASKS, TRAIN, TEST, STRENGTH = 3, 40, 20, 3.0
RULES = FamilyRules(Looks((5, 10, 20)), math.log(1.01), TEST / TRAIN)
SHARED = {"soft": 0.5, "hard": 1.0}  # of the kernel: what every task has in common


class Table:
    """Three regressions on rows of their own, y = x w_t + e; `common` is the share of w_t that all have."""

    def __init__(self, number: int, common: float, inputs: int, noise: float) -> None:
        generator = np.random.default_rng([number, 7])
        self.number, self.rows = number, TRAIN + TEST
        self.x = generator.standard_normal((TASKS, self.rows, inputs))
        own, shared = generator.standard_normal((TASKS, inputs)), generator.standard_normal(inputs)
        weights = math.sqrt(common) * shared + math.sqrt(1 - common) * own
        self.y = np.einsum("tnd,td->tn", self.x, weights) + noise * generator.standard_normal((TASKS, self.rows))

    def errors(self, seed: int, shared: float, shuffled_beside: int | None = None) -> np.ndarray:
        """[task] log rmse on the test part of a division; only `shuffled_beside` keeps its labels, if given."""
        generator = np.random.default_rng([self.number, seed])
        order = np.stack([generator.permutation(self.rows) for _ in range(TASKS)])
        x, y = np.take_along_axis(self.x, order[..., None], 1), np.take_along_axis(self.y, order, 1)
        train = y[:, :TRAIN].copy()
        if shuffled_beside is not None:
            for task in set(range(TASKS)) - {shuffled_beside}:
                train[task] = generator.permutation(train[task])
        known, task = x[:, :TRAIN].reshape(-1, x.shape[2]), np.repeat(np.arange(TASKS), TRAIN)
        coupling = shared + (1 - shared) * np.equal.outer(task, task)
        gram = known @ known.T * coupling + STRENGTH * np.eye(TASKS * TRAIN)
        dual = np.linalg.solve(gram, train.ravel())
        own = np.repeat(np.arange(TASKS), TEST)
        across = x[:, TRAIN:].reshape(-1, x.shape[2]) @ known.T * (shared + (1 - shared) * np.equal.outer(own, task))
        residual = (across @ dual).reshape(TASKS, TEST) - y[:, TRAIN:]
        return np.log(np.sqrt((residual**2).mean(axis=1)))  # type: ignore[no-any-return]


def ask_table(table: Table) -> list[RelationVerdict]:
    """The verdicts of a table at the last look, as if every seed had been run for everything that asks for it."""
    seeds = range(RULES.looks.seeds[-1])
    alone = np.stack([table.errors(seed, 0.0) for seed in seeds])
    together = {method: np.stack([table.errors(seed, shared) for seed in seeds]) for method, shared in SHARED.items()}
    samples = [
        RelationSample(TaskRelation(str(task), ("others",), method), (alone - own)[:, task])
        for method, own in together.items()
        for task in range(TASKS)
    ]
    for place, judged in enumerate(judge_family(samples, RULES)):
        if judged.against_alone and judged.against_alone.direction == "better":
            method, task = judged.relation.method, int(judged.relation.main)
            other = np.array([table.errors(seed, SHARED[method], task)[task] for seed in seeds])
            shuffled = other - together[method][:, task]
            samples[place] = RelationSample(judged.relation, samples[place].alone, shuffled)
    return judge_family(samples, RULES)


def count_tables(numbers: range, word: str, common: float = 0.0, inputs: int = 10, noise: float = 2.0) -> int:
    """Of how many tables some verdict is `word`."""
    tables = (Table(number, common, inputs, noise) for number in numbers)
    return sum(any(each.verdict == word for each in ask_table(table)) for table in tables)


def test_tables_with_much_in_common_are_related() -> None:
    assert count_tables(range(5), "RELATED", common=0.99, inputs=30, noise=0.5) == 5


@pytest.mark.parametrize("inputs", [10, 30])
def test_twenty_tables_with_nothing_in_common_are_never_related(inputs: int) -> None:
    assert count_tables(range(20), "RELATED", inputs=inputs) == 0


@pytest.mark.slow
@pytest.mark.parametrize("inputs", [10, 30])
def test_false_related_over_200_tables(inputs: int) -> None:
    false, harmful = (count_tables(range(200), word, inputs=inputs) for word in ("RELATED", "HARMFUL"))
    share = f"{false} with a false RELATED ({false / 2:.1f} %)"
    print(f"\n200 null tables of {inputs} inputs, fits in closed form: {share}, {harmful} HARMFUL")
    assert false <= 10
