"""Missing labels under the solver: rows that were never there, and masked least squares by another program."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.core.suite import Suite
from bench.errors import UsageError
from bench.linear.choose import fit_family
from bench.linear.folds import split
from bench.linear.logistic import Logistic
from bench.linear.loss import Tied
from bench.linear.rows import TaskRows
from bench.linear.squared import Offsets, Squared
from bench.planning.plan import parse_suite
from tests.bench.linear.problems import family, problem, solve, weights

NAN = math.nan
SHARED = "linear_synthetic:inputs=shared,tasks=6,train=60"
SUITES = ["linear_synthetic:tasks=6,train=60", SHARED, "synthetic:train=160"]


def read(name: str) -> tuple[Suite, list[Tensor], list[Tensor]]:
    """A suite, and its training rows in float64: inputs, shared where the suite shares them, and targets (n,)."""
    _, suite = parse_suite(name)
    data = suite.dataset("train", 0)
    moved = {id(x): x.double() for x in data.inputs.values()}
    names = [task.name for task in suite.tasks]
    return suite, [moved[id(data.inputs[t])] for t in names], [data.targets[t].flatten().double() for t in names]


def hide(targets: list[Tensor], share: float = 0.5, seed: int = 0) -> list[Tensor]:
    """The targets with labels kept at random, each with probability `share`."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.where(torch.rand(len(y), generator=generator) < share, y, NAN) for y in targets]


def some(name: str, share: float = 0.5) -> TaskRows:
    """The labelled rows of a suite whose labels are kept at random."""
    suite, inputs, targets = read(name)
    return TaskRows.keep_labelled(inputs, hide(targets, share), [task.name for task in suite.tasks])


# --- an independent program ---------------------------------------------------------------------


