"""Gramian steps: against separate backward passes and TorchJD's aggregators, and through the whole of training."""

import importlib.util
import sys
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor
from torchjd import aggregation as jd
from torchjd.linalg import QuadprogProjector

from bench.catalogue.registry import choose, list_entries
from bench.core.data import Order
from bench.core.state import StepState, TrainState, draw_from
from bench.errors import UsageError
from bench.loop.gradients import TaskGradients, cosines
from bench.records import parse_call
from bench.training.gradients import compute_losses, task_cosines
from bench.training.step import training_step
from tests.conftest import make_run, train_run

SUITES = ["synthetic:tasks=3", "multidigits"]
AGGREGATORS: dict[str, Any] = {
    "pcgrad": lambda T: jd.PCGrad(),
    "mgda": lambda T: jd.MGDA(),
    "cagrad": lambda T: jd.CAGrad(c=0.5),
    "nash_mtl": lambda T: jd.NashMTL(n_tasks=T),
    "aligned_mtl": lambda T: jd.AlignedMTL(),
    "imtl_g": lambda T: jd.IMTLG(),
    "upgrad": lambda T: jd.UPGrad(projector=QuadprogProjector(reg_eps=1e-10)),
    "fairgrad": lambda T: jd.FairGrad(alpha=1.0),
    "dualproj": lambda T: jd.DualProj(projector=QuadprogProjector(reg_eps=1e-10)),
    "gradvac": lambda T: jd.GradVac(beta=0.5),
}
MEANS = ["mgda", "cagrad", "aligned_mtl", "imtl_g", "upgrad", "dualproj"]  # there; sums here, as the others are


def test_every_gramian_weighting_has_its_reference() -> None:
    found = {name for name, entry in list_entries("weighting").items() if entry.cls.scales == "shared"}
    assert found == AGGREGATORS.keys()


def jacobian(run: Any, batch: Any) -> tuple[list[Any], Tensor, list[list[Tensor]]]:
    """Shared parameters, J (T, P) over them, and each task's own gradients on its head, by T separate passes."""
    shared = list(run.model.sharing.parameters())
    rows, heads = [], []
    for t, task in enumerate(run.model.tasks):
        loss = compute_losses(run.model, batch, run.module.state)[t]
        own = list(run.model.heads[task.name].parameters())
        found = torch.autograd.grad(loss, [*shared, *own])
        rows.append(torch.cat([gradient.flatten() for gradient in found[: len(shared)]]))
        heads.append(list(found[len(shared) :]))
    return shared, torch.stack(rows), heads


