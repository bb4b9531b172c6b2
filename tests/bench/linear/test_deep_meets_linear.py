"""The deep trainer on a linear backbone ends where the solver does: full batch, plain proximal gradient steps."""

import pytest
import torch

from bench.catalogue.method import Method
from bench.catalogue.registry import list_entries
from bench.core.constraint import Coupled
from bench.linear.choose import fit_at
from bench.linear.family import PenaltyFamily
from bench.linear.rows import TaskRows
from bench.linear.squared import Squared
from bench.planning.plan import parse_suite, plan
from bench.training.fit import Run
from tests.conftest import train_run

TASKS, TRAIN, STEPS = 6, 90, 400
SUITE = f"linear_synthetic:tasks={TASKS},train={TRAIN}"
CONVEX = {
    "ridge": 5.0,
    "l1": 8.0,
    "l2": 30.0,
    "l2_pairwise": 5.0,
    "graph:edges=ring": 20.0,
    "l21": 15.0,
    "l1inf": 30.0,
    "trace_norm": 40.0,
    "mtrl:memory=0.0": 8.0,
    "cluster:k=2": 40.0,
    "caso:h=2": 40.0,
    "dirty": 30.0,
    "robust": 40.0,
    "rmtfl": 15.0,
    "tgl": 8.0,
    "cfsgl": 8.0,
}
NOT_CONVEX = {"aso", "mrn", "orthogonal"}


def test_every_convex_constraint_is_tried() -> None:
    assert {name.partition(":")[0] for name in CONVEX} == set(list_entries("constraint")) - NOT_CONVEX


@pytest.mark.parametrize("name", CONVEX)
def test_descent_reaches_the_minimum_of_the_solver(name: str) -> None:
    """sum over tasks and rows of (y - z)^2 / 2, plus C: the objective is within 1e-4 of the least."""
    text = f"soft+{name}{',' if ':' in name else ':'}strength={CONVEX[name]}"
    _, suite = parse_suite(SUITE)
    data, names = suite.dataset("train", 0), [task.name for task in suite.tasks]
    rows = TaskRows([data.inputs[t].double() for t in names], [data.targets[t][:, 0].double() for t in names], names)
    # the trainer's losses are means over rows; these weights make them sums
    method = Method.parse(f"{text}@static:weights={'/'.join([str(float(TRAIN))] * TASKS)}")
    family = PenaltyFamily(method.constraint, Coupled((1, 30), TASKS, 1.0))
    best = fit_at(rows, lambda rows: Squared(rows, 0.0), family, 1e-10, 20_000)
    assert best.solution.certificate.met

    whole = [torch.cat([X, torch.ones(TRAIN, 1).double()], dim=1) for X in rows.inputs]
    steepest = best.objective.parts * Squared(TaskRows(whole, rows.targets, names)).steepest
    [spec] = plan(SUITE, [text], [0])
    settings = {"fit": "descent", "selection": "last", "lr": 1 / steepest, "steps_per_epoch": STEPS}
    protocol = spec.protocol.model_copy(update=settings)
    model = train_run(Run(spec.vary(method=method.canonical, protocol=protocol), suite, method))

    [held] = model.held
    parts = best.objective.parts
    copies = torch.stack([copy.detach() for copy in held.copies]).reshape(parts, TASKS, 1, 30).permute(0, 2, 3, 1)
    W = copies if parts > 1 else copies[0]  # as the penalty takes it, ([parts,] 1, 30, T)
    reached, least = best.objective.value(W), best.solution.objective
    assert -1e-9 < (reached - least) / least < 1e-4
    intercepts = torch.stack([tower[1][0].bias.detach()[0] for tower in model.sharing.towers])  # type: ignore[index,union-attr]
    assert torch.allclose(intercepts, best.model()[1], atol=1e-2)
