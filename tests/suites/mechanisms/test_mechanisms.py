"""Each mechanism against an independent form of its equation, with tolerances from its own deviations."""

import numpy as np
import pytest

from suites.mechanisms.amplification import Amplification, Sampling
from suites.mechanisms.attributes import Attributes
from suites.mechanisms.bias import Bias
from suites.mechanisms.codes import CODE, FUNCTIONS, Peaks, Sums, code_bits
from suites.mechanisms.eavesdropping import Eavesdropping
from suites.mechanisms.features import Features
from suites.mechanisms.horizon import Horizon, simulate
from suites.mechanisms.overfitting import Overfitting
from suites.mechanisms.quantised import Quantised, quantise
from suites.mechanisms.ridges import Ridges
from suites.mechanisms.scans import Alvinn, Doors

ROWS = 20_000
CLOSE = 5 / np.sqrt(ROWS)  # five deviations of a mean of unit variance


def evaluate_ridges(f: Ridges, x: np.ndarray) -> np.ndarray:
    """f at rows (n, d), number by number."""
    pairs = list(zip(f.weights, f.directions, strict=True))
    return np.array(
        [sum(a * np.tanh(2 * sum(w * v for w, v in zip(row, each, strict=True))) for a, row in pairs) for each in x]
    )


def test_ridges_are_of_unit_length() -> None:
    f = Ridges.draw(np.random.default_rng(0), 3)
    np.testing.assert_allclose(np.linalg.norm(f.directions, axis=1), 1)
    assert np.linalg.norm(f.weights) == pytest.approx(1)
    x = np.random.default_rng(1).normal(size=(5, 10))
    np.testing.assert_allclose(f(x), evaluate_ridges(f, x))


def test_the_noise_of_copies_is_their_own_or_that_of_the_first() -> None:
    for relation in (0.0, 0.36, 1.0):
        problem = Amplification(relation=relation, tasks=3, noise=2.0)
        x, y = problem.draw(0, ("train",), ROWS)
        errors = (y - problem.truth(0)(x)[:, None]) / 2
        # e_t = sqrt(r) own + sqrt(1 - r) e_1: correlation sqrt(1 - r) with the first, 1 - r among the others.
        wanted = np.full((3, 3), 1 - relation)
        wanted[0] = wanted[:, 0] = np.sqrt(1 - relation)
        np.fill_diagonal(wanted, 1)
        np.testing.assert_allclose(errors.T @ errors / ROWS, wanted, atol=CLOSE * np.sqrt(2))
    same = Amplification(relation=0.0).draw(0, ("train",), 50)[1]
    np.testing.assert_allclose(same, np.repeat(same[:, :1], 4, axis=1))


@pytest.mark.parametrize(("relation", "common"), [(0.0, 50), (0.5, 25), (1.0, 0)])
def test_a_share_of_the_rows_is_a_tasks_own(relation: float, common: int) -> None:
    problem = Sampling(relation=relation)
    x, y = problem.draw(0, ("train",), 50)
    assert [int((x[t] == x[0]).all(axis=1).sum()) for t in (1, 2, 3)] == [common] * 3
    np.testing.assert_allclose(y[:, 2], problem.truth(0)(x[2]))


def test_the_easy_feature_has_its_weight_in_the_hard_task() -> None:
    problem = Eavesdropping(weight=0.3, noise=0.0)
    direction, other = problem.truth(4)
    x, y = problem.draw(4, ("train",), 50)
    u, f = x @ direction, np.tanh(2 * (x @ direction))
    np.testing.assert_allclose(y[:, 0], np.sqrt(0.3) * f + np.sqrt(0.7) * np.sqrt(2) * np.sin(3 * u))
    np.testing.assert_allclose(y[:, 1], f)
    np.testing.assert_allclose(Eavesdropping(relation=0.0).draw(4, ("train",), 50)[1][:, 1], np.tanh(2 * (x @ other)))


def test_no_direction_shows_the_wave_as_it_shows_the_feature() -> None:
    problem = Eavesdropping(noise=0.0)
    x, y = problem.draw(0, ("train",), ROWS)
    wave, feature = np.abs(np.corrcoef(np.column_stack([y, x]).T)[:2, 2:]).max(axis=1)
    # E[u sqrt(2) sin 3u] = 3 sqrt(2) exp(-9/2) for u ~ N(0, 1), whose share of one column is the direction's.
    assert wave < 3 * np.sqrt(2) * np.exp(-4.5) + CLOSE
    assert feature > 0.3