@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("name", AGGREGATORS)
def test_steps_are_those_of_the_aggregator(name: str, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(f"hard@{name}", suite)
    rows = run.data("train")
    batch = rows.take([torch.arange(32) for _ in rows.groups])
    shared, J, heads = jacobian(run, batch)
    state = run.module.state.generator.get_state()
    solve = cp.Problem.solve  # CAGrad's: at its default tolerance the step is off by up to 1e-4
    tight = {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13} if name == "cagrad" else {}
    monkeypatch.setattr(cp.Problem, "solve", lambda *positional, **named: solve(*positional, **named, **tight))
    with draw_from(run.module.state.generator):
        expected = AGGREGATORS[name](len(J))(J) * (len(J) if name in MEANS else 1)
    run.module.state.generator.set_state(state)
    training_step(run.model, batch, run.module.state).backward()
    found = torch.cat([parameter.grad.flatten() for parameter in shared])
    assert float((found - expected).norm() / expected.norm()) <= 1e-6
    for task, own in zip(run.model.tasks, heads, strict=True):
        for parameter, gradient in zip(run.model.heads[task.name].parameters(), own, strict=True):
            assert torch.allclose(parameter.grad, gradient, rtol=1e-10, atol=1e-14)


def test_shared_parameters_are_found_not_declared() -> None:
    """Above a split the towers are the tasks' own: they keep their gradient, like heads."""
    run, plain = (make_run(f"hard:split=1@{name}", "multidigits") for name in ("mgda", "uniform"))
    rows = run.data("train")
    batch = rows.take([torch.arange(16)])
    for each in (run, plain):
        training_step(each.model, batch, each.module.state).backward()
    for p, q in zip(run.model.sharing.towers.parameters(), plain.model.sharing.towers.parameters(), strict=True):
        assert torch.allclose(p.grad, q.grad, rtol=1e-10, atol=1e-14)
    trunks = zip(run.model.sharing.trunk.parameters(), plain.model.sharing.trunk.parameters(), strict=True)
    assert all(not torch.allclose(p.grad, q.grad, rtol=1e-3) for p, q in trunks)


@pytest.mark.parametrize("scales", ["losses", "shared"])
def test_stored_gradients_combine_to_weighted_sums(scales: str) -> None:
    run = make_run("hard")
    batch = run.data("train").take([torch.arange(32)])
    losses = compute_losses(run.model, batch, run.module.state)
    gradients = TaskGradients(losses, run.model.learning)
    weights = torch.tensor([0.5, 2.0, -1.0], dtype=torch.float64)
    whole = torch.autograd.grad(weights @ torch.stack(losses), gradients.parameters, retain_graph=True)
    plain = torch.autograd.grad(torch.stack(losses).sum(), gradients.parameters, retain_graph=True)
    combined = gradients.combine(weights, scales, 0.25)
    assert 0 < sum(gradients.shared) < len(gradients.parameters)
    for found, shared, a, b in zip(combined, gradients.shared, whole, plain, strict=True):
        expected = a if shared or scales == "losses" else b
        assert torch.allclose(found, 0.25 * expected, rtol=1e-10, atol=1e-14)
    _, J, _ = jacobian(run, batch)
    assert torch.allclose(gradients.gramian(), J @ J.T, rtol=1e-10)


def test_cosines_of_gradients() -> None:
    J = torch.tensor([[3.0, 4.0], [-4.0, 3.0], [-6.0, -8.0], [0.0, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[1, 0, -1, 0], [0, 1, 0, 0], [-1, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float64)
    assert torch.allclose(cosines(J @ J.T), expected, atol=1e-15)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_one_task_is_plain_training(name: str) -> None:
    suite, short = "synthetic:tasks=1", {"epochs": "1", "steps_per_epoch": "5"}
    ours, plain = (train_run(make_run(method, suite, **short)) for method in (f"hard@{name}", "hard"))
    for p, q in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["hard@mgda", "cross_stitch:rate=1@upgrad", "mmoe@pcgrad"])
def test_lightning_makes_the_same_steps_as_a_hand_loop(method: str) -> None:
    settings = {"epochs": "2", "steps_per_epoch": "4", "clip_norm": "0.5"}
    trained = train_run(make_run(method, **settings))
    run = make_run(method, **settings)
    batches = run.data("train")
    order = Order(batches, run.protocol.batch_size, run.spec.seed)
    optimiser = torch.optim.SGD(run.model.parameters(), lr=run.protocol.lr)
    for step in range(8):
        run.module.state.step = step
        optimiser.zero_grad()
        training_step(run.model, batches.take(order.batch(step)), run.module.state).backward()
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), 0.5)
        optimiser.step()
    for p, q in zip(trained.parameters(), run.model.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("weighting", ["imtl_g", "gradnorm"])
def test_fused_optimisers_see_gradients_in_the_order_of_their_parameters(weighting: str, optimiser: str) -> None:
    """Channels-last kernels, whose stored gradients could lie otherwise in memory: a plain optimiser does not mind."""
    settings = {"optimiser": optimiser, "epochs": "1", "steps_per_epoch": "4", "schedule": "constant", "lr": "0.01"}
    trained = train_run(make_run(f"hard@{weighting}", "multidigits", **settings))
    run = make_run(f"hard@{weighting}", "multidigits", **settings)
    rows = run.data("train")
    order = Order(rows, run.protocol.batch_size, run.spec.seed)
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimiser]
    groups = [
        {"params": list(run.model.sharing.parameters()) + list(run.model.heads.parameters())},
        {"params": list(run.model.weighting.parameters()), "weight_decay": 0.0},
    ]
    optimiser_of_own = kind([group for group in groups if group["params"]], lr=0.01, fused=False)
    for step in range(4):
        run.module.state.step = step
        optimiser_of_own.zero_grad()
        training_step(run.model, rows.take(order.batch(step)), run.module.state).backward()
        optimiser_of_own.step()
    kernels = [p for p in run.model.sharing.parameters() if p.dim() == 4]
    assert any(p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous() for p in kernels)
    for p, q in zip(trained.sharing.parameters(), run.model.sharing.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name not in ("pcgrad", "gradvac")])
