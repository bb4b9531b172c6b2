"""A Gaussian process of one task or of several, its rows, and its parameters by the marginal likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.core.self_fitting import Found
from bench.toolbox.normal_evidence import Evidence, evidence

CLOSE, FALL = 1e-5, 1e-9  # largest slope and relative fall, per row, at which L-BFGS stops


class Process(nn.Module):
    """What a process is made of: k, the noise, and B = W W^T + diag(kappa), which is 1 where there is no `tasks`.

    With `apart`, for the linear kernel, W W^T is not in the covariance: it comes from normal `effects` that all rows
    have in common. Beside them rows of different tasks do not depend on each other, which makes many rows cheap.
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
        found: Tensor = self.tasks.covar_factor[t][:, :, None] * torch.cat(phi, dim=1)[:, None]
        return found.flatten(1)

    def coupling(self) -> Tensor:
        """B, (T, T)."""
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
        """Of the targets beside their effects, noise included."""
        K = self.process.covariance(self.x, self.t, self.x, self.t)
        K.diagonal().add_(self.process.noise(self.t))
        return K

    def design(self) -> Tensor:
        """The effects of every row: means, then those that the process has in common."""
        return torch.cat([self.H, self.process.effects(self.x, self.t)], dim=1)

    def take(self, rows: Tensor) -> "ProcessRows":
        """Some of the rows."""
        return ProcessRows(self.process, self.x[rows], self.t[rows], self.H[rows], self.y[rows])


def evidence_of(blocks: Sequence[ProcessRows], covariances: Sequence[Tensor], designs: Sequence[Tensor]) -> Evidence:
    """The likelihood of all rows: means have a flat prior, other effects are normal."""
    precision = torch.ones(designs[0].shape[1], dtype=designs[0].dtype)
    precision[: blocks[0].H.shape[1]] = 0.0
    return evidence([(K, F, b.y) for K, F, b in zip(covariances, designs, blocks, strict=True)], precision)


def maximise_evidence(process: Process, blocks: Sequence[ProcessRows], iterations: int) -> Found:
    """Set what `process` learns to where the marginal likelihood of its `blocks` is largest, by L-BFGS.

    With no iterations it stays as it is. Means that none of the rows have are left out.
    """
    from scipy.optimize import minimize

    had = torch.cat([block.H for block in blocks]).any(dim=0)
    blocks = [replace(block, H=block.H[:, had]) for block in blocks]
    parameters, rows = [process.get_parameter(name) for name in process.learned], sum(len(b.y) for b in blocks)
    sizes: list[float] = []

    def put(theta: np.ndarray) -> None:
        with torch.no_grad():
            nn.utils.vector_to_parameters(torch.from_numpy(theta), parameters)

    def look(theta: np.ndarray) -> tuple[float, np.ndarray]:
        put(theta)
        process.zero_grad()
        with torch.enable_grad():
            covariances, designs = [block.covariance() for block in blocks], [block.design() for block in blocks]
        found = evidence_of(blocks, [K.detach() for K in covariances], [F.detach() for F in designs])
        pairs = zip(covariances, designs, found.slopes(), strict=True)
        ends = [end for K, F, (of_K, of_F) in pairs for end in ((K, of_K), (F, of_F)) if end[0].requires_grad]
        torch.autograd.backward([tensor for tensor, _ in ends], [slope for _, slope in ends])
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
