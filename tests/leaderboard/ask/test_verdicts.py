"""Verdicts: what each of them needs, that looking again costs nothing, and how often RELATED is said wrongly."""

import math

import numpy as np
import pytest

from leaderboard.ask.looks import Looks
from leaderboard.ask.relations import RelationSample, TaskRelation
from leaderboard.ask.verdicts import FamilyRules, RelationVerdict, judge_family
from tests.leaderboard.ask.simulated import draw_family, draw_heavy, draw_normal

RULES = FamilyRules(Looks((5, 10, 20)), math.log(1.01))
STEADY = np.array([0.9, 1.1, 1.0, 0.95, 1.05] * 4)  # a mean of 1 with a deviation of 0.07


def judge_one(alone: np.ndarray, shuffled: np.ndarray | None = None, rules: FamilyRules = RULES) -> RelationVerdict:
    sample = RelationSample(TaskRelation("a", ("b",), "hard"), alone, np.empty(0) if shuffled is None else shuffled)
    return judge_family([sample], rules)[0]


@pytest.mark.parametrize(
    ("alone", "shuffled", "verdict", "reading"),
    [
        (0.3 * STEADY, 0.3 * STEADY, "RELATED", "what the other labels say helps"),
        (0.3 * STEADY, None, "UNDECIDED", "not shown that shuffled labels would not"),
        (0.3 * STEADY, 0.001 * (STEADY - 1), "NEUTRAL", "so do shuffled labels: regularisation, not information"),
        (0.3 * STEADY, -0.3 * STEADY, "NEUTRAL", "shuffled labels help more"),
        (-0.3 * STEADY, None, "HARMFUL", ""),
        (-0.3 * STEADY, 0.3 * STEADY, "HARMFUL", "informative but harmful"),
        (-0.3 * STEADY, -0.3 * STEADY, "HARMFUL", "more so than shuffled"),
        (0.001 * (STEADY - 1), None, "NEUTRAL", ""),
        (0.001 * (STEADY - 1), 0.3 * STEADY, "NEUTRAL", "informative, but no better than alone"),
        (5.0 * (STEADY - 1), None, "UNDECIDED", ""),
        (np.full(20, 0.3), np.full(20, 0.3), "UNDECIDED", ""),
    ],
)
def test_what_both_contrasts_say_together(
    alone: np.ndarray, shuffled: np.ndarray | None, verdict: str, reading: str
) -> None:
    """The last: where every seed gives one number, seeds say nothing of chance."""
    judged = judge_one(alone, shuffled)
    assert judged.verdict == verdict
    assert reading in judged.reading
    assert bool(reading) == bool(judged.reading)


def test_the_shares_of_the_looks_add_up_to_the_level() -> None:
    looks = Looks((5, 10, 20))
    assert math.isclose(sum(looks.shares), 0.05)
    assert looks.shares == pytest.approx((0.05 / 7, 0.1 / 7, 0.2 / 7))
    assert [Looks.up_to(most).seeds for most in (3, 5, 12, 20)] == [(3,), (3, 5), (3, 6, 12), (5, 10, 20)]
    with pytest.raises(ValueError, match="3 or more"):
        Looks.up_to(2)


@pytest.mark.parametrize("seeds", [0, 3, 4])
def test_before_a_look_nothing_is_decided(seeds: int) -> None:
    assert judge_one(0.3 * STEADY[:seeds]).against_alone is None
    assert judge_one(0.3 * STEADY[:5]).against_alone is not None


def test_seeds_between_two_looks_decide_nothing() -> None:
    """A change that is not certain with five seeds is with ten, and not with nine."""
    weak = np.array([0.1, 0.3, -0.1, 0.4, 0.1, 0.11, 0.12, 0.11, 0.12, 0.11])
    assert [judge_one(weak[:seeds]).against_alone is None for seeds in (5, 9, 10)] == [True, True, False]


def test_what_a_look_has_decided_stays_decided() -> None:
    """Fifteen seeds that say the opposite come too late: the level was spent on the first five."""
    turned = np.concatenate([0.3 * STEADY[:5], -0.3 * STEADY[:15]])
    judged = judge_one(turned)
    assert judged.against_alone is not None
    assert (judged.against_alone.direction, judged.against_alone.seeds) == ("better", 5)
    assert judged.alone.mean < 0


