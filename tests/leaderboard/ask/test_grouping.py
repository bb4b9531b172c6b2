"""Which tasks to group, how much depends on the method, and what a score that chooses badly costs."""

import math
from itertools import permutations

import numpy as np
import pytest

from leaderboard.ask.dependence import compare_methods
from leaderboard.ask.grouping import Pair, foretell_gain, search_grouping, solve_grouping
from leaderboard.ask.groups import rate_predictor
from leaderboard.ask.relations import RelationSample, TaskRelation


def draw_gains(tasks: int, seed: int) -> tuple[list[str], dict[Pair, float]]:
    names = [f"t{number}" for number in range(tasks)]
    generator = np.random.default_rng(seed)
    return names, {pair: float(generator.normal(-0.02, 0.1)) for pair in permutations(names, 2)}


@pytest.mark.parametrize("seed", range(4))
def test_the_solver_finds_what_the_search_of_all_groupings_finds(seed: int) -> None:
    names, gains = draw_gains(6, seed)
    listed = search_grouping(names, gains, "hard")
    assert listed is not None
    assert foretell_gain(solve_grouping(names, gains, 6), gains) == pytest.approx(listed.gain, abs=1e-12)


def test_many_tasks_are_grouped_by_the_solver_and_say_how_large_groups_could_be() -> None:
    names, gains = draw_gains(20, 0)
    planted = [["t0", "t1", "t2"], ["t3", "t4"], ["t5", "t6", "t7", "t8"]]
    gains |= dict.fromkeys(gains, -0.5)
    gains |= {pair: 0.3 for group in planted for pair in permutations(group, 2)}
    found = search_grouping(names, gains, "hard")
    assert found is not None
    assert [list(group) for group in found.groups if len(group) > 1] == planted
    assert (found.largest, found.gain) == (4, pytest.approx(9 * 0.3 / 20))
    assert search_grouping(names[:11], gains, "hard").largest == 11  # type: ignore[union-attr]


def test_a_score_that_orders_pairs_the_other_way_round_has_regret_and_a_perfect_one_has_none() -> None:
    names, gains = draw_gains(5, 1)
    right = rate_predictor("right", gains, gains, names)
    wrong = rate_predictor("wrong", {pair: -gain for pair, gain in gains.items()}, gains, names)
    assert (right.tau, right.regret) == (1.0, 0.0)
    assert wrong.tau == -1
    assert wrong.regret > 0.02
    assert math.isnan(rate_predictor("few", dict(list(gains.items())[:4]), gains, names).regret)


def draw_samples(method: str, means: np.ndarray, noise: np.ndarray) -> list[RelationSample]:
    pairs = list(permutations("abcd", 2))
    rows = zip(pairs, means, noise, strict=True)
    return [RelationSample(TaskRelation(m, (e,), method), mean + own) for (m, e), mean, own in rows]


def test_dependence_is_one_minus_the_rank_correlation_with_an_interval_over_seeds() -> None:
    generator = np.random.default_rng(0)
    means, noise = generator.normal(size=12), 0.01 * generator.normal(size=(2, 12, 10))
    one, same, reverse = (
        draw_samples(name, sign * means, noise[i])
        for name, sign, i in (("hard", 1, 0), ("soft+l2", 1, 1), ("lora", -1, 1))
    )
    alike, unlike = compare_methods(one, same), compare_methods(one, reverse)
    assert alike is not None
    assert unlike is not None
    assert alike.methods == ("hard", "soft+l2")
    assert alike.low <= alike.value <= alike.high < 0.1
    assert unlike.value > 1.9
    assert alike.chance < 0.05
    assert alike.cells == 12


def test_noise_alone_makes_a_method_depend_on_itself() -> None:
    generator = np.random.default_rng(1)
    one, other = (draw_samples(name, np.zeros(12), generator.normal(size=(12, 10))) for name in ("hard", "lora"))
    found = compare_methods(one, other)
    assert found is not None
    assert found.chance > 0.7
    assert found.low < 1 < found.high
    assert compare_methods(one[:2], other) is None
    assert compare_methods(one, [RelationSample(each.relation, each.alone[:2]) for each in other]) is None
