"""Runs of linear suites: the same records as any run, from a solver; and what a solver refuses."""

import math

import numpy as np
import pytest
import torch

from bench.catalogue.method import Method
from bench.catalogue.registry import list_entries
from bench.core.sharing import Blueprint
from bench.errors import UsageError
from bench.linear.form import read_linear_form
from bench.planning.plan import list_supported_methods, parse_suite, plan
from bench.records import ResultRecord
from bench.training.examine import examine
from bench.training.fit import fit
from bench.training.full_batch.solve import Solved
from bench.training.recovered import describe_weights

SUITE = "linear_synthetic:tasks=6,train=12"
SHORT = {"folds": "2", "strengths": "4"}


def solved(method: str, suite: str = SUITE, seed: int = 0, **settings: str) -> ResultRecord:
    [spec] = plan(suite, [method], [seed], SHORT | settings)
    record = fit(spec)
    assert record.status == "done", record.error
    return record


def rows(split: str, seed: int = 0, suite: str = SUITE) -> tuple[list[np.ndarray], list[np.ndarray]]:
    _, built = parse_suite(suite)
    data = built.dataset(split, seed)  # type: ignore[arg-type]
    names = [task.name for task in built.tasks]
    return [data.inputs[t].double().numpy() for t in names], [data.targets[t].double().numpy().ravel() for t in names]


@pytest.mark.parametrize("method", ["single_task", "hard", "soft+l21", "soft+cluster:k=2", "hard:split=1+l2"])
def test_a_solved_run_is_a_whole_record(method: str) -> None:
    record = solved(method)
    assert record.find_problems() == []
    assert record.method == method
    assert set(record.statistics) == {"val"}
    assert record.tasks == ["pooled"]
    assert record.statistics["val"]["pooled"]["count"] == 6 * 200
    assert record.solution is not None
    assert record.solution.met
    assert record.solution.value <= record.spec.protocol.tolerance
    assert len(record.solution.strengths) == len(record.solution.errors) > 1
    assert record.solution.strength in record.solution.strengths
    assert record.cost is not None
    assert record.cost.forward_flops == 2 * 6 * 30
    again = solved(method)
    same = ("statistics", "scores", "solution", "matrices", "effective_sharing", "data", "run_id")
    assert all(getattr(record, name) == getattr(again, name) for name in same)


def test_scores_are_those_of_ridge_by_hand() -> None:
    """`single_task` at the strength that was chosen: closed form, pooled over all test rows."""
    record = solved("single_task")
    assert record.solution is not None
    strength = record.solution.strength
    (X, y), (Z, v) = rows("train"), rows("test")
    errors, targets = [], np.concatenate(v)
    for x, t, z, u in zip(X, y, Z, v, strict=True):
        centred = x - x.mean(axis=0)
        w = np.linalg.solve(centred.T @ centred + 2 * strength * np.eye(30), centred.T @ (t - t.mean()))
        errors.append(u - z @ w - (t.mean() - x.mean(axis=0) @ w))
    squares = float((np.concatenate(errors) ** 2).sum())
    scores = record.scores["val"]["pooled"]
    assert scores["rmse"] == pytest.approx(math.sqrt(squares / len(targets)), rel=1e-6)
    deviations = float(((targets - targets.mean()) ** 2).sum())
    assert scores["explained_variance"] == pytest.approx(100 * (1 - squares / deviations), rel=1e-6)
    assert solved("soft+ridge").scores == record.scores  # its twin, through the registry


def test_the_ends_of_the_dial() -> None:
    """`soft+l2` at a huge strength has weights in common; far from there it is least squares, task by task."""
    suite = "linear_synthetic:tasks=6,train=40"
    (X, y), (Z, v) = rows("train", suite=suite), rows("test", suite=suite)
    centred = [(x - x.mean(axis=0), t - t.mean()) for x, t in zip(X, y, strict=True)]
    common = np.linalg.lstsq(np.vstack([x for x, _ in centred]), np.concatenate([t for _, t in centred]), rcond=None)[0]
    apart = [np.linalg.lstsq(x, t, rcond=None)[0] for x, t in centred]
    for strength, weights in (("1e8", [common] * 6), ("1e-9", apart)):
        left = [u - z @ w - (t.mean() - x.mean(axis=0) @ w) for x, t, z, u, w in zip(X, y, Z, v, weights, strict=True)]
        found = solved(f"soft+l2:strength={strength}", suite)
        expected = float(np.sqrt(np.mean(np.concatenate(left) ** 2)))
        assert found.scores["val"]["pooled"]["rmse"] == pytest.approx(expected, rel=1e-5)
        assert found.solution is not None
        assert (found.solution.strength, found.solution.strengths) == (None, [])


