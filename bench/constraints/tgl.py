"""Tasks in an order, as visits: few inputs for all of them, whose weights change little from one to the next."""

import math
from typing import Annotated

import torch
from torch import Tensor

from bench.api import Coupled, Ge, Gt, Infinite, LayerwiseNorm, Replaces, Schedule, Search, register
from bench.toolbox.chains import solve_radius, weigh_neighbours
from bench.toolbox.proxes import largest_group
from bench.toolbox.spectra import mix_copies


@register(
    "tgl",
    title="temporal group lasso",
    family="penalised copies",
    paper="Zhou, Yuan, Liu, Ye, A Multi-Task Learning Formulation for Predicting Disease Progression, KDD 2011",
)
class TGL(LayerwiseNorm):
    """R(W) = v (sum_j |W_j| + ridge |W|^2 + smooth sum_t |w_{t+1} - w_t|^2): temporal group lasso.

    Tasks are in their order, as visits of patients. W_j is everything that reads input j, as in `l21`. MALSAR's
    `Least_TGL` has v `ridge`, v `smooth` and v as rho1, rho2 and rho3. Norm and squares have one strength, so that what
    `smooth` means depends on the unit of the targets: choices are for targets of variance 1. The prox is exact, by one
    equation for the length of each group. R is no norm, but it has a conjugate, and so a duality gap; W = 0 from the
    critical strength of `l21` on.

    Of deviations (`coordinates=mean`): differences of neighbours are the same; v = inf ties the copies.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf].
    strength: v itself, in [0, inf], instead.
    ridge: weight of the squares, above 0: they make the minimum unique.
    smooth: weight of the squared differences between neighbours, in [0, inf).
    gaps: of neighbours in time, T - 1 numbers above 0: each squared difference is divided by its gap over the mean one.
        Without them all gaps are equal.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True

    def __init__(
        self,
        coupled: Coupled,
        *,
        hold: Annotated[float | None, Ge(0), Infinite(), Search(0.01, 1.0)] = 0.1,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("hold")] = None,
        ridge: Annotated[float, Gt(0)] = 0.1,
        smooth: Annotated[float, Ge(0), Search(choices=(1.0, 10.0, 100.0))] = 10.0,
        gaps: tuple[Annotated[float, Gt(0)], ...] | None = None,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule, hold=hold, strength=strength)
        differences = torch.eye(coupled.tasks, dtype=torch.float64).diff(dim=0)
        weights = weigh_neighbours("tgl", coupled.tasks, gaps)
        # R of one entry of all copies is v w (ridge I + smooth L) w^T beside its norm, L the Laplacian of the chain.
        values, self.vectors = torch.linalg.eigh(differences.T @ (weights[:, None] * differences))
        self.squares = ridge + smooth * values.clamp(min=0)  # in the eigenvectors, (T,)
        self.axes = self.group_axes

    def norm(self, W: Tensor) -> Tensor:
        """sum_j |W_j|."""
        norm: Tensor = torch.linalg.vector_norm(W, dim=self.axes).sum()
        return norm

    def dual(self, G: Tensor) -> Tensor:
        """max_j |G_j|, of the norm."""
        return largest_group(G, self.axes)

    def _square(self, W: Tensor) -> Tensor:
        """ridge |W|^2 + smooth sum_t |w_{t+1} - w_t|^2."""
        square: Tensor = (mix_copies(W, self.vectors.to(W)).square() * self.squares.to(W)).sum()
        return square

    def value(self, W: Tensor) -> Tensor:
        """v (norm + squares)."""
        return self.strength * (self.norm(W) + self._square(W))

    def dual_norm(self, G: Tensor) -> None:
        """None: R is no norm."""

    def critical_strength(self, G: Tensor) -> Tensor:
        """max_j |G_j|: squares cost nothing near 0."""
        return self.dual(G)

    def conjugate(self, G: Tensor) -> Tensor | None:
        """v (ridge |W|^2 + smooth sum_t |w_{t+1} - w_t|^2) at the W that is best for G; None at strength 0.

        There <G, W> = v (norm + 2 squares), which leaves v times the squares of <G, W> - R(W).
        """
        if not self.strength:
            return None
        if math.isinf(self.strength):
            return G.new_zeros(())  # at W = 0
        return self.strength * self._square(self._respond(G, 2 * self.strength, self.strength, 0.0))

    def prox(self, W: Tensor, step: float) -> Tensor:
        if step == 0 or self.strength == 0:
            return W
        if math.isinf(step * self.strength):
            return torch.zeros_like(W)
        return self._respond(W, 2 * step * self.strength, step * self.strength, 1.0)

    def _respond(self, G: Tensor, curvature: float, threshold: float, own: float) -> Tensor:
        """argmin_W (own |W|^2 + curvature squares(W)) / 2 + threshold norm(W) - <G, W>."""
        rotated = mix_copies(G, self.vectors.to(G))
        stiffness = own + curvature * self.squares.to(G)
        others = self.axes[:-1]  # of a group, but the copies; none of a vector of one entry for each input
        squares = rotated.square().sum(dim=others) if others else rotated.square()
        r = solve_radius(squares.reshape(-1, G.shape[-1]), stiffness, threshold)
        # One radius for each input, along axis 1 of W: (1, inputs, 1, ..., 1).
        r = r.reshape([-1 if axis == 1 and G.dim() > 2 else 1 for axis in range(G.dim())])
        return mix_copies(rotated * (r / (r * stiffness + threshold)), self.vectors.T.to(G))