@pytest.mark.parametrize(("relation", "common"), [(0.0, 0), (0.5, 2), (1.0, 4)])
def test_supports_have_a_share_in_common(relation: float, common: int) -> None:
    weights = Attributes(relation=relation, tasks=50).truth(0)
    assert ((weights != 0).sum(axis=0) == 4).all()
    assert int((weights != 0).all(axis=1).sum()) == common
    if not relation:
        assert ((weights != 0).sum(axis=1) == 1).all()


@pytest.mark.parametrize("bits", [1, 3, 4])
def test_blocks_repeat_the_label_of_their_tasks_and_of_no_others(bits: int) -> None:
    problem = Bias(bits=bits, scale=7.0, relation=0.5)
    x, y = problem.draw(0, ("train",), ROWS)
    # By products of signs: odd numbers of ones are where (-1)^bits times the product of all is -1.
    parity = {b: np.prod(-np.sign(x[:, :, i * bits : (i + 1) * bits]), axis=2) < 0 for i, b in enumerate("ABC")}
    agree = {b: [(parity[b][t] == y[:, t]).mean() for t in (0, 1)] for b in "ABC"}
    assert (agree["A"][0], agree["B"][0], agree["C"][1]) == (1, 1, 1)
    np.testing.assert_allclose([agree["C"][0], agree["B"][1]], 0.5, atol=CLOSE / 2)
    assert agree["A"][1] == pytest.approx(0.75, abs=CLOSE / 2)  # half of the rows, and half of the others by chance
    np.testing.assert_array_equal(np.abs(x[:, :, bits : 2 * bits]), 7)
    fresh, columns = x[0].copy(), problem.input_blocks(0)["B"]
    fresh[:, columns] = x[0][np.random.default_rng(0).permutation(ROWS)][:, columns]  # as probes deal it out
    assert (fresh != x[0]).any(axis=0).tolist() == [False] * bits + [True] * bits + [False] * bits
    np.testing.assert_array_equal(np.abs(fresh), np.abs(x[0]))


def test_tasks_read_the_same_features_in_their_own_ways() -> None:
    directions, weights = Overfitting(tasks=5).truth(0)
    assert np.ptp(directions, axis=0).max() == 0
    assert np.linalg.matrix_rank(weights) == 4
    own, _ = Overfitting(tasks=5, relation=0.0).truth(0)
    assert np.linalg.matrix_rank(own.reshape(5, -1)) == 5
    problem = Overfitting(tasks=2, noise=0.0, relation=0.5)
    x, y = problem.draw(0, ("train",), 20)
    for t, (w, a) in enumerate(zip(*problem.truth(0), strict=True)):
        np.testing.assert_allclose(y[:, t], evaluate_ridges(Ridges(w, a), x))


def test_steps_are_of_equal_width_and_two_say_the_sign() -> None:
    values = np.linspace(-3, 3, 1001)[:-1]
    np.testing.assert_array_equal(quantise(values, 3.0, 2), np.where(values < 0, -1.5, 1.5))
    np.testing.assert_allclose(np.abs(quantise(values, 3.0, 6) - values).max(), 0.5, atol=1e-9)
    assert np.bincount(np.round(quantise(values, 3.0, 4) / 1.5 + 1.5).astype(int)).tolist() == [250] * 4
    x, y = Quantised(levels=1024).draw(0, ("train",), 100)
    f = Quantised().truth(0)[0]
    np.testing.assert_array_equal(y[:, 0], f(x) > 0)
    np.testing.assert_allclose(y[:, 1], f(x), atol=2 * np.sqrt(2) / 1024)


def test_peaks_are_all_ordered_triples_and_follow_the_formula() -> None:
    assert len(set(FUNCTIONS)) == 120
    problem = Peaks(tasks=120)
    codes, y = problem.draw(0, ("train",), 200)
    centres = np.linspace(0, 1, CODE)
    for row in range(10):  # a number is decoded from its bumps by the centre where they are largest
        bumps = codes[row].reshape(6, CODE)
        values = [float(centres[each.argmax()]) for each in bumps]
        for t, (a, b, c) in enumerate(FUNCTIONS):
            if abs(values[a] - 0.5) > 0.06:
                assert y[row, t] == pytest.approx(values[b] if values[a] > 0.5 else values[c], abs=0.06)


