"""The equation of fair steps, G w = w^(-p), solved exactly; `nash_mtl` and `fairgrad` are two of its exponents."""

import numpy as np
import torch
from torch import Tensor

MAX_STEPS = 100  # of Newton's method
# The error of an iterate is its largest |w_i^p (G w)_i - 1|, which has no unit.
CONVERGED = 1e-12  # an iterate with less error is the answer
ROUNDING = 1e-8  # once below it an error that goes up is rounding: the best iterate is the answer
ACCEPTABLE = 1e-3  # an answer with more error than this is none


def bargain(G: Tensor, p: float) -> Tensor:
    """w > 0 (T,), in float64, that solves G w = w^(-p), p > 0, for a positive semidefinite G (T, T).

    It is the minimum of w^T G w / 2 - sum_i U(w_i), U' = w^(-p), which is strictly convex: Newton's method from the
    solution for the diagonal of G, kept inside w > 0 and made to descend. NaN where there is no solution (some mixture
    of the gradients is zero, so that the minimum is at infinity) and where rounding keeps it from being found.
    The answer is on the device of G.
    """
    A = G.double().cpu().numpy()
    with np.errstate(all="ignore"):  # overflow ends in a large error, which is handled
        w, error = _newton(A, p)
    return torch.as_tensor(w if error <= ACCEPTABLE else np.full(len(A), np.nan), device=G.device)


def _newton(A: np.ndarray, p: float) -> tuple[np.ndarray, float]:
    """The best of the iterates, and its largest |w_i^p (A w)_i - 1|."""

    def objective(w: np.ndarray) -> float:
        """w^T A w / 2 - sum_i U(w_i), up to a constant."""
        utility = np.log(w) if p == 1 else w ** (1 - p) / (1 - p)
        return float(w @ A @ w / 2 - utility.sum())

    w = np.diag(A) ** (-1 / (1 + p))
    best, least = w, np.inf
    for _ in range(MAX_STEPS):
        wanted = w**-p
        slope = A @ w - wanted
        error = float(np.abs(slope / wanted).max())
        if error >= least and least <= ROUNDING:
            break
        if error < least:
            best, least = w, error
        curvature = A + np.diag(p * wanted / w)
        unit = curvature.diagonal() ** -0.5  # tasks in units of their own, for the sake of the solver
        scaled = unit[:, None] * curvature * unit
        if not CONVERGED < error < np.inf or not np.linalg.cond(scaled) < 1 / np.finfo(float).eps:
            break
        change = -unit * np.linalg.solve(scaled, unit * slope)
        shrinks = change < 0
        # At most nine tenths of the way to w_i = 0, where the utility is infinite.
        length = min(1.0, 0.9 * (w / -change)[shrinks].min()) if shrinks.any() else 1.0
        here, fall = objective(w), slope @ change
        # Halve the step until it descends (Armijo), give or take the rounding of the objective.
        while length > 1e-12 and objective(w + length * change) > here + 1e-4 * length * fall + 1e-12 * abs(here):
            length /= 2
        w = w + length * change
    return best, least
