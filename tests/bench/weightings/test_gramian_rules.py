"""What Gramian weightings compute: against equations, optimality conditions and the papers' steps, written out."""

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.catalogue.registry import choose
from bench.core.state import StepState, TrainState, draw_from
from bench.records import parse_call
from bench.toolbox.bargaining import bargain


def gradients(tasks: int, seed: int, spread: float) -> Tensor:
    """J (T, T + 3) whose rows' lengths run over `spread` orders of magnitude."""
    J = torch.randn(tasks, tasks + 3, generator=torch.Generator().manual_seed(seed)).double()
    return J * torch.logspace(-spread / 2, spread / 2, tasks).double()[:, None]


@pytest.mark.parametrize("spread", [0, 2, 4])
@pytest.mark.parametrize("tasks", [2, 3, 10])
@pytest.mark.parametrize(("name", "p"), [("fairgrad", 1.0), ("nash_mtl:clip=0", 1.0), ("fairgrad:alpha=3", 1 / 3)])
def test_bargains_hold_where_gradients_differ_in_size(name: str, p: float, tasks: int, spread: float) -> None:
    """Least squares, which others use for it, miss the solution here."""
    J = gradients(tasks, seed=tasks, spread=spread)
    weighting = choose("weighting", parse_call(name)).build([str(t) for t in range(tasks)]).double()
    w = weighting(StepState(torch.ones(tasks).double(), TrainState(), J @ J.T))
    assert (w > 0).all()
    assert torch.allclose((J @ J.T @ w) * w**p, torch.ones(tasks).double(), atol=1e-9)


@pytest.mark.parametrize(("p", "rho"), [(1.0, 0.5), (1.0, -0.999), (0.5, -0.5), (4.0, 0.0)])
def test_a_bargain_of_two_equal_tasks(p: float, rho: float) -> None:
    """(1 + rho) w = w^(-p)."""
    w = bargain(torch.tensor([[1, rho], [rho, 1]], dtype=torch.float64), p)
    assert torch.allclose(w, torch.tensor([(1 + rho) ** (-1 / (1 + p))] * 2).double(), rtol=1e-7)


