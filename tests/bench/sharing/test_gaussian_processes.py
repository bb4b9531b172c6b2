"""Gaussian processes: against dense algebra in numpy, in their limits, and as rows of a board."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.constraint import Coupled
from bench.core.self_fitting import Found
from bench.core.sharing import Blueprint
from bench.core.state import TrainState
from bench.errors import UsageError
from bench.linear.choose import fit_at
from bench.linear.family import PenaltyFamily
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from bench.planning.plan import list_supported_methods, parse_suite, plan
from bench.records import ResultRecord
from bench.sharing.gaussian_process import CoregionalisedProcess
from bench.sharing.gaussian_process.normal_evidence import evidence
from bench.training.examine import examine
from bench.training.fit import fit
from bench.training.full_batch.infer import Inferred
from leaderboard.intake.soundness import find_further_problems
from tests.bench.linear.problems import problem
from tests.bench.methods import fitted_by_themselves

SUITE = "linear_synthetic:tasks=6,train=12"
PROCESSES = {"gp_icm", "gp_shared", "gp_single"}
COUNTS = (7, 12, 9, 5, 10, 8)  # rows of its six tasks, in tests that give them
ROWS = problem(COUNTS, 30)


def built(text: str, suite: str = SUITE, seed: int = 0) -> Any:
    _, made = parse_suite(suite)
    return Method.parse(text).sharing.build(Blueprint(made, seed)).double()


def fitted(sharing: Any, iterations: int, rows: TaskRows = ROWS) -> Found:
    """Fit to `rows`; without iterations only the means and the predictions are fitted, all else is as it was."""
    inputs, targets = (dict(zip(sharing.tasks, part, strict=True)) for part in (rows.inputs, rows.targets))
    found: Found = sharing.fit(inputs, targets, iterations, torch.Generator().manual_seed(0))
    return found


def predicted(sharing: Any, x: Tensor) -> Tensor:
    """(n, T)."""
    with torch.inference_mode():
        found = sharing(dict.fromkeys(sharing.tasks, x), TrainState())
    return torch.stack([found[task][:, 0] for task in sharing.tasks], dim=1).clone()


X = problem((11,), 30, seed=5).inputs[0]


# --- the likelihood -----------------------------------------------------------------------------


Blocks = list[tuple[Tensor, Tensor, Tensor]]
PRECISION = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0]).double()  # three flat means, two normal effects


def blocks() -> Blocks:
    """Two blocks of 6 and 9 rows with three means, of the first, of the second, of both, and two effects of all."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for number, n in enumerate((6, 9)):
        root = torch.randn(n, n, generator=generator).double()
        F = torch.randn(n, 5, generator=generator).double()
        F[:, number] = 0
        found.append((root @ root.T + torch.eye(n), F, torch.randn(n, generator=generator).double()))
    return found


def density(K: np.ndarray, H: np.ndarray, y: np.ndarray) -> float:
    """-log p(y), means flat: the density of Q^T y, Q orthonormal and Q^T H = 0, over |H^T H|^(1/2)."""
    Q = np.linalg.svd(H, full_matrices=True)[0][:, H.shape[1] :]
    C, z = Q.T @ K @ Q, Q.T @ y
    parts = (
        z @ np.linalg.solve(C, z),
        np.linalg.slogdet(C)[1],
        len(z) * np.log(2 * np.pi),
        np.linalg.slogdet(H.T @ H)[1],
    )
    return float(sum(parts)) / 2


def test_the_likelihood_is_that_of_contrasts() -> None:
    parts = blocks()
    F, y = (np.concatenate([part[at].numpy() for part in parts]) for at in (1, 2))
    H, U = F[:, :3], F[:, 3:]
    K = torch.block_diag(*(K for K, _, _ in parts)).numpy()
    found = evidence(parts, PRECISION)
    assert found.value == pytest.approx(density(K + U @ U.T, H, y), rel=1e-12)
    inverse = np.linalg.inv(K + U @ U.T)
    best = np.linalg.solve(H.T @ inverse @ H, H.T @ inverse @ y)
    assert np.allclose(found.effects[:3].numpy(), best, rtol=1e-9)
    assert np.allclose(found.effects[3:].numpy(), U.T @ inverse @ (y - H @ best), atol=1e-9)
    assert np.allclose(torch.cat(found.alphas).numpy(), inverse @ (y - H @ best), atol=1e-9)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("part", [0, 1])
