"""A gain in parts: they sum to it, validation chooses, and information is found where there is some, and only there."""

import numpy as np
import pytest

from leaderboard.analysis.waterfall import INFORMATION, SHUFFLED, build_waterfall, climb

ORDER = {"rate": ["faster"], "capacity": ["wide", "narrow"], "restarts": ["best of 5"]}


def test_each_part_stands_at_the_best_on_validation_so_far() -> None:
    validation = {"alone": 0.0, "faster": -0.1, "wide": 0.2, "narrow": -0.05, "best of 5": -0.3}
    assert climb(ORDER, validation, "alone") == [
        ("rate", "faster"),
        ("capacity", "faster"),  # neither size is better than the faster rate
        ("restarts", "best of 5"),
    ]
    backwards = climb(dict(reversed(ORDER.items())), validation, "alone")
    assert backwards == [("restarts", "best of 5"), ("capacity", "best of 5"), ("rate", "best of 5")]


def test_what_was_not_run_explains_nothing() -> None:
    assert climb(ORDER, {"alone": 0.0}, "alone") == [(name, "alone") for name in ORDER]
    assert climb(ORDER, {"faster": 0.0}, "alone") == [(name, "alone") for name in ORDER]


def test_parts_of_every_seed_sum_to_its_gain() -> None:
    generator = np.random.default_rng(0)
    errors = {name: np.exp(generator.normal(size=40)) for name in ("alone", "faster", "shuffled", "hard")}
    ladder = [("rate", "faster"), ("capacity", "faster"), (SHUFFLED, "shuffled"), (INFORMATION, "hard")]
    found = build_waterfall(errors, ladder, "alone")
    gain = np.log(errors["alone"] / errors["hard"])
    assert np.abs(found.rows.sum(axis=0) - gain).max() < 1e-12
    assert sum(part.change.mean for part in found.parts) == pytest.approx(found.total.mean, abs=1e-12)
    assert (found.parts[1].change.mean, found.parts[1].change.low) == (0.0, 0.0)


def test_a_seed_that_lacks_a_condition_is_left_out_of_every_part() -> None:
    errors = {name: np.array([1.0, 2.0, 3.0, 4.0]) for name in ("alone", "shuffled", "hard")}
    errors["shuffled"][1] = np.nan
    found = build_waterfall(errors, [(SHUFFLED, "shuffled"), (INFORMATION, "hard")], "alone")
    assert [part.change.n for part in found.parts] == [3, 3]
    assert found.total.n == 3


def fit_ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights (d, T) of ridge regressions on the same rows, towards the mean weight of all tasks: soft sharing.

    min sum_t |x w_t - y_t|^2 + 5 |w_t - m|^2 with m the mean of the least-squares weights with a small ridge.
    """
    gram = x.T @ x
    own = np.linalg.solve(gram + 0.5 * np.eye(len(gram)), x.T @ y)
    mean = own.mean(axis=1, keepdims=True)
    weights: np.ndarray = np.linalg.solve(gram + 5 * np.eye(len(gram)), x.T @ y + 5 * mean)
    return weights


def explain_ridge(generator: np.random.Generator, related: bool, seeds: int = 10) -> bool:
    """Whether the interval of the last part covers 0, of soft sharing on four drawn tasks; truth differs by seed."""
    errors: dict[str, list[float]] = {"alone": [], "shuffled": [], "soft": []}
    for _ in range(seeds):
        truth = generator.standard_normal((8, 1))
        x, test = generator.standard_normal((30, 8)), generator.standard_normal((200, 8))
        y = x @ (truth if related else np.pad(truth, ((0, 0), (0, 3)))) + generator.standard_normal((30, 4))
        dealt = np.column_stack([y[:, 0], y[generator.permutation(30), 1:]])
        for name, targets in (("alone", y[:, :1]), ("shuffled", dealt), ("soft", y)):
            off = test @ (fit_ridge(x, targets)[:, :1] - truth)
            errors[name].append(float(np.sqrt((off**2).mean())))
    arrays = {name: np.array(each) for name, each in errors.items()}
    last = build_waterfall(arrays, [(SHUFFLED, "shuffled"), (INFORMATION, "soft")], "alone").parts[-1].change
    assert last.low is not None
    assert last.high is not None
    return last.low <= 0 <= last.high


def test_information_is_zero_where_other_labels_are_noise_and_not_where_they_are_related() -> None:
    """Nominal 95 %: of 200 draws 181 or more cover 0 with probability 0.998."""
    generator = np.random.default_rng(1)
    assert sum(explain_ridge(generator, related=False) for _ in range(200)) >= 181
    assert sum(explain_ridge(generator, related=True, seeds=30) for _ in range(50)) <= 5
