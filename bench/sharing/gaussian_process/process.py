"""A Gaussian process of one task or of several, its rows, and its parameters by the marginal likelihood.

GPyTorch provides kernels and noise; likelihood and prediction are computed here in float64, exactly, since its lazy
products add to the diagonal of singular matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import Found
from bench.sharing.gaussian_process.normal_evidence import Evidence, evidence

# L-BFGS stops where, per row, no slope of the objective is larger than this,
SLOPE_TOLERANCE = 1e-5
# or where a step lowers the objective by less than this share of it.
FALL_TOLERANCE = 1e-9


class Process(nn.Module):
    """Covariance of a Gaussian process over tasks: B[t, s] k(x, z) + sigma_t^2 for equal rows.

    Args:
        inputs: the kernel k, a GPyTorch module.
        likelihood: holds the noise, one sigma^2 or one per task.
        tasks: holds B = W W^T + diag(kappa), (T, T); B is 1 without it.
        apart: for the linear kernel; leaves W W^T out of the covariance and writes it as normal `effects` that all
            rows have in common. Given the effects, rows of different tasks are independent, so that the covariance
            has one block per task, and the cost is cubic in the rows of a task only.
    """

    inputs: Any  # modules of GPyTorch
    likelihood: Any
    tasks: Any

    def __init__(
        self, inputs: nn.Module, likelihood: nn.Module, tasks: nn.Module | None = None, apart: bool = False
    ) -> None:
        super().__init__()
        self.inputs, self.likelihood, self.tasks, self.apart = inputs, likelihood, tasks, apart
        self.learned = [name for name, p in self.named_parameters() if p.requires_grad]
        self.requires_grad_(False)  # no loss trains them

    def covariance(self, x: Tensor, t: Tensor, z: Tensor, s: Tensor) -> Tensor:
        """B[t, s] k(x, z) of rows x of the tasks t and z of s, (n, m).

        Dense: GPyTorch's lazy product takes a root of B[t, s], which is singular, and adds to its diagonal for that.
        """
        K: Tensor = self.inputs(x, z).to_dense()
        if self.tasks is None:
            return K.clone()
        B = (torch.diag(self.tasks.var) if self.apart else self.coupling())[t][:, s]
        return K * B if torch.is_grad_enabled() else K.mul_(B)

    def effects(self, x: Tensor, t: Tensor) -> Tensor:
        """W[t, r] phi_j(x), (n, rank * features), phi the features of a linear kernel: k(x, z) = <phi(x), phi(z)>."""
        if not self.apart:
            return x.new_zeros(len(x), 0)
        kernels = getattr(self.inputs, "kernels", [self.inputs])
        phi = [x * kernels[0].variance.sqrt(), *(k.constant.sqrt().expand(len(x), 1) for k in kernels[1:])]
        effects: Tensor = self.tasks.covar_factor[t][:, :, None] * torch.cat(phi, dim=1)[:, None]
        return effects.flatten(1)

    def coupling(self) -> Tensor:
        """B, (T, T)."""
        B: Tensor = self.tasks.covar_matrix.to_dense()
        return B

    def noise(self, t: Tensor) -> Tensor:
        """sigma_t^2 of rows of the tasks t, (n,)."""
        variances: Tensor = self.likelihood.noise.flatten()
        return variances[t] if len(variances) > 1 else variances.expand(len(t))


@dataclass(frozen=True)
class ProcessRows:
    """A block of rows that are correlated with each other, and with no row of another block given the effects.

    Args:
        process: their covariance.
        x: inputs (n, d).
        t: number of the task of each row (n,).
        H: design of the means (n, M): 1 at the mean that the row has, 0 elsewhere.
        y: targets (n,).
    """

    process: Process
    x: Tensor
    t: Tensor
    H: Tensor
    y: Tensor

    def covariance(self) -> Tensor:
        """K (n, n) of the targets given the effects, noise included."""
        K = self.process.covariance(self.x, self.t, self.x, self.t)
        K.diagonal().add_(self.process.noise(self.t))
        return K

    def design(self) -> Tensor:
        """F (n, M + rank * features): columns of the means first, then columns of the process's effects."""
        return torch.cat([self.H, self.process.effects(self.x, self.t)], dim=1)

    def take(self, rows: Tensor) -> "ProcessRows":
        """Some of the rows."""
        return ProcessRows(self.process, self.x[rows], self.t[rows], self.H[rows], self.y[rows])


