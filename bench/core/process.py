"""A Gaussian process of one task or of several, its rows, and its parameters by the marginal likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.core.evidence import evidence
from bench.core.self_fitting import Found

CLOSE, FALL = 1e-5, 1e-9  # largest slope and relative fall, per row, at which L-BFGS stops


class Process(nn.Module):
    """What a process is made of: k, the variance of the noise, and B, which is 1 where there is no `tasks`."""

    inputs: Any  # modules of GPyTorch
    likelihood: Any
    tasks: Any

    def __init__(self, inputs: nn.Module, likelihood: nn.Module, tasks: nn.Module | None = None) -> None:
        super().__init__()
        self.inputs, self.likelihood, self.tasks = inputs, likelihood, tasks
        self.learned = [name for name, p in self.named_parameters() if p.requires_grad]
        self.requires_grad_(False)  # no loss trains them

    def covariance(self, x: Tensor, t: Tensor, z: Tensor, s: Tensor) -> Tensor:
        """B[t, s] k(x, z) of rows x of the tasks t and z of s, (n, m).

        Dense: GPyTorch's lazy product takes a root of B[t, s], which is singular, and adds to its diagonal for that.
        """
        K: Tensor = self.inputs(x, z).to_dense()
        if self.tasks is None:
            return K.clone()
        B = self.coupling()[t][:, s]
        return K * B if torch.is_grad_enabled() else K.mul_(B)

    def coupling(self) -> Tensor:
        """B = W W^T + diag(kappa), (T, T)."""
        found: Tensor = self.tasks.covar_matrix.to_dense()
        return found

    def noise(self, t: Tensor) -> Tensor:
        """sigma_t^2 of rows of the tasks t, (n,)."""
        found: Tensor = self.likelihood.noise.flatten()
        return found[t] if len(found) > 1 else found.expand(len(t))


@dataclass(frozen=True)
class ProcessRows:
    """Rows that depend on each other: inputs x (n, d), tasks t (n,), H (n, M), which mean each has, targets y (n,)."""

    process: Process
    x: Tensor
    t: Tensor
    H: Tensor
    y: Tensor

    def covariance(self) -> Tensor:
        """Of the targets, noise included."""
        K = self.process.covariance(self.x, self.t, self.x, self.t)
        K.diagonal().add_(self.process.noise(self.t))
        return K

    def take(self, rows: Tensor) -> "ProcessRows":
        """Some of the rows."""
        return ProcessRows(self.process, self.x[rows], self.t[rows], self.H[rows], self.y[rows])


def maximise_evidence(process: Process, blocks: Sequence[ProcessRows], iterations: int) -> Found:
    """Set what `process` learns to where the marginal likelihood of its `blocks` is largest, by L-BFGS.

    With no iterations they stay as they are.
    """
    from scipy.optimize import minimize

    parameters, rows = [process.get_parameter(name) for name in process.learned], sum(len(b.y) for b in blocks)
    used = torch.cat([block.H for block in blocks]).any(dim=0)
    sizes: list[float] = []

    def put(theta: np.ndarray) -> None:
        with torch.no_grad():
            nn.utils.vector_to_parameters(torch.from_numpy(theta), parameters)

    def look(theta: np.ndarray) -> tuple[float, np.ndarray]:
        put(theta)
        process.zero_grad()
        with torch.enable_grad():
            covariances = [block.covariance() for block in blocks]
        found = evidence([(K.detach(), b.H[:, used], b.y) for K, b in zip(covariances, blocks, strict=True)])
        torch.autograd.backward(covariances, found.slopes())
        gradient = torch.cat([p.grad.flatten() for p in parameters]) / rows  # type: ignore[union-attr]
        sizes.append(float(gradient.norm()))
        return found.value / rows, gradient.numpy()

    for p in parameters:
        p.requires_grad_()
    theta = nn.utils.parameters_to_vector(parameters).detach().numpy().copy()
    value, slope, done = *look(theta), 0
    if iterations:
        options = {"maxiter": iterations, "maxfun": 2 * iterations, "gtol": CLOSE, "ftol": FALL, "maxcor": 20}
        end = minimize(look, theta, jac=True, method="L-BFGS-B", options=options)
        theta, value, slope, done = end.x, float(end.fun), end.jac, int(end.nit)
    put(theta)
    for p in parameters:
        p.requires_grad_(False).grad = None
    return Found(rows * value, float(np.linalg.norm(slope)) / (sizes[0] or 1.0), done, len(theta))