def solve_by_labels(name: str, precision: np.ndarray, shared: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """argmin sum over labels (y - x w_t - b_t)^2 / 2 + sum_ts precision_ts w_t w_s / 2: weights (d, T), intercepts.

    One dense system, one label after the other. `shared`: one w and one b for all tasks.
    """
    _, inputs, targets = read(name)
    T, d = len(inputs), inputs[0].shape[1]
    A, c = np.zeros((T * (d + 1), T * (d + 1))), np.zeros(T * (d + 1))
    for t, (X, y) in enumerate(zip(inputs, hide(targets), strict=True)):
        slot = slice(0 if shared else t * (d + 1), (0 if shared else t * (d + 1)) + d + 1)
        for x, label in zip(X.numpy(), y.numpy(), strict=True):
            if not np.isnan(label):
                z = np.append(x, 1.0)
                A[slot, slot] += np.outer(z, z)
                c[slot] += label * z
    for t, s in itertools.product(range(T), repeat=2):
        for j in range(d):
            A[t * (d + 1) + j, s * (d + 1) + j] += precision[t, s]
    found = np.linalg.lstsq(A, c, rcond=None)[0].reshape(T, d + 1)
    return found[:, :d].T, found[:, d]


def laplacian(edges: list[tuple[int, int]], T: int) -> np.ndarray:
    """sum over edges |w_s - w_t|^2 = tr W L W^T."""
    L = np.zeros((T, T))
    for s, t in edges:
        L[s, s] += 1
        L[t, t] += 1
        L[s, t] -= 1
        L[t, s] -= 1
    return L


@pytest.mark.parametrize("name", SUITES)
def test_tasks_apart_are_masked_least_squares(name: str) -> None:
    """Without a penalty: numpy's `lstsq` on the labelled rows of each task."""
    _, inputs, targets = read(name)
    hidden = hide(targets, 0.8)
    rows = some(name, 0.8)
    loss = Squared(rows, 0.0)
    W = weights(solve("ridge:strength=0.0", rows, loss))
    for t, (X, y) in enumerate(zip(inputs, hidden, strict=True)):
        there = ~np.isnan(y.numpy())
        assert 30 < there.sum() < len(y)
        design = np.column_stack([X.numpy()[there], np.ones(there.sum())])
        best = np.linalg.lstsq(design, y.numpy()[there], rcond=None)[0]
        assert np.abs(W[:, t].numpy() - best[:-1]).max() < 1e-8
        assert float(loss.model(W)[1][t]) == pytest.approx(best[-1], abs=1e-8)


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("text", ["ridge", "l2", "l2_pairwise", "graph", "graph:edges=ring"])
def test_coupled_tasks_are_one_dense_system(name: str, text: str) -> None:
    rows, v = some(name), 2.5
    T = len(rows.names)
    pairs = list(itertools.combinations(range(T), 2))
    ring = [(t, (t + 1) % T) for t in range(T)]
    Q = {
        "ridge": np.eye(T),
        "l2": np.eye(T) - np.ones((T, T)) / T,
        "l2_pairwise": laplacian(pairs, T),
        "graph": laplacian(pairs, T),
        "graph:edges=ring": laplacian(ring, T),
    }[text]
    W, b = solve_by_labels(name, 2 * v * Q)
    loss = Squared(rows, 0.0)
    ours = weights(solve(f"{text}{',' if ':' in text else ':'}strength={v}", rows, loss))
    assert np.abs(ours.numpy() - W).max() < 1e-8
    assert np.abs(loss.model(ours)[1].numpy() - b).max() < 1e-8


@pytest.mark.parametrize("name", SUITES)
def test_weights_in_common_are_least_squares_over_all_labels(name: str) -> None:
    rows = some(name)
    W, b = solve_by_labels(name, np.zeros((len(rows.names),) * 2), shared=True)
    loss = Tied(Squared(rows, math.inf))
    tied = TaskRows(rows.inputs[:1], rows.targets[:1], rows.names[:1])  # a penalty on one column
    ours = loss.model(weights(solve("ridge:strength=0.0", tied, loss)))
    assert np.abs(ours[0].numpy() - W[:, :1]).max() < 1e-8
    assert np.abs(ours[1].numpy() - b[0]).max() < 1e-8


# --- rows ---------------------------------------------------------------------------------------


def test_rows_without_a_label_are_none_of_a_task() -> None:
    whole = problem((8, 8, 8), 3, common=True)
    holes = [whole.targets[0].clone(), whole.targets[1].clone(), whole.targets[2].clone()]
    for y, at in zip(holes, ([1, 5], [1, 5], [0]), strict=True):
        y[at] = NAN
    rows = TaskRows.keep_labelled(whole.inputs, holes, whole.names)
    assert rows.counts.tolist() == [6, 6, 7]
    assert not rows.common
    assert rows.inputs[0] is rows.inputs[1]
    assert [place.tolist() for place in rows.places] == [[0, 2, 3, 4, 6, 7]] * 2 + [[1, 2, 3, 4, 5, 6, 7]]
    for t in range(3):
        assert torch.equal(rows.inputs[t], whole.inputs[0][rows.places[t]])
        assert torch.equal(rows.targets[t], whole.targets[t][rows.places[t]])
    kept = [torch.tensor([0, 2]), torch.tensor([1]), torch.tensor([3, 4])]
    assert [place.tolist() for place in rows.take(kept).places] == [[0, 3], [2], [4, 5]]


def test_one_mask_for_all_tasks_leaves_inputs_in_common() -> None:
    whole = problem((8, 8, 8), 3, common=True)
    holes = [y.clone().index_fill_(0, torch.tensor([2, 3]), NAN) for y in whole.targets]
    rows = TaskRows.keep_labelled(whole.inputs, holes, whole.names)
    assert rows.common
    assert rows.places == ()
    assert Squared(rows, 0.0).A is not None
    assert len(Squared(rows, 0.0).A) == 1  # type: ignore[arg-type]
    there = TaskRows.keep_labelled(whole.inputs, whole.targets, whole.names)
    assert there.inputs is whole.inputs
    assert there.targets is whole.targets


def test_classes_below_zero_are_missing() -> None:
    X = torch.arange(8.0).double().reshape(4, 2)
    rows = TaskRows.keep_labelled([X], [torch.tensor([1, -1, 0, -1])], ["t"])
    assert rows.targets[0].tolist() == [1, 0]
    assert rows.inputs[0].tolist() == X[[0, 2]].tolist()


def test_a_task_without_a_label_is_named() -> None:
    whole = problem((5, 5), 3, common=True)
    with pytest.raises(UsageError, match=r"^`t1` should have a label in some row\. Found none in 5 rows\.$"):
        TaskRows.keep_labelled(whole.inputs, [whole.targets[0], torch.full((5,), NAN).double()], whole.names)
    with pytest.raises(UsageError, match=r"^`t0` should have a target per row, 5\. Found shape \(5, 1\)\.$"):
        TaskRows.keep_labelled(whole.inputs, [y[:, None] for y in whole.targets], whole.names)
    with pytest.raises(UsageError, match=r"^Inputs and targets of `t0` should be finite\."):
        TaskRows.keep_labelled(whole.inputs, [torch.full((5,), math.inf).double()] * 2, whole.names)


@pytest.mark.parametrize("junk", [NAN, math.inf, 1e300])
@pytest.mark.parametrize("classes", [False, True])
def test_rows_without_a_label_may_hold_anything(junk: float, classes: bool) -> None:
    """They are cut, so that the whole fit, chosen strength included, is that of rows that were never there."""
    whole = problem((12, 15, 20), 4, classes=classes)
    gone = [torch.arange(t, len(y), 3) for t, y in enumerate(whole.targets)]
    inputs = [X.index_fill(0, at, junk) for X, at in zip(whole.inputs, gone, strict=True)]
    targets = [y.index_fill(0, at, NAN) for y, at in zip(whole.targets, gone, strict=True)]
    kept = [
        torch.tensor(sorted(set(range(len(y))) - set(at.tolist()))) for y, at in zip(whole.targets, gone, strict=True)
    ]
    rows, never = TaskRows.keep_labelled(inputs, targets, whole.names), whole.take(kept)
    loss = Logistic if classes else Squared
    fits = [
        fit_family(
            each, lambda rows: loss(rows, 0.0), family("l21", each), squares, points=5, folds=3, stratify=classes
        )
        for each in (rows, never)
    ]
    assert torch.equal(fits[0].solution.W, fits[1].solution.W)
    assert fits[0].curves == fits[1].curves
    assert torch.equal(Offsets(rows).inverse, Offsets(never).inverse)


def squares(z: Tensor, y: Tensor) -> Tensor:
    """sum (z - y)^2."""
    return (z - y).square().sum()


# --- folds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_row_is_left_out_for_all_its_tasks(seed: int) -> None:
    """No label of a row left out is fitted; every label is left out once; folds of a task are even."""
    rows, left_out = some(SHARED, 0.4), [[0] * 60 for _ in range(6)]
    for kept, left in split(rows, 5, seed):
        fitted = {int(row) for place, index in zip(rows.places, kept, strict=True) for row in place[index]}
        tried = {int(row) for place, index in zip(rows.places, left, strict=True) for row in place[index]}
        assert fitted.isdisjoint(tried)
        for t, (place, index) in enumerate(zip(rows.places, left, strict=True)):
            assert abs(len(index) - len(place) / 5) < 3
            assert len(kept[t]) + len(index) == len(place)
            for row in place[index].tolist():
                left_out[t][row] += 1
    assert [sum(row) for row in left_out] == [len(place) for place in rows.places]
    assert max(map(max, left_out)) == 1
    first, again = split(rows, 5, seed), split(rows, 5, seed)
    assert all(
        torch.equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one[0], two[0], strict=True)
    )


