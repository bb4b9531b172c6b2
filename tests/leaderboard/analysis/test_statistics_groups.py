"""Tie groups: laws over random boards, those of an algorithm that goes through everything, and boards without end."""

import time

import numpy as np
import pytest

from leaderboard.analysis.letters import join_letters, letters_of
from leaderboard.analysis.statistics import compare_pairs, find_ties
from leaderboard.analysis.statistics.groups import clique_cover


def graph(rows: int, share: float, draw: int) -> np.ndarray:
    """A random symmetric graph with loops."""
    upper = np.triu(np.random.default_rng(draw).random((rows, rows)) < share, 1)
    return upper | upper.T | np.eye(rows, dtype=bool)


def cocktail(parts: int, size: int) -> np.ndarray:
    """All pairs but those inside a part: size^parts maximal cliques."""
    part = np.repeat(np.arange(parts), size)
    return (part[:, None] != part) | np.eye(parts * size, dtype=bool)


def split_pair_by_pair(tied: np.ndarray) -> list[list[int]]:
    """All maximal cliques as Piepho (2004) finds them: a group with a rejected pair falls into two."""
    groups = [frozenset(range(len(tied)))]
    for a, b in np.argwhere(np.triu(~tied)):
        parts = [part for group in groups for part in ((group - {a}, group - {b}) if {a, b} <= group else (group,))]
        groups = [group for group in dict.fromkeys(parts) if not any(group < other for other in parts)]
    return sorted(sorted(group) for group in groups)


def triples(methods: int, seeds: int = 20) -> np.ndarray:
    """Changes that are constant apart inside a triple and noise between triples: 3^(methods / 3) maximal groups."""
    g = np.random.default_rng(0)
    steps = np.arange(3.0)[:, None]
    own = [10 * g.standard_normal(seeds) + steps + 1e-3 * g.standard_normal((3, seeds)) for _ in range(methods // 3)]
    return np.concatenate(own)


def test_tie_groups_may_overlap():
    noise = np.array([1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 1.0, -1.0])
    changes = np.array([noise, 0.9 - noise, np.full(8, 5.0)])
    # 0 and 1 differ by 0.9 with deviation 2.4; 2 is far above both
    assert find_ties(changes).groups() == [[2], [1, 0]]
    # in the middle a method so noisy that it ties with both, which alone are far apart
    changes = np.array([5.0 + 0.1 * noise, 2.5 + 9 * noise, -0.1 * noise])
    assert find_ties(changes).groups() == [[0, 1], [1, 2]]
    # and one that is not in the middle: nothing says that it is above or below either
    changes[1] += 4.0
    assert find_ties(changes).groups() == [[1, 0], [1, 2]]


@pytest.mark.parametrize("draw", range(20))
def test_methods_share_a_group_exactly_where_the_data_do_not_order_them(draw):
    generator = np.random.default_rng(draw)
    scale = generator.uniform(0.1, 3, (7, 1))
    changes = generator.normal(0, 2, (7, 1)) + scale * generator.normal(size=(7, 8))
    groups = find_ties(changes).groups()
    together = np.array([[any({a, b} <= set(group) for group in groups) for a in range(7)] for b in range(7)])
    np.testing.assert_array_equal(together, compare_pairs(changes) > 0.05)
    assert not any(set(one) < set(other) for one in groups for other in groups)
    means = changes.mean(axis=1)
    assert all(list(means[group]) == sorted(means[group], reverse=True) for group in groups)
    firsts = [means[group[0]] for group in groups]
    assert firsts == sorted(firsts, reverse=True)


def test_methods_that_do_not_differ_are_one_group():
    generator = np.random.default_rng(0)
    split = sum(len(find_ties(generator.normal(size=(5, 6))).groups()) > 1 for _ in range(500))
    assert split / 500 <= 0.06


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("draw", range(6))
def test_few_groups_are_all_maximal_ones(share, draw):
    tied = graph(9, share, draw)
    assert clique_cover(tied, most=200) == split_pair_by_pair(tied)


@pytest.mark.parametrize(
    "tied", [*(graph(14, share, draw) for share in (0.5, 0.8, 0.9) for draw in range(4)), cocktail(8, 3)]
)
def test_a_cover_has_every_tied_pair_and_no_other(tied):
    every = split_pair_by_pair(tied)
    found = clique_cover(tied, most=len(every) - 1)
    assert found is not None
    assert len(found) < len(every)
    together = np.zeros_like(tied)
    for group in found:
        together[np.ix_(group, group)] = True
    np.testing.assert_array_equal(together, tied)
    assert all(group in every for group in found)  # each as large as it can be, none of them in another


def test_a_cover_stays_below_its_bound_or_is_none():
    # of two independent halves no three tie: every pair needs a group of its own
    halves = np.eye(12, dtype=bool)
    halves[:6, 6:] = halves[6:, :6] = True
    assert len(clique_cover(halves, most=36)) == 36
    assert clique_cover(halves, most=35) is None
    for tied in (graph(20, 0.6, draw) for draw in range(5)):
        assert all(len(found) <= most for most in range(1, 60) if (found := clique_cover(tied, most)))


@pytest.mark.parametrize("methods", [60, 500])
def test_boards_with_exponentially_many_groups_end(methods):
    changes = triples(methods)
    start = time.process_time()
    groups = find_ties(changes).groups()
    assert time.process_time() - start < 20
    assert len(groups) <= methods
    together = np.zeros((len(changes), len(changes)), dtype=bool)
    for group in groups:
        together[np.ix_(group, group)] = True
    np.testing.assert_array_equal(together, ~(compare_pairs(changes) <= 0.05))


def test_where_no_groups_are_few_enough_there_is_a_comparison_with_the_first():
    g = np.random.default_rng(0)
    halves = [10 * g.standard_normal(20) + np.arange(30)[:, None] + 1e-3 * g.standard_normal((30, 20)) for _ in "ab"]
    changes = np.concatenate(halves)
    assert find_ties(changes).groups() is None
    first = int(changes.mean(axis=1).argmax())
    found = find_ties(changes).with_first()
    assert found[0] == first
    assert sorted(found) == np.flatnonzero(~(compare_pairs(changes)[first] <= 0.05)).tolist()
    assert find_ties(np.full((2, 3), np.nan)).with_first() == []


def test_letters_go_on_after_z_and_are_joined():
    groups = [[0], *([[0, 1]] * 30), [1]]
    first, second = letters_of(groups, 2)
    assert (first[:2], first[-1], second[0], second[-1]) == (("a", "b"), "ae", "b", "af")
    assert join_letters(first[:3]) == "abc"
    assert join_letters(("z", "aa")) == "z aa"