def test_what_was_not_run_counts_in_the_adjustment() -> None:
    one = judge_family([RelationSample(TaskRelation("a", ("b",), "hard"), 0.3 * STEADY[:5])], RULES)[0]
    family = [RelationSample(TaskRelation(f"t{at}", ("b",), "hard"), np.empty(0)) for at in range(99)]
    many = judge_family([RelationSample(TaskRelation("a", ("b",), "hard"), 0.3 * STEADY[:5]), *family], RULES)[0]
    assert one.against_alone is not None
    assert many.against_alone is not None
    assert math.isclose(many.against_alone.p, 100 * one.against_alone.p)


def test_failed_seeds_take_no_part_and_three_are_needed() -> None:
    holes = np.array([0.3, math.nan, 0.31, math.nan, math.nan])
    assert judge_one(holes).verdict == "UNDECIDED"
    assert judge_one(np.array([0.3, math.nan, 0.301, 0.2995, math.nan])).against_alone is not None


def test_splits_of_the_same_rows_need_more() -> None:
    change = 0.06 + 0.1 * np.tile([1.0, -1.0, 0.5, -0.5, 0.0], 4)
    plain, corrected = (judge_one(change, rules=FamilyRules(RULES.looks, 0.01, overlap)) for overlap in (0.0, 0.5))
    assert plain.alone.low is not None
    assert corrected.alone.low is not None
    assert plain.alone.low > 0 > corrected.alone.low


def test_bh_finds_what_holm_leaves() -> None:
    generator = np.random.default_rng(0)
    changes = [(0.06, 0.06)] * 10 + [(0.0, 0.0)] * 10
    draws = [generator.integers(2**32) for _ in range(20)]
    found = {}
    for adjust in ("holm", "bh"):
        rules = FamilyRules(Looks((10,)), math.log(1.01), 0.0, adjust)  # type: ignore[arg-type]
        verdicts = [draw_family(np.random.default_rng(seed), changes, rules) for seed in draws]
        found[adjust] = sum(each.against_alone is not None for family in verdicts for each in family)
    assert found["bh"] > found["holm"] > 0


def count_false(families: int, changes: list[tuple[float, float]], noise: object, seed: int = 0) -> int:
    """In how many families some relation is called RELATED."""
    generator = np.random.default_rng(seed)
    return sum(
        any(each.verdict == "RELATED" for each in draw_family(generator, changes, RULES, noise))  # type: ignore[arg-type]
        for _ in range(families)
    )


NULLS = {
    "no difference": [(0.0, 0.0)] * 12,
    "regularisation: better than alone, as shuffled labels are": [(0.3, 0.0)] * 12,
    "informative but harmful": [(-0.3, 0.3)] * 12,
    "half regularised, half nothing": [(0.3, 0.0)] * 6 + [(0.0, 0.0)] * 6,
}


@pytest.mark.parametrize("null", NULLS)
def test_related_is_seldom_said_where_it_is_not(null: str) -> None:
    """At most 5 % of families: 100 of them have 10 or more with a probability of 3 % where it is just that."""
    assert count_false(100, NULLS[null], draw_normal) <= 9


@pytest.mark.slow
@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("noise", [draw_normal, draw_heavy])
def test_false_related_over_many_simulated_families(null: str, noise: object) -> None:
    families = 400
    false = count_false(families, NULLS[null], noise, 1)
    print(f"\nfalse RELATED, {null}, {noise.__name__}: {false} of {families} ({100 * false / families:.2f} %)")  # type: ignore[attr-defined]
    assert false <= 0.05 * families


def test_what_is_there_is_found() -> None:
    generator = np.random.default_rng(2)
    families = [draw_family(generator, [(0.15, 0.15), (-0.15, 0.0), (0.0, 0.0)], RULES) for _ in range(30)]
    words = np.array([[each.verdict for each in family] for family in families])
    assert (words[:, 0] == "RELATED").mean() > 0.9
    assert (words[:, 1] == "HARMFUL").mean() > 0.9
    assert (words[:, 2] == "RELATED").sum() == 0