def test_relabelled_tasks_get_relabelled_weights(name: str) -> None:
    """Those that draw an order of the tasks are left out."""
    J = torch.randn(3, 6, generator=torch.Generator().manual_seed(3)).double()
    order = [2, 0, 1]
    found = []
    for rows in (J, J[order]):
        weighting = choose("weighting", parse_call(name)).build(["a", "b", "c"]).double()
        found.append(weighting(StepState(torch.ones(3).double(), TrainState(), rows @ rows.T)))
    assert torch.allclose(found[0][order], found[1], atol=1e-6)


@pytest.mark.parametrize("name", ["pcgrad", "mgda", "cagrad", "aligned_mtl", "imtl_g", "upgrad", "dualproj", "gradvac"])
@pytest.mark.parametrize("size", [1e-10, 1e8])
def test_directions_do_not_depend_on_the_size_of_gradients(name: str, size: float) -> None:
    J = torch.randn(3, 6, generator=torch.Generator().manual_seed(3)).double()
    found = []
    for rows in (J, size * J):
        weighting = choose("weighting", parse_call(name)).build(["a", "b", "c"]).double()
        state = TrainState(generator=torch.Generator().manual_seed(0))
        found.append(weighting(StepState(torch.ones(3).double(), state, rows @ rows.T)))
    assert torch.allclose(*found, atol=1e-6)


