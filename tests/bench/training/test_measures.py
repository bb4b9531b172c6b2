"""Measures: accumulated statistics, the scores made from them, and how much towers learned in common."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, r2_score, roc_auc_score, root_mean_squared_error

from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.core.task import Classification, Explained, Ranking, Regression
from bench.loop.effective_sharing import effective_sharing
from bench.scores import KINDS, pack_histogram, primary_error, score
from bench.training.evaluate import evaluate
from tests.conftest import make_run

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("sizes", [[50], [1, 20, 29], [25, 25]])
def test_classification_pools_batches(sizes: list[int]) -> None:
    logits, truth = torch.from_numpy(GENERATOR.normal(size=(50, 4))), torch.from_numpy(GENERATOR.integers(0, 3, 50))
    metric = Classification(4)
    for x, y in zip(logits.split(sizes), truth.split(sizes), strict=True):
        metric.update(x, y)
    guess = logits.argmax(dim=1)
    assert metric.state() == {"confusion": confusion_matrix(truth, guess, labels=range(4)).tolist()}
    assert score("classification", metric.state())["accuracy"] == pytest.approx(100 * accuracy_score(truth, guess))
    assert primary_error("classification", metric.state()) == pytest.approx(1 - accuracy_score(truth, guess))


@pytest.mark.parametrize("sizes", [[50], [1, 20, 29], [25, 25]])
def test_regression_pools_batches(sizes: list[int]) -> None:
    guess, truth = (torch.from_numpy(GENERATOR.normal(size=(50, 2))).float() for _ in range(2))
    metric = Regression()
    for x, y in zip(guess.split(sizes), truth.split(sizes), strict=True):
        metric.update(x, y)
    rmse = math.sqrt(float((guess.double() - truth.double()).square().mean()))
    assert metric.state()["count"] == 100
    assert score("regression", metric.state()) == {"rmse": pytest.approx(rmse, rel=1e-12)}
    assert primary_error("regression", metric.state()) == pytest.approx(rmse, rel=1e-12)
    flat = root_mean_squared_error(truth.flatten().double(), guess.flatten().double())
    assert rmse == pytest.approx(flat, rel=1e-12)


@pytest.mark.parametrize("metric", [Classification(2), Regression()])
def test_a_metric_that_saw_nothing_has_no_state(metric: Classification | Regression) -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        metric.state()


def test_perfect_scores_have_an_error_whose_logarithm_exists() -> None:
    assert primary_error("classification", {"confusion": [[7, 0], [0, 3]]}) == 0.5 / 10
    assert score("classification", {"confusion": [[7, 0], [0, 3]]}) == {"accuracy": 100.0}
    assert primary_error("regression", {"count": 4, "squared_error": 0.0}) == 1e-12


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("classification", {"confusion": [[1, 2]]}),
        ("classification", {"confusion": [[1, -1], [0, 0]]}),
        ("classification", {"confusion": [[0.5, 0.5], [0, 0]]}),
        ("classification", {"confusion": [[0, 0], [0, 0]]}),
        ("classification", {"confusion": [[True, 0], [0, 9]]}),
        ("segmentation", {"confusion": [[5, 0], [False, 9]]}),
        ("regression", {"count": 0, "squared_error": 0.0}),
        ("regression", {"count": 3, "squared_error": -1.0}),
        ("regression", {"count": 3, "squared_error": math.nan}),
        ("regression", {"count": 3, "squared_error": math.inf}),
        ("regression", {"count": 3, "squared_error": 10**400}),
        ("regression", {"count": "3", "squared_error": 1.0}),
        ("regression", {"count": 3.0, "squared_error": 1.0}),
        ("regression", {"count": True, "squared_error": 1.0}),
        ("regression", {"count": 3, "squared_error": "1"}),
        # counts whose sum runs over 64 bits and looks like 10 rows, most of them right
        ("classification", {"confusion": [[2**63 - 1, 12], [0, 2**63 - 1]]}),
        ("segmentation", {"confusion": [[2**63 - 1, 12], [0, 2**63 - 1]]}),
        ("classification", {"confusion": [[2**64 - 1, 11], [0, 0]]}),
        ("normals", {"count": 3600, "angle_sum": 1.0, "histogram": pack_histogram(np.full(3600, 2**53 + 1))}),
        ("ranking", {"positives": 0, "negatives": 3, "wins": 0.0}),
        ("ranking", {"positives": 2, "negatives": 3, "wins": 7.0}),
    ],
)
def test_impossible_statistics_are_refused(kind: str, state: dict[str, object]) -> None:
    for function in (score, primary_error):
        with pytest.raises(ValueError, match="should"):
            function(kind, state)


@pytest.mark.parametrize("total", ["3.0", True, None, [3.0]])
def test_a_sum_of_targets_is_a_number(total: object) -> None:
    state = {"count": 4, "squared_error": 1.0, "target_sum": total, "target_squares": 9.0}
    with pytest.raises(ValueError, match="`target_sum` should be a number"):
        score("explained", state)


@pytest.mark.parametrize(("squares", "refused"), [(1e99, False), (1e101, True), (1e300, True)])
def test_a_score_whose_square_would_run_over_is_refused(squares: float, refused: bool) -> None:
    """Else a table with three such runs has an interval that is infinite."""
    state = {"count": 1, "absolute_error": squares, "relative_error": 0.0}
    if refused:
        with pytest.raises(ValueError, match=r"`abs_err` should be finite, at most 1e\+100. Found 1e\+"):
            score("depth", state)
    else:
        assert score("depth", state)["abs_err"] == squares


def test_kinds_name_what_they_compute() -> None:
    right = np.zeros(3600, dtype=int)
    right[[0, 224, 225, 1800]] = 1, 1, 1, 1  # angles of 0.025, 11.225, 11.275 and 90.025 degrees
    states = {
        "classification": {"confusion": [[3, 1], [0, 4]]},
        "regression": {"count": 4, "squared_error": 9.0},
        "segmentation": {"confusion": [[3, 1], [0, 4]]},
        "depth": {"count": 4, "absolute_error": 2.0, "relative_error": 1.0},
        "explained": {"count": 4, "squared_error": 1.0, "target_sum": 4.0, "target_squares": 8.0},
        "ranking": {"positives": 2, "negatives": 4, "wins": 6.5},
        "one_against_rest": {"confusion": [[3, 1], [0, 4]]},
        "normals": {"count": 4, "angle_sum": 112.55, "histogram": pack_histogram(right)},
    }
    built_in = {name for name, kind in KINDS.items() if kind.compute.__module__ == "bench.scores"}
    assert states.keys() == built_in  # data sets of one's own register further ones
    assert {name: score(name, state) for name, state in states.items()} == {
        "classification": {"accuracy": 87.5},
        "regression": {"rmse": 1.5},
        "segmentation": {"miou": pytest.approx(77.5), "pixel_accuracy": 87.5},  # (3/4 + 4/5) / 2
        "depth": {"abs_err": 0.5, "rel_err": 0.25},
        "explained": {"explained_variance": 75.0, "rmse": 0.5},
        "ranking": {"auc": 81.25},
        "one_against_rest": {"accuracy": 87.5},
        "normals": {
            "mean_angle": 28.1375,
            "median_angle": pytest.approx(11.25),
            "within_11.25": 50.0,
            "within_22.5": 75.0,
            "within_30": 75.0,
        },
    }
    for name, state in states.items():
        kind, scores = KINDS[name], score(name, state)
        assert [metric.name for metric in kind.metrics] == list(scores)
        assert all(metric.low <= scores[metric.name] <= metric.high for metric in kind.metrics)
        assert set(kind.keys) == state.keys()
        assert kind.error_of is not None
        assert kind.error_of(scores) == pytest.approx(primary_error(name, state))
        assert kind.truth(state)
        assert kind.contradictions(state) == []
    with pytest.raises(ValueError, match="no kind of metric `regresion`; the nearest: `regression`"):
        score("regresion", {})


@pytest.mark.parametrize("suite", ["synthetic:tasks=3", "synthetic:inputs=own,tasks=3"])
def test_evaluation_sees_every_row_in_evaluation_mode(suite: str) -> None:
    """Whatever the size of its pieces, the statistics are those of one pass over the whole split."""
    run = make_run("hard", suite)
    whole = run.data("val")
    data = Dataset(*whole.take([torch.arange(45)] * len(whole.groups)))
    modes = []
    run.model.register_forward_hook(lambda model, *_: modes.append(model.training))
    for rows in (1000, 45, 7):
        found = evaluate([(run.model, TrainState())], data, rows)
        with torch.no_grad():
            outputs = {task: run.model({task: x}, TrainState())[task] for task, x in data.inputs.items()}
        for task, output in outputs.items():
            assert found[task]["count"] == 45
            assert found[task]["squared_error"] == pytest.approx(float((output - data.targets[task]).square().sum()))
    assert run.model.training
    pieces = len(data.groups) * (1 + 1 + 7)
    assert modes.count(False) == pieces


def test_constant_targets_have_no_explained_variance() -> None:
    with pytest.raises(ValueError, match="not all the same"):
        score("explained", {"count": 4, "squared_error": 1.0, "target_sum": 8.0, "target_squares": 16.0})


def test_explained_variance_is_that_of_scikit_learn_on_all_rows() -> None:
    """Over tasks in one pool, whatever the pieces."""
    generator = torch.Generator().manual_seed(0)
    y, z = (torch.randn(60, 1, generator=generator).double() for _ in range(2))
    metric = Explained()
    for piece in (slice(0, 7), slice(7, 40), slice(40, 60)):
        metric.update(z[piece], y[piece])
    found = score("explained", metric.state())
    assert found["explained_variance"] == pytest.approx(100 * r2_score(y.numpy(), z.numpy()))
    assert found["rmse"] == pytest.approx(float((y - z).square().mean().sqrt()))


def test_the_area_under_the_curve_is_that_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 12, (80, 1), generator=generator).double()  # with ties
    labels = (torch.rand(80, 1, generator=generator) < 0.3).double()
    metric = Ranking()
    for piece in (slice(0, 33), slice(33, 80)):
        metric.update(scores[piece], labels[piece])
    state = metric.state()
    assert score("ranking", state)["auc"] == pytest.approx(100 * roc_auc_score(labels.numpy(), scores.numpy()))
    assert primary_error("ranking", state) == pytest.approx(1 - score("ranking", state)["auc"] / 100)
    assert primary_error("ranking", {"positives": 2, "negatives": 5, "wins": 10.0}) == 0.05  # half a pair


# --- effective sharing -------------------------------------------------------------------------


def shared(*updates: list[list[float]]) -> dict[str, float]:
    """The measure of towers that all start at (1, -1) and moved by these updates."""
    moves = torch.tensor(updates, dtype=torch.float64)
    start = torch.tensor([[1.0, -1.0]]).double().expand_as(moves)
    return effective_sharing({"w": start}, {"w": start + moves})


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        ([[[1, 2]], [[1, 2]], [[1, 2]]], 1.0),  # all alike: hard
        ([[[1, 0]], [[0, 1]]], 0.5),  # orthogonal: 1 / T
        ([[[3, 0]], [[0, 0]]], 0.5),  # one tower alone: 1 / T
        ([[[1, 2]], [[-1, -2]]], 0.0),  # opposite
        ([[[2, 0]], [[1, 0]]], 0.9),  # mean 1.5: 1 - 2 (.25) / 5
        ([[[5, 5]]], 1.0),  # one task
    ],
)
def test_effective_sharing(updates: list[list[list[float]]], expected: float) -> None:
    assert shared(*updates) == {"w": pytest.approx(expected, abs=1e-12)}


def test_unrelated_updates_share_one_over_t() -> None:
    updates = torch.randn(8, 100, 100, generator=torch.Generator().manual_seed(0))
    found = effective_sharing({"w": torch.zeros(8, 100, 100)}, {"w": updates})
    assert found["w"] == pytest.approx(1 / 8, abs=0.005)


def test_vectors_and_what_did_not_move_are_left_out() -> None:
    start = {"bias": torch.zeros(2, 3), "still": torch.ones(2, 3, 3), "kernel": torch.zeros(2, 3, 3, 2, 2)}
    end = {"bias": torch.ones(2, 3), "still": torch.ones(2, 3, 3), "kernel": torch.ones(2, 3, 3, 2, 2)}
    assert effective_sharing(start, end) == {"kernel": 1.0}