def test_the_slopes_are_the_derivatives(place: int, part: int) -> None:
    parts, step = blocks(), 1e-5
    change = torch.randn(parts[place][part].shape, generator=torch.Generator().manual_seed(1)).double()
    change = change + change.T if part == 0 else change
    ends = []
    for sign in (1, -1):
        moved = list(parts[place])
        moved[part] = moved[part] + sign * step * change
        ends.append(evidence([tuple(moved) if at == place else b for at, b in enumerate(parts)], PRECISION).value)
    slope = evidence(parts, PRECISION).slopes()[place][part]
    assert float((slope * change).sum()) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


# --- predictions --------------------------------------------------------------------------------


def value(process: Any, name: str) -> np.ndarray | None:
    """A parameter as it is used, from whichever part of the process has it."""
    owners = [module for module in process.modules() if hasattr(module, f"raw_{name}")]
    return getattr(owners[0], name).detach().numpy().ravel() if owners else None


def kernel_by_hand(process: Any, x: Tensor, z: Tensor) -> np.ndarray:
    """v <x, z>, or exp(-|x - z|^2 / (2 l^2)), and the constant where there is one."""
    length, constant = value(process, "lengthscale"), value(process, "constant")
    if length is None:
        found = (x.numpy() * value(process, "variance")) @ z.numpy().T
    else:
        found = np.exp(-(((x.numpy()[:, None] - z.numpy()[None]) / length) ** 2).sum(axis=2) / 2)
    return np.asarray(found + (0.0 if constant is None else constant))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("intercept", ["task", "shrunk"])
@pytest.mark.parametrize("noise", ["task", "common"])
def test_predictions_are_those_of_dense_algebra(kernel: str, intercept: str, noise: str) -> None:
    """m_t + k_t^T K^-1 (y - m), K = B[t, s] k(x, z) + noise, on tasks with numbers of rows of their own."""
    sharing = built(f"gp_icm:intercept={intercept},kernel={kernel},noise={noise},rank=2")
    process = sharing.processes[0]
    if noise == "task":
        process.likelihood.noise = torch.linspace(0.2, 1.2, 6).double()[:, None]
    objective = fitted(sharing, 0).objective

    W, kappa = process.tasks.covar_factor.numpy(), process.tasks.var.numpy()
    B, tasks = W @ W.T + np.diag(kappa), np.repeat(np.arange(6), COUNTS)
    x, y = torch.cat(list(ROWS.inputs)), np.concatenate([y.numpy() for y in ROWS.targets])
    H = np.eye(6)[tasks] if intercept == "task" else np.ones((len(y), 1))
    variances = np.broadcast_to(value(process, "noise"), 6)[tasks]
    left = y - H @ np.linalg.lstsq(H, y, rcond=None)[0]
    scale = np.sqrt((left**2).mean())
    K = B[np.ix_(tasks, tasks)] * kernel_by_hand(process, x, x) + np.diag(variances)
    inverse = np.linalg.inv(scale**2 * K)
    means = np.linalg.solve(H.T @ inverse @ H, H.T @ inverse @ y)
    alpha = inverse @ (y - H @ means)
    across = kernel_by_hand(process, X, x)
    expected = [means[t if intercept == "task" else 0] + (scale**2 * B[t, tasks] * across) @ alpha for t in range(6)]
    assert np.allclose(predicted(sharing, X).numpy(), np.stack(expected, axis=1), atol=1e-9)

    assert objective == pytest.approx(density(scale**2 * K, H, y), rel=1e-10)


def test_weights_are_those_of_the_linear_kernel() -> None:
    sharing = built("gp_icm")
    fitted(sharing, 3)
    W, offset = sharing.weights(), predicted(sharing, torch.zeros(1, 30).double())
    assert torch.allclose(predicted(sharing, X), X @ W + offset, atol=1e-10)
    assert built("gp_icm:kernel=rbf").weights() is None


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_a_diagonal_coupling_is_a_process_for_each_task(kernel: str) -> None:
    together, shared, single = (
        built(f"{name}kernel={kernel}") for name in ("gp_icm:rank=0,", "gp_shared:", "gp_single:")
    )
    objectives = [fitted(sharing, 0).objective for sharing in (together, shared, single)]
    assert objectives == pytest.approx([objectives[0]] * 3, rel=1e-7)  # what they start from is in single precision
    for other in (shared, single):
        assert torch.allclose(predicted(together, X), predicted(other, X), atol=1e-6)


def test_fitted_it_is_still_that() -> None:
    """Linear kernels differ by a variance alone, which B has for each task."""
    together, single = built("gp_icm:noise=task,rank=0"), built("gp_single")
    one, other = fitted(together, 500), fitted(single, 500)
    assert one.objective == pytest.approx(other.objective, abs=1e-2)
    assert one.parameters == other.parameters == 6 * 3


