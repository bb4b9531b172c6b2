"""m3t: selection against the solver of linear models, mixtures and machines against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, MultiTaskLasso
from sklearn.svm import SVR
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.sharing import Blueprint
from bench.core.state import TrainState
from bench.errors import UsageError
from bench.linear.choose import follow_path
from bench.linear.family import PenaltyFamily
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from bench.planning.plan import parse_suite, plan
from bench.sharing.m3t import M3T, POINTS, SPAN, select_inputs
from bench.training.fit import fit

TASKS, FEATURES = ("a", "b", "c"), 12


def draw(rows: int = 60, seed: int = 0) -> tuple[Tensor, list[Tensor]]:
    """Inputs of two modalities of 6, in which all tasks use the inputs 0, 1 and 6."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, FEATURES)) * np.repeat([1.0, 10.0], 6)
    W = np.zeros((FEATURES, 3))
    W[[0, 1, 6]] = rng.normal(1, 0.3, size=(3, 3)) / np.array([1, 1, 10])[:, None]
    return torch.from_numpy(X), list(torch.from_numpy(X @ W + 0.3 * rng.normal(size=(rows, 3)) + 5).T)


def make(text: str = "m3t:modalities=30/30") -> M3T:
    _, suite = parse_suite("progression")
    sharing = Method.parse(text).sharing.build(Blueprint(suite, 0))
    assert isinstance(sharing, M3T)
    return sharing


def follow(X: Tensor, targets: list[Tensor]) -> list[tuple[float, Tensor]]:
    """The strengths of the path behind a selection, and W (d, T) at each."""
    loss = Squared(TaskRows([X] * len(targets), targets, TASKS[: len(targets)]), rho=0.0)
    family = PenaltyFamily.parse("l21", X.shape[1], len(targets))
    strengths = family.list_strengths(loss, {}, POINTS, SPAN)
    path = follow_path(loss, family, {}, strengths)
    return [(v, loss.model(made.sum_parts(found.W))[0]) for v, (made, found) in zip(strengths, path, strict=True)]


def test_a_path_is_that_of_scikit_learn() -> None:
    X, targets = draw()
    for v, W in follow(X, targets)[1::3]:
        reference = MultiTaskLasso(alpha=v / len(X), tol=1e-10, max_iter=100_000).fit(X, torch.stack(targets, dim=1))
        assert np.allclose(W.T.numpy(), reference.coef_, atol=1e-5)
    v, W = follow(X, targets[:1])[5]
    reference = Lasso(alpha=v / len(X), tol=1e-12, max_iter=100_000).fit(X, targets[0])
    assert np.allclose(W[:, 0], reference.coef_, atol=1e-5)


def test_all_tasks_select_the_same_inputs() -> None:
    X, targets = draw()
    folds = [torch.arange(60) % 5] * 3
    used = select_inputs([(X, y) for y in targets], folds)
    assert used[[0, 1, 6]].all()
    assert select_inputs([(X, torch.ones(60).double())] * 2, folds[:2]).sum() == 0


def test_one_modality_is_a_machine_of_scikit_learn_on_the_selected_inputs() -> None:
    _, suite = parse_suite("progression:leave=0,truth=few")
    data, names = suite.dataset("train", 0), [task.name for task in suite.tasks]
    sharing = make("m3t:C=0.7,epsilon=0.2")
    X = data.inputs["month00"].double()
    targets = {name: data.targets[name][:, 0].double() for name in names}
    sharing.fit(dict.fromkeys(names, X), targets, 100, torch.Generator().manual_seed(0))
    used = sharing.W.any(dim=1)
    assert 3 <= int(used.sum()) < 60
    centred = (X - X.mean(dim=0))[:, used]
    scaled = centred / centred.square().sum(dim=1).mean().sqrt()
    fresh = suite.dataset("test", 0).inputs["month00"].double()
    predicted = sharing(dict.fromkeys(names, fresh), TrainState())
    for name in names:
        y = targets[name]
        shift, scale = y.mean(), y.std(correction=0)
        machine = SVR(kernel="linear", C=0.7, epsilon=0.2, tol=1e-6).fit(scaled, (y - shift) / scale)
        rows = (fresh - X.mean(dim=0))[:, used] / centred.square().sum(dim=1).mean().sqrt()
        wanted = shift + scale * torch.from_numpy(machine.predict(rows))
        assert torch.allclose(predicted[name][:, 0], wanted, atol=1e-3)
    assert torch.allclose(sharing.mixture, torch.ones(1, 6).double())


def test_labels_may_be_missing_and_mixtures_sum_to_one() -> None:
    [spec] = plan("progression:truth=few", ["m3t:modalities=20/20/20"], [0])
    record = fit(spec)
    assert record.status == "done", record.error
    assert record.find_problems() == []
    mixture = torch.from_numpy(record.matrices["learned mixture"].unpack())
    assert mixture.shape == (3, 6)
    assert torch.allclose(mixture.sum(dim=0), torch.ones(6, dtype=mixture.dtype), atol=1e-3)  # stored in half
    [other] = plan("progression:truth=few", ["single_task"], [0])
    ridge = fit(other)
    months = record.tasks
    mean = [np.mean([each.scores["val"][month]["rmse"] for month in months]) for each in (record, ridge)]
    assert mean[0] < mean[1]


def test_rows_of_one_patient_are_in_one_fold() -> None:
    from bench.sharing.m3t import _deal_units

    X, _ = draw()
    first, second = _deal_units([X, X[10:40]], torch.Generator().manual_seed(0))
    assert torch.equal(first[10:40], second)
    assert sorted(torch.bincount(first).tolist()) == [12] * 5


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match=r"should sum to the 60 columns\. Found 50"):
        make("m3t:modalities=20/30")
    with pytest.raises(UsageError, match="predicts numbers only"):
        plan("landmine", ["m3t"], [0])
