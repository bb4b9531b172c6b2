"""Kernel regression, nearest neighbours and trees: against numpy, scipy and scikit-learn, and as rows of a table."""

from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.core.losses import cross_entropy_loss
from bench.core.sharing import Blueprint
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.core.task import Classification, Ranking, Task
from bench.errors import UsageError
from bench.judge.channel import Channel
from bench.judge.requests import describe
from bench.perf.harness import prepare_block
from bench.planning.plan import parse_suite, plan
from bench.planning.question import Question
from bench.records import ResultRecord
from bench.toolbox.leave_one_out import STARTS, Labelled, Neighbourhood, compute_error, learn_weights
from bench.toolbox.outcomes import SMOOTHING, Outcome
from bench.training.fit import fit
from bench.training.stacked.seeds import fit_stacked
from leaderboard.analysis.costs import cost_of_run
from leaderboard.intake.soundness import find_further_problems

LEARNERS = ("kernel_regression", "nearest_neighbours", "trees")
NAMES = ("task00", "task01", "task02")
X = np.random.default_rng(0).normal(size=(40, 20)) * np.linspace(0.5, 3, 20) + 1
NEW = np.random.default_rng(1).normal(size=(15, 20)) * np.linspace(0.5, 3, 20) + 1
Y = np.stack([5 * np.sin(X[:, 0]) + X[:, 1], X[:, 1] - X[:, 2], X[:, 3] ** 2], axis=1)
CLASSES = np.digitize(X[:, 0] + X[:, 4], [0.5, 2.0])


def numbers() -> Suite:
    """Three tasks that predict numbers from twenty attributes of the same rows."""
    return parse_suite("synthetic:tasks=3,train=16")[1]


def mixed() -> Suite:
    """A task of three classes, one of binary labels, and one of numbers."""
    suite = numbers()

    def head(shape: tuple[int, ...]) -> nn.Module:
        return nn.Linear(shape[0], 3)

    suite.tasks = [
        Task(NAMES[0], head, cross_entropy_loss, partial(Classification, 3)),
        Task(NAMES[1], head, cross_entropy_loss, Ranking),
        suite.tasks[2],
    ]
    return suite


def fitted(text: str, targets: np.ndarray = Y, suite: Suite | None = None, iterations: int = 30) -> Any:
    """The learner, fitted to the rows X and a column of labels for each task."""
    sharing: Any = Method.parse(text).sharing.build(Blueprint(suite or numbers(), 0)).double()
    y = {name: torch.from_numpy(column.copy()) for name, column in zip(NAMES, targets.T, strict=True)}
    sharing.fit(dict.fromkeys(NAMES, torch.from_numpy(X)), y, iterations, torch.Generator().manual_seed(0))
    return sharing


def predicted(sharing: Any, rows: np.ndarray = NEW) -> list[np.ndarray]:
    found = sharing(dict.fromkeys(NAMES, torch.from_numpy(rows)), TrainState())
    return [found[name].numpy() for name in NAMES]


def scaled(sharing: Any, task: int, rows: np.ndarray) -> np.ndarray:
    """Attributes times the learned weights."""
    return np.asarray(rows / X.std(axis=0) * sharing.metric[task].numpy())


# --- the metric ---------------------------------------------------------------------------------


def loo_by_hand(w: np.ndarray, x: np.ndarray, columns: np.ndarray, classes: bool, queries: list[int]) -> float:
    """The mean leave-one-out error over that of the best constant, row by row."""
    C = columns.shape[1]

    def error(z: np.ndarray, y: np.ndarray) -> float:
        return float(-np.log((1 - SMOOTHING) * z[y > 0][0] + SMOOTHING / C) if classes else ((z - y) ** 2).sum())

    total = 0.0
    for i in queries:
        K = np.exp(-((w * (x - x[i])) ** 2).sum(axis=1) / 2) * (np.arange(len(x)) != i)
        total += error(K @ columns / K.sum(), columns[i]) / len(queries)
    return total / float(np.mean([error(columns.mean(axis=0), y) for y in columns]))


