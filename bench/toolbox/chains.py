"""Copies in an order, as months or layers: proxes along the chain of their neighbours.

W (..., T) has the copies last, in their order. No function changes its argument.
"""

import numpy as np
import torch
from torch import Tensor

from bench.errors import count_nouns

STEPS = 100  # of Newton's method, at most; it takes a few
CLOSE = 1e-15  # relative size of its last step


def fuse_neighbours(W: Tensor, t: Tensor) -> Tensor:
    """prox of sum_k t_k |w_{k+1} - w_k| for every w = W[..., :]: neighbours that differ little become equal, exactly.

    Dynamic programming (Johnson, A Dynamic Programming Algorithm for the Fused Lasso and L0-Segmentation, Journal of
    Computational and Graphical Statistics 22, 2013), all chains at once. The derivative of what the first k copies cost
    at their best, as a function of copy k, is

        F_1(b) = b - w_1,    F_{k+1}(b) = clip(F_k(b), -t_k, t_k) + b - w_{k+1}

    and is kept as points on it, since it is piecewise linear. The last copy is the root of F_T, and each one before it
    the copy behind it, clipped to where F_k is between -t_k and t_k. In numpy, on the CPU: for few copies its steps are
    so small that torch takes twice the time.

    t: (T - 1,), >= 0, infinite ones included.
    """
    if W.shape[-1] == 1:
        return W
    wide = W.detach().cpu() if W.dtype == torch.float64 else W.detach().cpu().float()  # numpy has no bfloat16
    y = np.ascontiguousarray(wide.numpy().reshape(-1, W.shape[-1]).T)  # (T, n): whole rows of memory
    fused = _fuse(y, t.to(wide).numpy())
    return torch.from_numpy(np.ascontiguousarray(fused.T).reshape(W.shape)).to(W)


def _fuse(y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """`fuse_neighbours` of y (T, n), one chain in each column."""
    length, n = y.shape
    low, high = y.min(axis=0), y.max(axis=0)
    # No difference is worth more than the range of the copies, T times: beyond it a threshold only costs digits.
    most = length * (high - low)
    limits = np.minimum(t[:, None], most)
    size = np.maximum(high, -low)
    beyond = most + np.where(size > 0, size, 1)  # the outer two points are further out than any root
    points = np.stack([low - beyond, high + beyond])  # (m, n), ascending
    values = points - y[0]  # F there
    columns, clips = np.arange(n), np.empty((length - 1, 2, n), y.dtype)
    targets = np.stack([-limits, limits], axis=1)  # of each k, (2, n)
    for k in range(1, length):
        clips[k - 1] = _find_roots(points, values, targets[k - 1], columns)
        (first, last), (bottom, top) = clips[k - 1], targets[k - 1]
        before, points = points, np.empty((2 * k + 2, n), y.dtype)
        points[0], points[1], points[-2], points[-1] = before[0], first, last, before[-1]
        # Points further out move in, which keeps the order.
        np.minimum(np.maximum(before[1:-1], first), last, out=points[2:-2])
        before, values = values, np.empty((2 * k + 2, n), y.dtype)
        np.minimum(np.maximum(before[1:-1], bottom), top, out=values[2:-2])
        values[:2], values[-2:] = bottom, top
        values += points
        values -= y[k]
    fused = np.empty_like(y)
    fused[-1:] = _find_roots(points, values, np.zeros_like(y[:1]), columns)
    for k in range(length - 2, -1, -1):
        np.minimum(np.maximum(fused[k + 1], clips[k, 0]), clips[k, 1], out=fused[k])
    return fused


def _find_roots(points: np.ndarray, values: np.ndarray, targets: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """b (c, n) where F is `targets` (c, n); F rises through `points`, `values` (m, n), between which it is linear.

    columns: 0 to n - 1.
    """
    place = (values <= targets[:, None]).sum(axis=1)
    place -= 1
    place *= len(columns)
    place += columns  # of the last point below, flat
    b, F = points.ravel(), values.ravel()
    left, below = b[place], F[place]
    place += len(columns)
    root: np.ndarray = left + (targets - below) * ((b[place] - left) / (F[place] - below))
    return root


def solve_radius(squares: Tensor, stiffness: Tensor, t: float) -> Tensor:
    """r (J,), with which w = r z / (r a + t) minimises sum_k a_k w_k^2 / 2 - z_k w_k + t |w| for every group j.

    Setting the gradient to 0 leaves one equation in r = |w|, sum_k z_k^2 / (r a_k + t)^2 = 1, or r = 0 where |z| <= t.
    1 / |z / (r a + t)| is concave in r, so that Newton's method on it rises to the root from any r below (as More and
    Sorensen, Computing a Trust Region Step, SIAM J. Scientific and Statistical Computing 4, 1983).

    squares: (J, T), z_k^2, summed over entries of one stiffness. stiffness: (T,), a > 0. t: > 0.
    """
    r = (squares.sum(dim=1).sqrt() - t).clamp(min=0) / stiffness.max()  # the root where all a were as large as this
    live = r > 0
    for _ in range(STEPS):
        below = r[:, None] * stiffness + t
        shares = squares / below.square()
        total = shares.sum(dim=1)  # 1 at the root
        slope = (shares * stiffness / below).sum(dim=1)
        step = total * (total.sqrt() - 1) / slope
        moved = torch.where(live, r + step, 0.0)
        if bool((moved <= r * (1 + CLOSE)).all()):
            return moved.clamp(min=0)
        r = moved
    return r


def weigh_neighbours(name: str, tasks: int, gaps: tuple[float, ...] | None) -> Tensor:
    """The weight of the difference of each two neighbours, (tasks - 1,) float64: the mean gap over theirs.

    gaps: of neighbours; without them all are equal. name: of the constraint, for the sentence.

    Raises ValueError for gaps of another number of tasks.
    """
    if gaps is None:
        return torch.ones(max(0, tasks - 1), dtype=torch.float64)
    if len(gaps) != tasks - 1:
        raise ValueError(
            f"`gaps` of `{name}` should hold {count_nouns(tasks - 1, 'number')} for {count_nouns(tasks, 'task')}. "
            f"Found {len(gaps)}."
        )
    given = torch.tensor(gaps, dtype=torch.float64)
    return given.mean() / given