@pytest.mark.parametrize("size", [1e-8, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize(("name", "alpha"), [("fairgrad", 1), ("fairgrad:alpha=2", 2), ("nash_mtl:clip=0", 1)])
def test_bargains_hold_at_every_size_of_gradients(name: str, alpha: float, size: float) -> None:
    """G w = w^(-1/alpha), coordinate by coordinate."""
    J = size * torch.randn(3, 6, generator=torch.Generator().manual_seed(3)).double()
    weighting = choose("weighting", parse_call(name)).build(["a", "b", "c"]).double()
    w = weighting(StepState(torch.ones(3).double(), TrainState(), J @ J.T))
    assert torch.allclose((J @ J.T @ w) * w ** (1 / alpha), torch.ones(3).double(), atol=1e-5)


def test_nash_clips_the_length_of_the_step() -> None:
    J = 0.01 * torch.randn(3, 6, generator=torch.Generator().manual_seed(3)).double()
    steps = []
    for clip in (0, 1e-3):
        weighting = choose("weighting", parse_call(f"nash_mtl:clip={clip}")).build(["a", "b", "c"]).double()
        steps.append(weighting(StepState(torch.ones(3).double(), TrainState(), J @ J.T)) @ J)
    assert float(steps[1].norm()) == pytest.approx(1e-3)
    assert torch.allclose(steps[1] / steps[1].norm(), steps[0] / steps[0].norm(), atol=1e-9)


def onto_dual_cone(x: np.ndarray, J: np.ndarray) -> np.ndarray:
    """The nearest point to x with J p >= 0: x + J^T v for the least-squares v >= 0 of |x + J^T v|."""
    v, _ = nnls(J.T, -x)
    projected: np.ndarray = x + J.T @ v
    return projected


@pytest.mark.parametrize("seed", range(4))
def test_projections_on_the_dual_cone_hurt_nobody(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    J = torch.randn(4, 9, generator=generator).double() * torch.tensor([[0.2], [1.0], [3.0], [0.5]])
    rows = J.numpy()
    expected = {
        "dualproj": onto_dual_cone(rows.sum(axis=0), rows),
        "upgrad": np.sum([onto_dual_cone(row, rows) for row in rows], axis=0),
    }
    for name, direction in expected.items():
        weighting = choose("weighting", parse_call(name)).build(list("abcd")).double()
        found = (weighting(StepState(torch.ones(4).double(), TrainState(), J @ J.T)) @ J).numpy()
        assert np.linalg.norm(found - direction) <= 1e-6 * np.linalg.norm(direction), name
        assert (rows @ found).min() >= -1e-7, name


@pytest.mark.parametrize("method", ["cross_stitch:warm=0.5@pcgrad", "cross_stitch:warm=0.5@gradnorm"])
def test_a_phase_in_which_nothing_is_shared_is_plain_training(method: str) -> None:
    settings = {"epochs": "2", "steps_per_epoch": "4"}
    assert all(bool(p.isfinite().all()) for p in train_run(make_run(method, **settings)).parameters())
    run = make_run(method, **settings)
    rows = run.data("train")
    order = Order(rows, run.protocol.batch_size, run.spec.seed)
    run.module.state.phase = "towers"
    optimiser = torch.optim.SGD([*run.model.sharing.parameters(), *run.model.heads.parameters()], lr=0.02)
    for step in range(4):
        optimiser.zero_grad()
        training_step(run.model, rows.take(order.batch(step)), run.module.state).backward()
        optimiser.step()
    alone = train_run(make_run("single_task", **(settings | {"epochs": "1"})))
    for p, q in zip(run.model.sharing.towers.parameters(), alone.sharing.towers.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-9, atol=1e-12)


def test_what_draws_follows_the_generator_of_training() -> None:
    J = torch.randn(5, 6, generator=torch.Generator().manual_seed(3)).double()

    def weights(seed: int, noise: int) -> Tensor:
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        weighting = choose("weighting", parse_call("pcgrad")).build(list("abcde")).double()
        state = TrainState(generator=torch.Generator().manual_seed(seed))
        found: Tensor = weighting(StepState(torch.ones(5).double(), state, J @ J.T))
        assert torch.equal(torch.get_rng_state(), before)
        return found

    assert torch.equal(weights(0, 1), weights(0, 2))
    assert len({tuple(weights(seed, 1).tolist()) for seed in range(8)}) > 1


@pytest.mark.parametrize("method", ["soft+l2@pcgrad", "single_task@mgda", "hard:split=0@mgda"])
def test_nothing_shared_is_refused(method: str) -> None:
    with pytest.raises(UsageError, match=r"share|separate models"):
        make_run(method)


def test_a_missing_solver_of_torchjd_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    hide = lambda wanted, package=None: None if wanted == "quadprog" else find(wanted, package)  # noqa: E731
    monkeypatch.setattr("torchjd._mixins.find_spec", hide)
    with pytest.raises(UsageError, match=r"quadprog.*pip install 'torchjd\[full\]'`\.$"):
        choose("weighting", parse_call("upgrad")).build(["a", "b"])


def test_a_missing_solver_of_ours_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clarabel", None)
    with pytest.raises(UsageError, match=r"clarabel.*pip install 'torchjd\[full\]'`\.$"):
        choose("weighting", parse_call("cagrad")).build(["a", "b"])


def test_gradnorm_pulls_weighted_norms_together() -> None:
    """The gradient of sum |w_t n_t - mean r_t^alpha| in w, written in numpy, and what it does over time."""
    J = np.diag([1.0, 4.0, 9.0])
    weighting = choose("weighting", parse_call("gradnorm:alpha=0.5")).build(["a", "b", "c"]).double()
    losses = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    gramian = torch.from_numpy(J @ J.T)
    assert torch.equal(weighting(StepState(losses, TrainState(), gramian)), torch.ones(3).double())
    later = losses * torch.tensor([0.5, 1.0, 1.5])
    weighting(StepState(later, TrainState(), gramian))
    weighting.regulariser().backward()
    norms, pace = np.diag(J), np.array([0.5, 1.0, 1.5])
    target = norms.mean() * (pace / pace.mean()) ** 0.5
    assert np.allclose(weighting.weights.grad.numpy(), np.sign(norms - target) * norms)
    optimiser = torch.optim.SGD(weighting.parameters(), lr=1e-3)
    for _ in range(3000):
        optimiser.zero_grad()
        w = weighting(StepState(losses, TrainState(), gramian))
        weighting.regulariser().backward()
        optimiser.step()
    assert float(w.sum()) == pytest.approx(3)
    assert np.allclose(w.numpy() * norms, (w.numpy() * norms).mean(), rtol=0.05)


def test_cosines_of_a_model_are_over_what_tasks_share_or_over_their_copies() -> None:
    """Tied towers at the start see what a trunk sees: soft's cosines are hard's, and both are J's."""
    found = {}
    for method in ("hard", "soft+l2", "single_task"):
        run = make_run(method)
        rows = run.data("train")
        batches = [rows.take([torch.arange(32) + 32 * k]) for k in range(2)]
        found[method] = task_cosines(run.model, batches, run.module.state)
    run = make_run("hard")
    expected = torch.stack([cosines(J @ J.T) for batch in batches for J in [jacobian(run, batch)[1]]]).mean(dim=0)
    for matrix in found.values():
        assert matrix is not None
        assert torch.allclose(matrix, expected, atol=1e-10)
    parted = make_run("learn_to_branch")
    with torch.no_grad():
        for alpha in parted.model.sharing.choices:
            alpha.copy_(torch.eye(3))
    parted.module.state.phase = "tree"
    assert task_cosines(parted.model, batches, parted.module.state) is None
    assert float(expected.diagonal().min()) == 1.0
    assert float((expected - torch.eye(3)).abs().max()) > 1e-3