def test_the_test_split_is_read_once_after_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    [spec] = plan(SUITE, ["soft+l2"], [0], SHORT)
    _, suite = parse_suite(spec.suite)
    run = Solved(spec, suite, Method.parse(spec.method))
    seen: list[str] = []
    original = suite.dataset

    def watched(split: str, seed: int):  # type: ignore[no-untyped-def]
        seen.append(split)
        return original(split, seed)  # type: ignore[arg-type]

    def fitted(*arguments: object, **options: object):  # type: ignore[no-untyped-def]
        assert "test" not in seen
        found = solve(*arguments, **options)
        seen.append("fitted")
        return found

    solve = run.solve
    monkeypatch.setattr(suite, "dataset", watched)
    monkeypatch.setattr(run, "solve", fitted)
    trained = run.train()
    seen.append("trained")
    examine(trained, suite, spec, lambda: run.data("test"))
    assert [name for name in seen if name in ("fitted", "trained", "test")] == ["fitted", "trained", "test"]
    assert seen.index("train") < seen.index("fitted")


def test_what_is_chosen_depends_on_the_training_part_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    [spec] = plan(SUITE, ["soft+l21"], [0], SHORT)
    found = []
    for factor in (1.0, 7.0):
        _, suite = parse_suite(spec.suite)
        original = suite.dataset

        def scaled(split: str, seed: int, factor: float = factor, original=original):  # type: ignore[no-untyped-def]
            data = original(split, seed)  # type: ignore[arg-type]
            if split == "test":
                data.targets.update({task: factor * y for task, y in data.targets.items()})
            return data

        monkeypatch.setattr(suite, "dataset", scaled)
        cell = Solved(spec, suite, Method.parse(spec.method))
        found.append(examine(cell.train(), suite, spec, lambda cell=cell: cell.data("test")))
        type(suite).dataset.__globals__["_draw"].cache_clear()
    assert found[0]["solution"] == found[1]["solution"]
    assert found[0]["scores"] != found[1]["scores"]


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("cross_stitch", "`cross_stitch` has more than weights and intercepts, tasks' own or shared, which is what a"),
        ("hard_wide", "A linear model has no width. Found `width = "),
        ("single_task_narrow", "A linear model has no width. Found `width = "),
        (
            "hard@uncertainty",
            "A solver minimises the sum over all rows, which has no weights; leave out `@uncer",
        ),
        ("hard@pcgrad", "A solver minimises the sum over all rows, which has no weights; leave out `@pcgrad`."),
        ("soft+orthogonal", "A solver needs a constraint with a prox on the copies themselves. Found `orthogonal`."),
        ("soft+l2:form=offset", "A solver needs a constraint with a prox on the copies themselves."),
        ("soft+l1:schedule=warmup", "A solver has no moments to schedule a constraint by."),
        ("hard:split=1+l21", "`l21` does not take parameters of shape (1,)."),
        ("hard+l2", "`hard` has no copies of a parameter for `l2` to hold together."),
    ],
)
def test_what_a_solver_cannot_fit_is_refused_in_a_sentence(method: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(SUITE, [method], [0])
    assert str(caught.value).startswith(words)


def test_settings_that_a_solver_does_not_read_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^`lr` has no effect on this suite, whose models are fitted by a solver\.$"):
        plan(SUITE, ["hard"], [0], {"lr": "0.1"})
    with pytest.raises(UsageError, match=r"^`folds` has no effect on this suite, whose models are fitted by descent"):
        plan("synthetic", ["hard"], [0], {"folds": "3"})


def test_every_constraint_with_a_prox_is_a_row() -> None:
    found = list_supported_methods(SUITE)
    assert {"single_task", "hard"} <= set(found)
    held = {name.removeprefix("soft+") for name in found if "+" in name}
    assert held == set(list_entries("constraint")) - {"orthogonal"}
    assert not any("@" in name for name in found)


def test_who_owns_what_is_told_from_the_parameters() -> None:
    _, suite = parse_suite(SUITE)

    def form(text: str) -> tuple[bool, bool] | None:
        found = read_linear_form(Method.parse(text).sharing.build(Blueprint(suite, 0)), suite)
        return found and (found.tied, found.pooled)

    assert form("single_task") == form("hard:split=0") == form("soft+l2") == (False, False)
    assert form("hard") == (True, True)
    assert form("hard:split=1") == (True, False)
    assert form("lora") is None
    assert form("mmoe") is None


def test_what_a_record_shows_of_the_weights() -> None:
    """Support, spectrum and covariance beside the truth, on one scale; joint sparsity is found where it is."""
    record = solved("soft+l21", "linear_synthetic:noise=0.1,tasks=6,train=60,truth=sparse", strengths="12")
    found = {name: packed.unpack() for name, packed in record.matrices.items()}
    assert list(found) == [f"{true}{name}" for name in ("support", "spectrum", "covariance") for true in ("", "true ")]
    assert found["true support"].sum() == 6 * 6
    assert (found["support"] >= found["true support"]).all()
    assert found["spectrum"][0, 0] == found["true spectrum"][0, 0] == 1
    assert np.trace(found["covariance"]) == pytest.approx(6, rel=1e-3)
    assert np.abs(found["covariance"] - found["true covariance"]).max() < 0.05
    whole = solved("soft+mtrl").matrices
    assert not any("support" in name for name in whole)  # all weights are in use, and in truth too
    learned = whole["learned covariance"].unpack()
    assert learned.shape == (6, 6)
    assert np.trace(learned) == pytest.approx(1, rel=1e-2)


def test_matrices_of_nothing() -> None:
    assert all(
        bool(matrix.isfinite().all()) for matrix in describe_weights(torch.zeros(3, 2, dtype=torch.float64)).values()
    )
