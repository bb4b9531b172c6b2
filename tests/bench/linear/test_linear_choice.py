"""Paths, folds, and what cross-validation chooses."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.core.constraint import Coupled
from bench.linear.choose import fit_family, follow_path
from bench.linear.family import PenaltyFamily
from bench.linear.folds import split
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from tests.bench.linear.problems import family, problem


def half(z: Tensor, y: Tensor) -> Tensor:
    return (z - y).square().sum() / 2


def free(rows: TaskRows) -> Squared:
    return Squared(rows, 0.0)


def test_folds_deal_out_every_row_once() -> None:
    rows = problem((1, 2, 13, 20))
    folds = split(rows, 5, seed=3)
    for task, n in enumerate((1, 2, 13, 20)):
        left = torch.cat([out[task] for _, out in folds]).sort().values.tolist()
        assert left == list(range(n)) * (n > 1)  # the only row of a task stays in
        for kept, out in folds:
            assert sorted(kept[task].tolist() + out[task].tolist()) == list(range(n))
            assert len(kept[task]) > 0
        sizes = [len(out[task]) for _, out in folds]
        assert max(sizes) - min(sizes) <= 1
    again, other = split(rows, 5, seed=3), split(rows, 5, seed=4)
    assert all(torch.equal(a[0][3], b[0][3]) for a, b in zip(folds, again, strict=True))
    assert not all(torch.equal(a[0][3], b[0][3]) for a, b in zip(folds, other, strict=True))


def test_folds_keep_common_inputs_common_and_both_classes() -> None:
    common = problem((12, 12, 12), common=True)
    for kept, out in split(common, 4, seed=0):
        assert common.take(kept).common
        assert all(torch.equal(out[0], index) for index in out)
    classes = [torch.tensor([1.0] + [0.0] * 9).double(), torch.tensor([1.0, 1.0] + [0.0] * 8).double()]
    rows = problem((10, 10))
    for kept, _ in split(TaskRows(rows.inputs, classes, rows.names), 5, seed=0, stratify=True):
        assert all(len(set(y[index].tolist())) == 2 for y, index in zip(classes, kept, strict=True))


def test_ridge_by_cross_validation_is_ridge_by_hand() -> None:
    """Errors of every strength over the folds, and the winner on all rows, from closed forms."""
    rows = problem()
    found = fit_family(rows, free, PenaltyFamily(None, Coupled((1, 6), 4, 1.0)), half, seed=1, points=9)
    [curve] = found.curves
    assert (found.settings, found.chosen) == ({}, curve)
    strengths, errors = curve.strengths, curve.errors

    def ridge(X: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
        centred = X - X.mean(axis=0)
        w = np.linalg.solve(centred.T @ centred + 2 * strength * np.eye(6), centred.T @ (y - y.mean()))
        return w, y.mean() - X.mean(axis=0) @ w

    for strength, error in zip(strengths, errors, strict=True):
        total = 0.0
        for kept, out in split(rows, 5, seed=1):
            for X, y, a, b in zip(rows.inputs, rows.targets, kept, out, strict=True):
                w, c = ridge(X[a].numpy(), y[a].numpy(), strength)
                total += float(((X[b].numpy() @ w + c - y[b].numpy()) ** 2).sum()) / 2
        assert error == pytest.approx(total / sum(len(y) for y in rows.targets), rel=1e-2)
    assert found.strength == strengths[int(np.argmin(errors))]
    W, b = found.model()
    for t, (X, y) in enumerate(zip(rows.inputs, rows.targets, strict=True)):
        w, c = ridge(X.numpy(), y.numpy(), float(found.strength or math.nan))
        assert np.allclose(W[:, t], w, atol=1e-6)
        assert float(b[t]) == pytest.approx(c, abs=1e-6)


def test_what_is_given_is_kept_and_what_is_open_is_chosen() -> None:
    rows = problem()
    assert [family(text, rows).open for text in ("l2", "l2:halflife=10", "l2:strength=3", "l21", "l21:strength=1")] == [
        *(True, False, False, True, False)
    ]
    assert family("cluster", rows).list_settings() == [{"k": k} for k in (1, 2, 3, 5)]
    assert family("cluster:k=4", rows).list_settings() == [{}]
    given = fit_family(rows, free, family("l21:strength=2.5", rows), half)
    assert (given.strength, given.curves) == (None, [])
    assert given.penalty.strength == 2.5
    chosen = fit_family(rows, free, family("cluster", rows), half, points=4)
    assert [curve.settings for curve in chosen.curves] == [{"k": k} for k in (1, 2, 3, 5)]
    assert chosen.chosen is not None
    assert min(chosen.chosen.errors) == min(min(curve.errors) for curve in chosen.curves)
    assert chosen.strength == chosen.chosen.strengths[chosen.chosen.best]
    assert chosen.solution.certificate.met


def test_choices_repeat_and_depend_on_the_seed() -> None:
    rows = problem()
    one, two, other = (
        fit_family(rows, free, family("trace_norm", rows), half, seed=seed, points=6) for seed in (0, 0, 1)
    )
    assert torch.equal(one.solution.W, two.solution.W)
    assert one.curves == two.curves
    assert one.curves[0].strengths == other.curves[0].strengths
    assert one.curves[0].errors != other.curves[0].errors


@pytest.mark.parametrize("name", ["l2", "ridge", "graph", "mtrl", "cluster", "caso", "aso", "mrn"])
def test_paths_of_penalties_that_are_no_norms_span_both_ends(name: str) -> None:
    """The first strength all but ends the freedom that a penalty is about, the last leaves the tasks all but alone."""
    rows = problem((30, 40, 50))
    loss, held = free(rows), family(name, rows)
    settings = held.list_settings()[0]
    strengths = held.list_strengths(loss, settings, 5, 1e-3)
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[0] / strengths[-1] == pytest.approx(1e4)
    ends = [found.W[0] for _, found in follow_path(loss, held, settings, strengths, 1e-4, 500)]
    pairs = zip(rows.inputs, rows.targets, strict=True)
    alone = torch.stack([torch.linalg.lstsq(X - X.mean(dim=0), y - y.mean()).solution for X, y in pairs], dim=1)
    assert float((ends[-1] - alone).norm() / alone.norm()) < 0.1
    assert float((ends[0] - alone).norm() / alone.norm()) > 0.3
