"""Leave-one-out errors of kernel regression as a function of the weights of attributes, and their minimum.

yhat_i = sum_{j != i} P_ij y_j,   P_ij = K_ij / sum_{l != i} K_il,   K_ij = exp(-D_ij / 2)

D_ij = sum_k w_k^2 (x_ik - x_jk)^2
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.core.self_fitting import Found
from bench.toolbox.outcomes import Outcome

MAX_BLOCK = 400_000  # entries of a block of distances: 3 MB, which a cache holds
STARTS = (1.0, 2.0, 4.0, 8.0)  # scales of equal weights that a descent may begin at, over sqrt(d)
SLOPE_TOLERANCE, FALL_TOLERANCE = 1e-7, 1e-10  # of L-BFGS: largest entry of the gradient, relative fall in a step


@dataclass(frozen=True)
class Labelled:
    """The labels of one task among rows.

    Args:
        task: its number.
        outcome: what the labels are.
        columns: (n, C), of all rows.
        spread: the error of the best constant, by which errors are divided.
    """

    task: int
    outcome: Outcome
    columns: Tensor
    spread: float


@dataclass(frozen=True)
class Neighbourhood:
    """Rows that are each other's neighbours, and the tasks that label all of them.

    Args:
        x: (n, d), n >= 2.
        labels: of these tasks.
        queries: rows whose errors are taken, (m,).
    """

    x: Tensor
    labels: Sequence[Labelled]
    queries: Tensor


def square_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2, (m, n) from (m, d) and (n, d); never negative."""
    return torch.addmm(a.square().sum(dim=1)[:, None] + b.square().sum(dim=1), a, b.T, alpha=-2).clamp_(min=0)


def split_queries(queries: Tensor, rows: int) -> Iterator[Tensor]:
    """`queries` in parts whose distances to so many `rows` fit into a block."""
    yield from torch.split(queries, max(1, MAX_BLOCK // max(1, rows)))


def compute_error(w: Tensor, places: Sequence[Neighbourhood], weights: Tensor) -> tuple[float, Tensor]:
    """sum_s a_s E_s(w), E_s the mean leave-one-out error of task s over its spread, and its gradient.

    Args:
        w: (d,), of the attributes.
        places: every task is in one of them.
        weights: a, (T,).

    Returns:
        The sum, and its gradient (d,). In blocks of rows: memory is bounded for any number of them.
    """
    value, gradient = 0.0, torch.zeros_like(w)
    for place in places:
        labels = [each for each in place.labels if weights[each.task] > 0]
        if not labels:
            continue
        z, Y, count = place.x * w, torch.cat([each.columns for each in labels], dim=1), len(place.queries)
        for rows in split_queries(place.queries, len(z)):
            P = square_distances(z[rows], z).mul_(-0.5)
            P[torch.arange(len(rows)), rows] = -torch.inf  # a row is no neighbour of its own
            P = P.softmax(dim=1)
            estimates, G = P @ Y, []
            by_task = torch.split(estimates, [each.columns.shape[1] for each in labels], dim=1)
            for each, own in zip(labels, by_task, strict=True):
                scale = float(weights[each.task]) / (count * each.spread)
                errors, slopes = each.outcome.compare(own, each.columns[rows])
                value += scale * float(errors.sum())
                G.append(scale * slopes)
            by_estimate = torch.cat(G, dim=1)
            # M_ij, the derivative by D_ij; its rows sum to 0, so that |x_i|^2 takes no part below.
            M = (by_estimate @ Y.T).sub_((by_estimate * estimates).sum(dim=1)[:, None]).mul_(P).mul_(-0.5)
            gradient += 2 * w * (M.sum(dim=0) @ place.x.square() - 2 * (place.x[rows] * (M @ place.x)).sum(dim=0))
    return value, gradient


def learn_weights(places: Sequence[Neighbourhood], weights: Tensor, iterations: int) -> tuple[Tensor, Found]:
    """The attribute weights w (d,) at a minimum of `compute_error`, by L-BFGS from the best of equal weights.

    The error is not convex in w: another start may end elsewhere. Nothing is random.

    Args:
        places: of all tasks.
        weights: what each task's error counts, (T,).
        iterations: of L-BFGS, at most.
    """
    from scipy.optimize import minimize  # not at the top: scipy takes long to import, and few runs need it

    columns = places[0].x.shape[1]

    def look(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = compute_error(torch.from_numpy(theta), places, weights)
        return value, gradient.numpy()

    starts = [np.full(columns, scale / columns**0.5) for scale in STARTS]
    start = min(starts, key=lambda theta: look(theta)[0])
    before = float(np.linalg.norm(look(start)[1]))
    end = minimize(
        look,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxfun": 2 * iterations, "gtol": SLOPE_TOLERANCE, "ftol": FALL_TOLERANCE},
    )
    residual = float(np.linalg.norm(end.jac)) / (before or 1.0)
    return torch.from_numpy(np.abs(end.x)), Found(float(end.fun), residual, int(end.nit), columns)