@pytest.mark.parametrize("G", [[[1.0, -1.0], [-1.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]])
def test_no_bargain_where_a_mixture_of_gradients_is_zero(G: list[list[float]]) -> None:
    gramian = torch.tensor(G).double()
    assert bargain(gramian, 1.0).isnan().all()
    weighting = choose("weighting", parse_call("fairgrad")).build(["a", "b"]).double()
    assert weighting(StepState(torch.ones(2).double(), TrainState(), gramian)).tolist() == [1.0, 1.0]  # `uniform`


@pytest.mark.parametrize("spread", [0, 2])
@pytest.mark.parametrize("tasks", [2, 3, 10])
@pytest.mark.parametrize("c", [0.2, 0.5, 0.9])
def test_cagrad_holds_its_optimality_conditions(c: float, tasks: int, spread: float) -> None:
    """w / T = 1/T + scale v: the slope of g_v . g_0 + c |g_0| |g_v| is least, and equal, wherever v > 0; sum v = 1."""
    J = gradients(tasks, seed=7 * tasks, spread=spread).numpy()
    weighting = choose("weighting", parse_call(f"cagrad:c={c}")).build([str(t) for t in range(tasks)]).double()
    G = torch.from_numpy(J @ J.T)
    w = weighting(StepState(torch.ones(tasks).double(), TrainState(), G)).numpy() / tasks
    g0, v = J.mean(axis=0), (w - 1 / tasks) / (w - 1 / tasks).sum()
    gv, radius = v @ J, c * np.linalg.norm(J.mean(axis=0))
    assert np.linalg.norm(w @ J - g0) == pytest.approx(radius, rel=1e-9)  # on the sphere around the mean gradient
    slope = J @ g0 + radius * (J @ gv) / np.linalg.norm(gv)
    unit = np.abs(slope).max()
    assert (v >= -1e-9).all()
    assert (v * (slope - slope.min())).sum() <= 1e-8 * unit  # complementary slackness
    worst = min((w @ J) @ row for row in J)
    for other in np.random.default_rng(0).standard_normal((200, J.shape[1])):
        assert min((g0 + radius * other / np.linalg.norm(other)) @ row for row in J) <= worst + 1e-9 * unit


# --- written out on whole gradients, over several steps in a row -------------------------------


def surgery(J: np.ndarray) -> np.ndarray:
    """PCGrad's sum, algorithm 1: every gradient against the others, as they were, in the order that is drawn."""
    total = np.zeros(J.shape[1])
    for i, row in enumerate(J):
        g = row.copy()
        for j in torch.randperm(len(J)).tolist():
            if j != i and g @ J[j] < 0:
                g -= (g @ J[j]) / (J[j] @ J[j]) * J[j]
        total += g
    return total


def vaccine(J: np.ndarray, means: np.ndarray, beta: float = 0.5) -> np.ndarray:
    """GradVac's sum, equation 5; `means` (T, T) are the running cosines and move."""
    total, T = np.zeros(J.shape[1]), len(J)
    for i, row in enumerate(J):
        g, others = row.copy(), [j for j in range(T) if j != i]
        for j in (others[k] for k in torch.randperm(T - 1).tolist()):
            cosine = g @ J[j] / np.linalg.norm(g) / np.linalg.norm(J[j])
            goal = means[i, j]
            if cosine < goal:
                wanted = goal * np.sqrt(1 - cosine**2) - cosine * np.sqrt(1 - goal**2)
                g = g + np.linalg.norm(g) * wanted / (np.linalg.norm(J[j]) * np.sqrt(1 - goal**2)) * J[j]
                turned = g @ J[j] / np.linalg.norm(g) / np.linalg.norm(J[j])
                assert turned == pytest.approx(goal, abs=1e-9)  # what the equation is for
            means[i, j] = (1 - beta) * goal + beta * cosine
        total += g
    return total


def orthogonal_system(J: np.ndarray) -> np.ndarray:
    """Aligned-MTL's sum: J = U S V^T becomes s_min U V^T, the nearest system of orthogonal rows of that length."""
    U, s, V = np.linalg.svd(J, full_matrices=False)
    return (s[-1] * U @ V).sum(axis=0)


@pytest.mark.parametrize("name", ["pcgrad", "gradvac", "aligned_mtl"])
def test_steps_in_a_row_are_those_of_the_paper(name: str) -> None:
    """Six steps on conflicting gradients, with the numbers that the weighting drew and the state that it kept."""
    weighting = choose("weighting", parse_call(name)).build(["a", "b", "c"]).double()
    ours, theirs = (TrainState(generator=torch.Generator().manual_seed(5)) for _ in range(2))
    means, conflicts = np.zeros((3, 3)), 0
    for step in range(6):
        J = np.random.default_rng(step).standard_normal((3, 4)) * [[1.0], [2.0], [0.5]] + 0.3
        conflicts += int((J @ J.T < 0).sum())
        G = torch.from_numpy(J @ J.T)
        found = weighting(StepState(torch.ones(3).double(), ours, G)).numpy() @ J
        with draw_from(theirs.generator):
            reference = {"pcgrad": surgery, "gradvac": lambda J: vaccine(J, means), "aligned_mtl": orthogonal_system}
            expected = reference[name](J)
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)
    assert conflicts > 6
    if name == "gradvac":
        assert np.allclose(weighting.similarity.numpy(), means, atol=1e-6)
        assert np.abs(means).max() > 0.1


def test_drawing_leaves_torch_as_it_was() -> None:
    weighting = choose("weighting", parse_call("pcgrad")).build(["a", "b", "c"]).double()
    before = torch.get_rng_state()
    J = gradients(3, 0, 0.0)
    weighting(StepState(torch.ones(3).double(), TrainState(generator=torch.Generator().manual_seed(0)), J @ J.T))
    assert torch.equal(torch.get_rng_state(), before)
