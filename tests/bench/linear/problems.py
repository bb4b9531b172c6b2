"""Small linear problems that tests of the solver share."""

import torch
from torch import Tensor

from bench.catalogue.registry import choose
from bench.core.constraint import Constraint, Coupled
from bench.linear.family import PenaltyFamily
from bench.linear.loss import Loss
from bench.linear.minimise import minimise
from bench.linear.objective import Objective, SolverResult
from bench.linear.rows import TaskRows
from bench.records import parse_call

COUNTS, FEATURES = (9, 14, 30, 21), 6
NORMS = ["l1", "l21", "l1inf", "trace_norm", "dirty", "robust", "rmtfl"]
OTHERS = ["l2", "l2_pairwise", "graph", "graph:edges=ring", "ridge", "mtrl", "cluster:k=2", "caso:h=2"]


def problem(
    counts: tuple[int, ...] = COUNTS,
    features: int = FEATURES,
    seed: int = 0,
    common: bool = False,
    classes: bool = False,
) -> TaskRows:
    """Tasks with numbers of rows of their own, inputs off their mean, weights that are half alike."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shared = draw(features)
    inputs = [draw(n, features) + 0.5 * draw(features) for n in counts]
    if common:
        inputs = [inputs[0]] * len(counts)
    targets = [X @ (shared + draw(features)) + 2 * float(draw(())) + 0.5 * draw(len(X)) for X in inputs]
    if classes:
        targets = [(y > y.median()).double() for y in targets]
    return TaskRows(inputs, targets, [f"t{k}" for k in range(len(counts))])


def family(text: str, rows: TaskRows) -> PenaltyFamily:
    """The constraint `text` on weights of the size of `rows`."""
    return PenaltyFamily(choose("constraint", parse_call(text)), Coupled((1, rows.features), len(rows.names), 1.0))


def penalty(text: str, rows: TaskRows) -> Constraint:
    """The constraint itself, in float64."""
    return family(text, rows).build_penalty({})


def solve(text: str, rows: TaskRows, loss: Loss, further: int = 500) -> SolverResult:
    """The minimum up to rounding: to a strict certificate, and on from there."""
    objective = Objective(loss, penalty(text, rows))
    found = minimise(objective, None, 1e-11, 50_000)
    assert found.certificate.met
    return minimise(objective, found.W, 0.0, further)


def weights(found: SolverResult) -> Tensor:
    """W (d, T)."""
    return (found.W.sum(dim=0) if found.W.dim() == 4 else found.W)[0]


def at(name: str, strength: float) -> str:
    """A constraint at a strength."""
    return f"{name}{',' if ':' in name else ':'}strength={strength!r}"


def largest(rows: TaskRows, loss: Loss, name: str) -> float:
    """The critical strength."""
    return family(name, rows).list_strengths(loss, {}, 2, 0.1)[0]