def evidence_of(blocks: Sequence[ProcessRows], covariances: Sequence[Tensor], designs: Sequence[Tensor]) -> Evidence:
    """The marginal likelihood of all rows, from the covariance K_b and the design F_b of each block.

    Means have a flat prior, precision 0; other effects are N(0, 1). Raises torch.linalg.LinAlgError as `evidence`.
    """
    precision = torch.ones(designs[0].shape[1], dtype=designs[0].dtype)
    precision[: blocks[0].H.shape[1]] = 0.0
    return evidence([(K, F, b.y) for K, F, b in zip(covariances, designs, blocks, strict=True)], precision)


def maximise_evidence(process: Process, blocks: Sequence[ProcessRows], iterations: int) -> Found:
    """Set the parameters of `process` to a maximum of the marginal likelihood of its `blocks`, by L-BFGS.

    Args:
        process: its learned parameters are set in place, and need no gradient before or after.
        blocks: all training rows. Means that no row has are left out: under a flat prior nothing determines them.
        iterations: of L-BFGS, at most; with 0 the parameters stay as they are.

    Returns:
        -log p(y) at the end, |gradient| there over |gradient| at the start, iterations, and the number of parameters.
    """
    from scipy.optimize import minimize  # not at the top: scipy takes long to import, and few runs need it

    had = torch.cat([block.H for block in blocks]).any(dim=0)
    blocks = [replace(block, H=block.H[:, had]) for block in blocks]
    parameters, rows = [process.get_parameter(name) for name in process.learned], sum(len(b.y) for b in blocks)
    sizes: list[float] = []

    def put(theta: np.ndarray) -> None:
        """Write one flat vector into the parameters."""
        with torch.no_grad():
            nn.utils.vector_to_parameters(torch.from_numpy(theta), parameters)

    def look(theta: np.ndarray) -> tuple[float, np.ndarray]:
        """-log p(y) per row, and its gradient."""
        put(theta)
        process.zero_grad()
        with torch.enable_grad():
            covariances, designs = [block.covariance() for block in blocks], [block.design() for block in blocks]
        # The slopes by K and F are in closed form; autograd only takes them on to the parameters.
        likelihood = evidence_of(blocks, [K.detach() for K in covariances], [F.detach() for F in designs])
        pairs = zip(covariances, designs, likelihood.slopes(), strict=True)
        ends = [end for K, F, (of_K, of_F) in pairs for end in ((K, of_K), (F, of_F)) if end[0].requires_grad]
        torch.autograd.backward([tensor for tensor, _ in ends], [slope for _, slope in ends])
        gradient = torch.cat([p.grad.flatten() for p in parameters]) / rows  # type: ignore[union-attr]
        sizes.append(float(gradient.norm()))
        return likelihood.value / rows, gradient.numpy()

    for p in parameters:
        p.requires_grad_()
    theta = nn.utils.parameters_to_vector(parameters).detach().numpy().copy()
    value, slope, done = *look(theta), 0
    if iterations:
        tolerances = {"gtol": SLOPE_TOLERANCE, "ftol": FALL_TOLERANCE}
        options = {"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 20, **tolerances}
        end = minimize(look, theta, jac=True, method="L-BFGS-B", options=options)
        theta, value, slope, done = end.x, float(end.fun), end.jac, int(end.nit)
    put(theta)
    for p in parameters:
        p.requires_grad_(False).grad = None
    return Found(rows * value, float(np.linalg.norm(slope)) / (sizes[0] or 1.0), done, len(theta))