def test_a_coupling_of_ones_is_one_process_of_all_rows() -> None:
    sharing = built("gp_icm:intercept=shrunk,kernel=rbf,rank=1")
    sharing.processes[0].tasks.covar_factor.fill_(1.0)
    sharing.processes[0].tasks.raw_var.fill_(-80.0)
    fitted(sharing, 0)
    x, y = torch.cat(list(ROWS.inputs)), torch.cat(list(ROWS.targets)).numpy()
    inverse = np.linalg.inv(kernel_by_hand(sharing.processes[0], x, x) + 0.5 * np.eye(len(y)))
    mean = inverse.sum(axis=0) @ y / inverse.sum()
    expected = mean + kernel_by_hand(sharing.processes[0], X, x) @ inverse @ (y - mean)
    assert np.allclose(predicted(sharing, X).numpy(), expected[:, None], atol=1e-6)


def solved(text: str, strength: float) -> tuple[Tensor, Tensor]:
    """Weights and intercepts of the solver, with a constraint of this strength."""
    choice = Method.parse(f"soft+{text}:strength={strength!r}").constraint
    found = fit_at(
        ROWS, lambda rows: Squared(rows, 0.0), PenaltyFamily(choice, Coupled((1, 30), 6, 1.0)), 1e-12, 100_000
    )
    assert found.solution.certificate.met
    return found.model()


def test_the_linear_kernel_is_the_mean_constraint_at_the_bayes_strength() -> None:
    """cov(w_t, w_s) = c + tau^2 [t = s], c without bound: `l2` at strength sigma^2 / (2 tau^2), own intercepts."""
    sharing = built("gp_icm")
    process, deviation, noise = sharing.processes[0], 0.3, 0.7
    process.tasks.covar_factor.fill_(1e4)
    process.tasks.var = torch.full((6,), deviation).double()
    process.likelihood.noise = noise
    fitted(sharing, 0)
    weights, intercepts = solved("l2", noise / (2 * deviation / 30))
    assert torch.allclose(predicted(sharing, X), X @ weights + intercepts, atol=1e-5)


def test_the_linear_kernel_of_one_variance_is_ridge() -> None:
    sharing = built("gp_shared")
    fitted(sharing, 500)
    process = sharing.processes[0]
    strength = float(process.likelihood.noise) / (2 * float(process.inputs.variance))
    weights, intercepts = solved("ridge", strength)
    assert torch.allclose(predicted(sharing, X), X @ weights + intercepts, atol=1e-7)


# --- the fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["gp_icm", "gp_icm:ard=true,kernel=rbf", "gp_icm:intercept=shrunk,noise=task", "gp_shared:ard=true", "gp_single"],
)
def test_a_fit_raises_the_likelihood_to_where_it_is_flat(text: str) -> None:
    start, end = fitted(built(text), 0), fitted(sharing := built(text), 500)
    assert end.objective < start.objective - 1
    assert end.residual < sharing.tolerance
    assert end.iterations > start.iterations == 0
    again = fitted(other := built(text), 500)
    assert again == end
    assert torch.equal(predicted(sharing, X), predicted(other, X))
    assert not any(p.requires_grad for p in sharing.parameters())


def test_the_coupling_finds_tasks_that_are_alike_and_opposed() -> None:
    """Weights w, w, w, -w, -w and, of the last task, others."""
    generator = torch.Generator().manual_seed(0)
    w, v = torch.randn(2, 30, generator=generator).double()
    inputs = [torch.randn(40, 30, generator=generator).double() for _ in range(6)]
    signs = [1.0, 1.0, 1.0, -1.0, -1.0]
    targets = [X @ (s * w) for s, X in zip(signs, inputs, strict=False)] + [inputs[5] @ v]
    targets = [y + 0.5 * torch.randn(40, generator=generator).double() for y in targets]
    sharing = built("gp_icm")
    fitted(sharing, 500, TaskRows(inputs, targets, sharing.tasks))
    B = sharing.matrices()["covariance"]
    assert float(B.diagonal().mean()) == pytest.approx(1)
    correlations = B / B.diagonal().sqrt().outer(B.diagonal().sqrt())
    assert torch.equal(correlations[:5, :5].sign(), torch.tensor(signs).outer(torch.tensor(signs)).double())
    assert float(correlations[:5, :5].abs().min()) > 0.95
    assert float(correlations[5, :5].abs().max()) < 0.5