def test_few_labels_are_spread_over_the_folds() -> None:
    """Five labels beside a task of sixty: one in each fold; the only label of a task is never left out."""
    X = problem((60,), 3).inputs[0]
    few, one = torch.full((2, 60), NAN).double()
    few[torch.tensor([3, 20, 21, 40, 59])], one[7] = 1.0, 2.0
    rows = TaskRows.keep_labelled([X] * 3, [torch.zeros(60).double(), few, one], ["all", "few", "one"])
    folds = split(rows, 5, 0)
    assert [len(left[1]) for _, left in folds] == [1] * 5
    assert [len(left[2]) for _, left in folds] == [0] * 5
    assert [len(kept[2]) for kept, _ in folds] == [1] * 5
    assert sorted(len(left[0]) for _, left in folds) == [12] * 5


def test_classes_of_every_task_are_spread_over_the_folds() -> None:
    generator = torch.Generator().manual_seed(0)
    X = problem((100,), 3).inputs[0]
    targets = [(torch.rand(100, generator=generator) < share).double() for share in (0.5, 0.12)]
    rows = TaskRows.keep_labelled([X] * 2, hide(targets, 0.7), ["even", "rare"])
    for kept, left in split(rows, 4, 0, stratify=True):
        for y, index, out in zip(rows.targets, kept, left, strict=True):
            for label in (0.0, 1.0):
                assert int((y[index] == label).sum()) > 0
                assert abs(int((y[out] == label).sum()) - int((y == label).sum()) / 4) < 3
