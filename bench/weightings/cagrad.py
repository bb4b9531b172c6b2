"""CAGrad: the best worst-case improvement near the mean gradient."""

from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from bench.api import Added, Ge, GramianWeighting, call_solver, register

PRECISION = 1e-12  # of the solver: gap and feasibility; G has trace 1
LIVE = 1e-8  # a weight below it is zero


@register(
    "cagrad",
    title="CAGrad",
    family="combined gradients",
    version=3,
    paper="Liu, Liu, Jin, Stone, Liu, Conflict-Averse Gradient Descent for Multi-task Learning, NeurIPS 2021, "
    "equation 5",
)
class CAGrad(GramianWeighting):
    """The direction within c |g_0| of the mean gradient g_0 whose smallest product with a task gradient is largest.

    It is T (g_0 + c |g_0| g_v / |g_v|), g_v = sum_t v_t g_t, where v on the simplex minimises
    g_v . g_0 + c |g_0| |g_v|: a second-order cone problem in T + 1 numbers, put to Clarabel directly and polished,
    where the authors' code uses scipy's SLSQP. c = 0 is `uniform` on the shared parameters. Where all gradients are
    equal the step is 1 + c times that of `uniform`, since equation 5 goes to the edge of the ball.

    c: radius over |g_0|, at least 0.
    rescale: `none`, equation 5; `authors`, divided by 1 + c^2, as the authors' code does, which also multiplies by T.
    """

    sum_of_weights = "1"
    unlike_uniform = "where gradients agree its step is 1 + c times that of `uniform`."

    def __init__(
        self,
        tasks: list[str],
        *,
        c: Annotated[float, Ge(0)] = 0.5,
        rescale: Annotated[Literal["none", "authors"], Added()] = "none",
    ) -> None:
        super().__init__(tasks, self._weights)
        self.c, self.shrinkage = c, 1 + c**2 if rescale == "authors" else 1.0
        call_solver(_clarabel)

    def _weights(self, G: Tensor) -> Tensor:
        """1/T + c |g_0| v / |g_v|, (T,), rescaled, from G (T, T); where g_v is 0, 1/T."""
        T = len(G)
        values, vectors = np.linalg.eigh(G.double().cpu().numpy())
        R = np.sqrt(values.clip(min=0))[:, None] * vectors.T  # R^T R = G, so that |R v| = |g_v|
        radius = float(self.c * np.linalg.norm(R.mean(axis=1)))
        v = self._worst(R, radius) if radius else np.zeros(T)
        length = np.linalg.norm(R @ v)
        scale = radius / length if length > np.finfo(float).eps else 0.0
        return torch.as_tensor((1 / T + scale * v) / self.shrinkage)

    def _worst(self, R: np.ndarray, radius: float) -> np.ndarray:
        """v on the simplex that minimises g_v . g_0 + radius |g_v|; the variables are (v, s) with s >= |R v|."""
        from scipy import sparse

        clarabel = _clarabel()  # not kept: a module can be neither copied nor pickled
        T = R.shape[1]
        objective = np.append(R.T @ R.mean(axis=1), radius)
        rows = np.block(
            [
                [np.ones((1, T)), np.zeros((1, 1))],  # sum v = 1
                [-np.eye(T), np.zeros((T, 1))],  # v >= 0
                [np.zeros((1, T)), -np.ones((1, 1))],  # (s, R v) in the cone
                [-R, np.zeros((T, 1))],
            ]
        )
        bounds = np.append(1.0, np.zeros(2 * T + 1))
        cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(T), clarabel.SecondOrderConeT(T + 1)]
        none = sparse.csc_matrix((T + 1, T + 1))
        solution = clarabel.DefaultSolver(
            none, objective, sparse.csc_matrix(rows), bounds, cones, _settings(clarabel)
        ).solve()
        v = np.asarray(solution.x[:T]).clip(min=0)
        return _polish(R, radius, v / v.sum())


def _polish(R: np.ndarray, radius: float, v: np.ndarray) -> np.ndarray:
    """`v` after two steps of Newton's method on the conditions of a minimum where v > 0, unless they lead outside.

    An interior-point method stops at the square root of its precision where the objective is flat.
    """
    live = v > LIVE
    A, b = R[:, live].T @ R[:, live], R[:, live].T @ R.mean(axis=1)
    u = v[live] / v[live].sum()
    ones = np.ones((len(u), 1))
    for _ in range(2):
        length = np.sqrt(u @ A @ u)
        if not length > LIVE * np.linalg.norm(R):  # |R v| has no derivative at 0
            return v
        pull = A @ u / length
        curvature = radius * (A - np.outer(pull, pull)) / length
        system = np.block([[curvature, ones], [ones.T, np.zeros((1, 1))]])
        change, *_ = np.linalg.lstsq(system, np.append(-b - radius * pull, 0.0))
        u = u + change[:-1]
    if (u < 0).any():
        return v
    polished = np.zeros_like(v)
    polished[live] = u
    return polished


def _clarabel() -> Any:
    """The solver, imported where it is needed only, since it is optional."""
    import clarabel

    return clarabel


def _settings(clarabel: Any) -> Any:
    """Silent, and as precise as double allows: the polish needs a start near the minimum."""
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = PRECISION
    return settings