def test_many_rows_are_conditioned_on_and_some_of_them_decide() -> None:
    few, all_ = built("gp_icm:kernel=rbf,rows=20"), built("gp_icm:kernel=rbf")
    whole = all_._blocks(list(ROWS.inputs), list(ROWS.targets))[0]
    kept = few.select_rows(whole, torch.Generator().manual_seed(0))
    assert [int((kept.t == t).sum()) for t in range(6)] == [n * 20 // sum(COUNTS) for n in COUNTS]
    known = {tuple(row) for row in whole.x.tolist()}
    assert {tuple(row) for row in kept.x.tolist()} < known
    fitted(few, 0)
    fitted(all_, 0)
    assert torch.equal(predicted(few, X), predicted(all_, X))
    fitted(few, 50)
    fitted(all_, 50)
    assert not torch.allclose(predicted(few, X), predicted(all_, X), atol=1e-3)


# --- runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gp_icm", "gp_shared", "gp_single", "gp_icm:kernel=rbf"])
def test_a_run_is_a_whole_record(method: str) -> None:
    [spec] = plan(SUITE, [method], [3])
    record, again = fit(spec), fit(spec)
    assert record.status == "done", record.error
    assert record.find_problems() == find_further_problems(record) == []
    assert ResultRecord.model_validate_json(record.model_dump_json()).find_problems() == []
    assert record.statistics["val"]["pooled"]["count"] == 6 * 200
    assert record.solution is not None
    assert (record.solution.certificate, record.solution.met) == ("gradient", True)
    assert record.environment["gpytorch"]
    assert record.cost is not None
    assert record.cost.parameters > 0
    assert record.cost.forward_flops > 0
    assert ("covariance" in record.matrices) == ("rbf" not in method)
    assert ("learned covariance" in record.matrices) == method.startswith("gp_icm")
    same = ("statistics", "scores", "solution", "matrices", "data", "run_id")
    assert all(getattr(record, name) == getattr(again, name) for name in same)


def test_the_test_split_is_read_once_after_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    [spec] = plan(SUITE, ["gp_icm"], [0])
    _, suite = parse_suite(spec.suite)
    run, seen = Inferred(spec, suite, Method.parse(spec.method)), list[str]()
    read, answer = suite.dataset, CoregionalisedProcess.fit
    monkeypatch.setattr(suite, "dataset", lambda split, seed: (seen.append(split), read(split, seed))[1])
    monkeypatch.setattr(CoregionalisedProcess, "fit", lambda *given: (seen.append("fit"), answer(*given))[1])
    examine(run.train(), suite, spec, lambda: run.data("test"))
    assert seen[:2] == ["train", "fit"]
    assert seen[-1] == "test"
    assert seen.count("test") == 1


def test_all_methods_of_linear_suites_have_them() -> None:
    assert set(fitted_by_themselves()) & set(list_supported_methods(SUITE)) >= PROCESSES


@pytest.mark.parametrize(
    ("suite", "method", "words"),
    [
        ("synthetic", "gp_icm", "`gp_icm` is fitted to all rows at once, in suites whose models are linear, with squ"),
        ("multidigits", "gp_shared", "`gp_shared` is fitted to all rows at once, in suites whose models are linear,"),
        (SUITE, "gp_icm:rank=7", "`rank` should be at most 6, the number of tasks. Found `rank = 7`."),
        (SUITE, "gp_icm+l2", "`gp_icm` has no copies of a parameter for `l2` to hold together."),
        (SUITE, "gp_icm@uncertainty", "A solver minimises the sum over all rows, which has no weights; leave out `@u"),
        (
            "linear_synthetic:tasks=100,train=200",
            "gp_icm:kernel=rbf",
            "`gp_icm:kernel=rbf` has exact inference, for at most 15,000 rows that depend on each other (here 20,000).",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_a_sentence(suite: str, method: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(suite, [method], [0], device="cpu")
    assert str(caught.value).startswith(words)


def test_linear_functions_and_tasks_apart_may_have_more_rows() -> None:
    assert len(plan("linear_synthetic:tasks=100,train=200", ["gp_icm", "gp_shared", "gp_single"], [0])) == 3


def test_without_the_package_a_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpytorch", None)
    with pytest.raises(UsageError) as caught:
        plan(SUITE, ["gp_icm"], [0])
    assert str(caught.value) == "Gaussian processes need GPyTorch; install it with `pip install gpytorch`."
    assert not PROCESSES & set(list_supported_methods(SUITE))
