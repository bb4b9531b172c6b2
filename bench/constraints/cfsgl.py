"""Tasks in an order, as visits: few inputs, which enter and leave at few moments and stay as they are in between."""

import math
from typing import Annotated

import torch
from torch import Tensor

from bench.api import Coupled, Ge, Gt, Infinite, LayerwiseNorm, Replaces, Schedule, Search, register
from bench.toolbox.chains import fuse_neighbours, weigh_neighbours
from bench.toolbox.proxes import shrink_groups

ROUNDS = 200  # of the search for the dual norm, at most; it takes a few
NEAR = 0.999  # of the strength: where that search begins


@register(
    "cfsgl",
    title="fused sparse group lasso",
    family="common structure",
    paper="Zhou, Liu, Narayan, Ye, Modeling Disease Progression via Fused Sparse Group Lasso, KDD 2012",
)
class CFSGL(LayerwiseNorm):
    """R(W) = v (group sum_j |W_j| + sparse sum |W| + fuse sum_t |w_{t+1} - w_t|): convex fused sparse group lasso.

    Tasks are in their order, as visits of patients. W_j is everything that reads input j, as in `l21`; the sums of
    absolute values are over entries. MALSAR's `Least_CFGLasso` has v `sparse`, v `fuse` and v `group` as rho1, rho2 and
    rho3. The prox is exact: neighbours are fused, then entries shrunk, then groups (Zhou et al.), since each
    of the three keeps its subgradients where W is scaled. `fuse=0,sparse=0` is `l21`, `fuse=0,group=0` is `l1`.

    Of deviations (`coordinates=mean`): differences of neighbours are the same; v = inf ties the copies.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf].
    strength: v itself, in [0, inf], instead.
    fuse: weight of the differences between neighbours, in [0, inf).
    sparse: weight of single entries, in [0, inf).
    group: weight of inputs, in [0, inf); `sparse` or `group` should be above 0, or R would be no norm.
    gaps: of neighbours in time, T - 1 numbers above 0: each difference is divided by its gap over the mean one. Without
        them all gaps are equal.
    nonnegative: copies have no entry below 0. Then R is infinite elsewhere, and the prox clips after it has fused.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True

    def __init__(
        self,
        coupled: Coupled,
        *,
        hold: Annotated[float | None, Ge(0), Infinite(), Search(0.01, 1.0)] = 0.1,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("hold")] = None,
        fuse: Annotated[float, Ge(0), Search(choices=(0.3, 1.0, 3.0))] = 1.0,
        sparse: Annotated[float, Ge(0)] = 0.3,
        group: Annotated[float, Ge(0)] = 1.0,
        gaps: tuple[Annotated[float, Gt(0)], ...] | None = None,
        nonnegative: bool = False,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule, hold=hold, strength=strength)
        if sparse == group == 0:
            raise ValueError("`cfsgl` should have `sparse` or `group` above 0. Found both 0.")
        if nonnegative and coupled.deviations:
            raise ValueError(
                "`cfsgl:nonnegative=true` should hold the copies themselves. Found deviations from their mean; give "
                "`--set coordinates=copies`."
            )
        self.sparse, self.group, self.nonnegative = sparse, group, nonnegative
        self.fuse = fuse * weigh_neighbours("cfsgl", coupled.tasks, gaps)
        self.axes = self.group_axes

    def _norms(self, W: Tensor) -> Tensor:
        """The three sums of every input, weighted, (J,)."""
        parts: Tensor = self.group * torch.linalg.vector_norm(W, dim=self.axes)
        if self.sparse:
            parts = parts + self.sparse * W.abs().sum(dim=self.axes)
        if self.fuse.any():
            parts = parts + (W.diff(dim=-1).abs() * self.fuse.to(W)).sum(dim=self.axes)
        return parts

    def norm(self, W: Tensor) -> Tensor:
        """group sum_j |W_j| + sparse sum |W| + fuse sum |w_{t+1} - w_t|."""
        return self._norms(W).sum()

    def prox(self, W: Tensor, step: float) -> Tensor:
        if step == 0:
            return W
        if self.strength == 0:
            return W.clamp(min=0) if self.nonnegative else W
        return self._shrink(W, step * self.strength)

    def _shrink(self, W: Tensor, level: float) -> Tensor:
        """prox of `level` N, N without the strength."""
        entries, groups = (level * weight if weight else 0.0 for weight in (self.sparse, self.group))  # not inf * 0
        if self.fuse.any():
            W = fuse_neighbours(W, torch.where(self.fuse > 0, level * self.fuse, 0.0))
        if self.nonnegative:
            W = (W - entries).clamp(min=0)
        elif entries:
            W = W.sign() * (W.abs() - entries).clamp(min=0)
        return shrink_groups(W, self.axes, groups) if groups else W

    def dual(self, G: Tensor) -> Tensor:
        """max <G, W> / N(W), over W >= 0 where it is `nonnegative`.

        The least level at which the prox of G is 0, found from below: P, the prox of G at a level, has a larger
        quotient than the level until it is 0. The distance of G to the level's multiple of the dual ball is convex in
        the level, and the quotient of P is Newton's next level. Inputs whose P is 0 are done.
        """
        # Near the minimum of a solver the answer is near the strength.
        W = self._shrink(G, NEAR * self.strength) if math.isfinite(self.strength) else 0 * G
        if not bool(W.any()):
            W = G.clamp(min=0) if self.nonnegative else G
        level = G.new_zeros(())
        for _ in range(ROUNDS):
            norms = self._norms(W)
            quotients = torch.where(norms > 0, (G * W).sum(dim=self.axes) / norms, 0.0)
            if not bool((largest := quotients.max()) > level):
                break
            level = largest
            W = self._shrink(G, float(level))
            live = W.movedim(1, 0).flatten(1).any(dim=1) if len(self.coupled.shape) > 1 else W.any()[None]
            if not bool(live.any()):
                break
            if not bool(live.all()):
                G, W = G[:, live], W[:, live]
        return level