def small() -> tuple[list[Neighbourhood], Any]:
    """Three tasks on four attributes, two of them on the same rows, and their weighted error by numpy."""
    x, other = X[:30, :4] - 1, X[30:, :4] - 1
    table = [(x, Y[:30, :1], Outcome()), (x, np.eye(3)[CLASSES[:30]], Outcome(3)), (other, Y[30:, 1:2], Outcome())]
    queries = [list(range(0, 30, 2)), list(range(6))]
    tensors = [torch.from_numpy(x), torch.from_numpy(other)]
    labels = [
        Labelled(t, outcome, torch.from_numpy(columns), outcome.measure_spread(torch.from_numpy(columns)))
        for t, (_, columns, outcome) in enumerate(table)
    ]
    groups = [labels[:2], labels[2:]]
    places = [Neighbourhood(rows, own, torch.tensor(q)) for rows, own, q in zip(tensors, groups, queries, strict=True)]

    def by_hand(w: np.ndarray, weights: np.ndarray) -> float:
        each = [
            loo_by_hand(w, rows, columns, outcome.classes > 0, queries[t // 2])
            for t, (rows, columns, outcome) in enumerate(table)
        ]
        return float(weights @ each)

    return places, by_hand


def test_the_leave_one_out_error_and_its_gradient_are_those_of_a_plain_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.toolbox.leave_one_out.MAX_BLOCK", 120)  # four rows of a block
    places, by_hand = small()
    w, weights = np.array([0.7, 0.3, 1.1, 0.2]), np.array([1.0, 0.4, 0.8])
    value, gradient = compute_error(torch.from_numpy(w), places, torch.from_numpy(weights))
    assert value == pytest.approx(by_hand(w, weights), rel=1e-12)
    steps = 1e-5 * np.eye(4)
    slopes = [(by_hand(w + step, weights) - by_hand(w - step, weights)) / 2e-5 for step in steps]
    assert gradient.numpy() == pytest.approx(slopes, rel=1e-6, abs=1e-8)


def test_the_metric_is_at_a_minimum_that_another_program_finds() -> None:
    places, by_hand = small()
    weights = np.array([1.0, 0.0, 0.0])
    found, end = learn_weights(places, torch.from_numpy(weights), 500)
    starts = [np.full(4, scale / 2) for scale in STARTS]
    other = minimize(by_hand, min(starts, key=lambda w: by_hand(w, weights)), args=(weights,), tol=1e-9)
    assert end.objective == pytest.approx(by_hand(found.numpy(), weights), rel=1e-12)
    assert end.objective == pytest.approx(other.fun, abs=1e-6)


def test_what_lam_does_to_the_metric() -> None:
    alone, again = fitted("kernel_regression:lam=0"), fitted("kernel_regression:lam=0", Y[:, [0, 2, 1]])
    assert torch.equal(alone.metric[0], again.metric[0])
    assert not torch.allclose(alone.metric[0], alone.metric[1], rtol=0.1)
    together = fitted("kernel_regression:lam=2").metric  # T - 1
    assert torch.equal(together[0], together[1])
    assert torch.equal(together[0], together[2])


# --- predictions --------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0, 1])
def test_kernel_regression_is_a_weighted_mean_of_labels(lam: int) -> None:
    sharing = fitted(f"kernel_regression:lam={lam}")
    for t, found in enumerate(predicted(sharing)):
        near, rows = scaled(sharing, t, X), scaled(sharing, t, NEW)
        K = np.exp(-((rows[:, None] - near[None]) ** 2).sum(axis=2) / 2)
        assert found[:, 0] == pytest.approx(K @ Y[:, t] / K.sum(axis=1), rel=1e-9)


@pytest.mark.parametrize("lam", [0, 1])
def test_nearest_neighbours_are_those_of_scikit_learn(lam: int) -> None:
    sharing = fitted(f"nearest_neighbours:k=4,lam={lam}")
    for t, found in enumerate(predicted(sharing)):
        other = KNeighborsRegressor(4).fit(scaled(sharing, t, X), Y[:, t])
        assert found[:, 0] == pytest.approx(other.predict(scaled(sharing, t, NEW)), rel=1e-9)


def test_classes_are_voted_on() -> None:
    targets = np.stack([CLASSES, CLASSES > 0, Y[:, 0]], axis=1)
    sharing = fitted("nearest_neighbours:k=5", targets, mixed())
    votes, logit, _ = predicted(sharing)
    for t, labels in enumerate((CLASSES, CLASSES > 0)):
        other = KNeighborsClassifier(5).fit(scaled(sharing, t, X), labels)
        p = other.predict_proba(scaled(sharing, t, NEW))
        logs = np.log((1 - SMOOTHING) * p + SMOOTHING / p.shape[1])
        assert (logit[:, 0] if t else votes) == pytest.approx(logs[:, 1] - logs[:, 0] if t else logs, rel=1e-9)


def test_fewer_rows_than_neighbours_are_all_neighbours() -> None:
    found = predicted(fitted("nearest_neighbours:k=1000", iterations=1))
    assert found[0][:, 0] == pytest.approx(np.full(15, Y[:, 0].mean()))


@pytest.mark.parametrize("kind", ["tree", "forest"])
@pytest.mark.parametrize("lam", [0, 3])
def test_trees_are_those_of_scikit_learn(kind: str, lam: int) -> None:
    # Small leaves where labels are the same to the last digit; elsewhere that digit would decide between equal splits.
    depth, leaf = (2, 5) if lam else (0, 2)
    found = predicted(fitted(f"trees:count=5,depth={depth},kind={kind},lam={lam},leaf={leaf}"))
    generator = torch.Generator().manual_seed(0)
    for t in range(3):
        seed, others = int(torch.randint(2**31 - 1, (), generator=generator)), [s for s in range(3) if s != t]
        standard = (Y - Y.mean(axis=0)) / Y.std(axis=0)
        columns = np.concatenate([Y[:, [t]], np.sqrt(lam / 2) * Y[:, t].std() * standard[:, others]], axis=1)
        limits = {"max_depth": depth or None, "min_samples_leaf": leaf, "random_state": seed}
        model: Any = DecisionTreeRegressor(**limits) if kind == "tree" else RandomForestRegressor(5, **limits)
        first = model.fit(X, columns if lam else Y[:, t]).predict(NEW).reshape(15, -1)[:, 0]
        assert found[t][:, 0] == pytest.approx(first, rel=1e-9)


def test_a_tree_of_classes_splits_by_the_gini_impurity() -> None:
    targets = np.stack([CLASSES, CLASSES > 0, Y[:, 0]], axis=1)
    votes, logit, _ = predicted(fitted("trees:depth=2,kind=tree,lam=0", targets, mixed()), X)
    other = DecisionTreeClassifier(max_depth=2, min_samples_leaf=5, random_state=0).fit(X, CLASSES)
    assert np.exp(votes) == pytest.approx((1 - SMOOTHING) * other.predict_proba(X) + SMOOTHING / 3, rel=1e-9)
    assert logit.shape == (40, 1)


# --- runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", LEARNERS)
@pytest.mark.parametrize("suite", ["synthetic:tasks=2,train=16", "linear_synthetic:inputs=shared,tasks=6,train=10"])
def test_a_run_is_sound_and_repeats(suite: str, method: str) -> None:
    [spec] = plan(suite, [method], [0], {"steps_per_epoch": "10"})
    record, again = fit(spec), fit(spec)
    assert record.error is None
    assert record.find_problems() == find_further_problems(record) == []
    assert ResultRecord.model_validate_json(record.model_dump_json()).find_problems() == []
    assert (record.scores, record.solution, record.matrices) == (again.scores, again.solution, again.matrices)
    assert set(record.selection) == set(spec.protocol.rules)
    assert set(record.validation) == (set(record.tasks) if "val" in spec.protocol.splits else set())
    assert cost_of_run(record, "updates") is None
    assert ("learned metric" in record.matrices) == (method != "trees")


def test_rows_of_their_own_and_missing_labels() -> None:
    [spec] = plan("synthetic:inputs=own,tasks=2,train=16", ["kernel_regression"], [0], {"labels": "0.5"})
    record = fit(spec)
    assert record.find_problems() == []
    assert record.labels["train"] == {"task00": 8, "task01": 8}
    [spec] = plan("synthetic:tasks=2,train=16", ["trees"], [0], {"labels": "0.5"})
    assert "`trees` needs a label of every task in every row. Found labels in different rows." in str(fit(spec).error)


def without_mean() -> Suite:
    suite = mixed()
    suite.tasks[0] = Task(NAMES[0], lambda shape: nn.Identity(), cross_entropy_loss, Unknown)
    return suite


class Unknown(Ranking):
    kind = "counts"


def test_tasks_without_a_mean_are_refused() -> None:
    for name in LEARNERS:
        with pytest.raises(UsageError, match=r"predicts numbers, classes and binary labels \(here `task00` is of "):
            Method.parse(name).build_sharing(without_mean(), 0)


@pytest.mark.parametrize(
    ("suite", "method", "settings", "words"),
    [
        ("multidigits", "trees", {}, "`trees` is fitted to all rows of a table at once (here a row has the shape (1, "),
        (
            "synthetic",
            "trees@pcgrad",
            {},
            "`trees` is fitted to all rows at once, without weights of losses; leave out",
        ),
        ("synthetic", "trees+l2", {}, "`trees` has no copies of a parameter for `l2` to hold together."),
        (
            "synthetic:inputs=own",
            "trees",
            {},
            "`trees` grows trees on rows that all tasks label; this suite's tasks ha",
        ),
        ("synthetic", "trees", {"lr": "0.1"}, "`lr` has no effect on `trees`, which is fitted to all rows at once."),
        ("synthetic", "kernel_regression:lam=-1", {}, "`lam` of `kernel_regression` should be "),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(
    suite: str, method: str, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plan(suite, [method], [0], settings, device="cpu")
    assert str(caught.value).startswith(words)


def test_a_learner_without_a_device_takes_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    hard, trees = plan("synthetic", ["hard", "trees"], [0])
    assert (hard.protocol.device, trees.protocol.device) == ("cuda", "cpu")
    with pytest.raises(UsageError, match=r"`trees` should be run with `--device cpu`\. Found `cuda`"):
        plan("synthetic", ["trees"], [0], device="cuda")


def test_what_measures_or_judges_updates_says_no(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is fitted to all rows at once, and has no updates to measure"):
        prepare_block("synthetic", "trees", tmp_path)
    question = Question("synthetic:tasks=2,train=16", device="cpu", candidates=("trees", "hard"))
    assert question.methods == ("hard",)
    assert "without a learning rate to choose" in question.left_out["trees"]
    monkeypatch.setattr("bench.judge.requests._load", lambda values: [])
    with pytest.raises(UsageError, match="which is judged on suites with a solver only"):
        describe(cast(Channel, None), {"suite": "synthetic", "methods": ["trees"]})
    specs = plan("synthetic:tasks=2,train=16", ["trees:kind=tree"], [0, 1], {"steps_per_epoch": "1"})
    assert all(record.find_problems() == [] for record in fit_stacked(specs))
    assert "have no steps to stack" in capsys.readouterr().err


def test_a_single_row_leaves_nothing_to_predict_from() -> None:
    sharing: Any = Method.parse("kernel_regression").sharing.build(Blueprint(numbers(), 0)).double()
    one: Tensor = torch.from_numpy(X[:1])
    with pytest.raises(UsageError, match=r"`task00` should have two rows with a label or more\. Found one\."):
        sharing.fit(dict.fromkeys(NAMES, one), dict.fromkeys(NAMES, one[:, 0]), 1, torch.Generator().manual_seed(0))