def test_sums_are_of_the_numbers_that_bits_stand_for() -> None:
    np.testing.assert_array_equal(code_bits(np.array([[-5.0, 5.0]])), [[0] * 10 + [1] * 10])
    for use, inputs, tasks in (("target", 20, 2), ("input", 21, 1), ("none", 20, 1)):
        x, y = Sums(use=use).draw(0, ("train",), 40)  # type: ignore[arg-type]
        assert (x.shape, y.shape) == ((40, inputs), (40, tasks))
        a, b = (10 * int("".join(str(int(bit)) for bit in x[3, i : i + 10]), 2) / 1023 - 5 for i in (0, 10))
        assert y[3, 0] == pytest.approx(1 / (1 + np.exp(-a - b)))
        second = y[3, 1] if use == "target" else x[3, -1]
        assert use == "none" or second == pytest.approx(1 / (1 + np.exp(b - a)), rel=1e-6)


def test_a_measured_feature_is_a_target_an_input_or_nothing() -> None:
    f = Features().truth(1)
    target, given, nothing = (Features(use=use).draw(1, ("train",), ROWS) for use in ("target", "input", "none"))  # type: ignore[arg-type]
    np.testing.assert_allclose(given[0][:, 10:], target[1][:, 1:])
    np.testing.assert_array_equal(target[0], nothing[0])
    assert [set(map(len, (x.T, y.T))) for x, y in (target, given, nothing)] == [{10, 3}, {12, 1}, {10, 1}]
    assert (given[0][:, 10:] - f.features(given[0][:, :10])).std(axis=0) == pytest.approx(1, abs=CLOSE)
    assert (nothing[1][:, 0] - f(nothing[0])).std() == pytest.approx(0.5, abs=CLOSE)


def test_lines_show_what_their_tasks_ask_for() -> None:
    line, tasks = Alvinn().scan(np.random.default_rng(0), 200)
    steering, two, place, left, right, width, road, shoulder, grey = tasks.T
    np.testing.assert_allclose(right - left, width)
    np.testing.assert_allclose(steering, np.where(two == 1, (place + right) / 2, place))
    at = (np.arange(32) + 0.5) / 32
    for row in range(200):
        assert set(line[row]) <= {road[row], shoulder[row], grey[row]}
        assert (grey[row] in line[row]) == bool(two[row])
        np.testing.assert_array_equal(line[row] == shoulder[row], (at <= left[row]) | (at >= right[row]))
    line, tasks = Doors().scan(np.random.default_rng(0), 200)
    knob, double, left, right, middle, width, leaf, leaf_width, *_ = tasks.T
    np.testing.assert_allclose(leaf_width, np.where(double == 1, width / 2, width))
    np.testing.assert_allclose(leaf + leaf_width / 2, right)
    assert ((knob > leaf - leaf_width / 2) & (knob < right)).all()
    blue, at = line[:, 30:], (np.arange(30) + 0.5) / 30
    brightest = at[blue.argmax(axis=1)]
    single = double == 0
    np.testing.assert_allclose(brightest[single], knob[single], atol=1.5 / 30)
    np.testing.assert_allclose(middle, (left + right) / 2)


def test_futures_are_those_of_the_oscillator() -> None:
    problem = Horizon(noise=0.0, horizon=20, tasks=3)
    assert problem.steps == [20, 10, 5]
    x, y = problem.draw(0, ("train",), 4)
    places = simulate(problem.make_generator(0, "train"), 4, 28)
    np.testing.assert_allclose(x, places[:, :8], atol=1e-6)
    np.testing.assert_array_equal(y, places[:, [27, 17, 12]])
    # On the limit cycle of mu = 2 the place swings between about -2 and 2, whatever the start.
    late = simulate(np.random.default_rng(1), 50, 200)[:, 100:]
    np.testing.assert_allclose(np.abs(late).max(axis=1), 2, atol=0.1)
