"""Copies as sums of two parts, each with its own norm: one for what tasks have in common, one for the exceptions.

`Sum` is the frame; `dirty`, `robust` and `rmtfl` choose the norms.
"""

import math
from abc import abstractmethod
from typing import Annotated

import torch
from torch import Tensor

from bench.api import Coupled, Ge, Infinite, Interval, NormConstraint, Replaces, Schedule, Search, register
from bench.toolbox.proxes import clip_to_ball, largest_group, shrink_groups, shrink_singular, spectral_norm
from bench.toolbox.spectra import trace_norm


class Sum(NormConstraint):
    """R(P, Q) = a N_1(P) + b N_2(Q), theta_t = P_t + Q_t: the prox is that of each norm.

    a = v; b / a lies between the two ratios at which one of the parts is never worth it, at the share `balance` of
    the way in logarithms. A copy moves by the gradient through both of its parts, at twice the learning rate.

    Its ends are neither `single_task` nor `hard`, in any coordinates: at a = 0 a copy moves through two parts, which is
    `single_task` with towers at twice the rate under sgd, and has no name under adam; at a = inf both parts are 0. They
    are not written as mean and deviations, since P is the place of what tasks have in common. `hold` counts what moves
    on its own in either part: at 1 and above the prox of the first update would make the parts' deviations 0.
    """

    parts = 2

    def __init__(
        self,
        coupled: Coupled,
        *,
        hold: Annotated[float | None, Ge(0), Infinite(), Search(0.01, 1.0)] = 0.1,
        strength: Annotated[float | None, Ge(0), Infinite(), Replaces("hold")] = None,
        balance: Annotated[float, Interval(gt=0, lt=1), Search(choices=(0.25, 0.5, 0.75))] = 0.5,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule, hold=hold, strength=strength)
        # Between the ends, or one part would be idle and the constraint another one.
        first, last = self.ends(coupled)
        self.ratio = first ** (1 - balance) * last**balance
        # Axes inside a group: everything of one task, and everything that reads one input.
        self.columns = tuple(range(len(coupled.shape)))
        self.rows = tuple(axis for axis in range(len(coupled.shape) + 1) if axis != 1)

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        """Parameters of two axes or more: biases and norms are left alone."""
        return len(shape) > 1

    @abstractmethod
    def ends(self, coupled: Coupled) -> tuple[float, float]:
        """The ratio b / a above which Q = 0 at every minimum, and the one below which P = 0."""

    @abstractmethod
    def norms(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        """N_1(P) and N_2(Q)."""

    @abstractmethod
    def proxes(self, P: Tensor, Q: Tensor, first: float, second: float) -> tuple[Tensor, Tensor]:
        """The prox of `first` N_1 at P and the prox of `second` N_2 at Q."""

    @abstractmethod
    def duals(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        """The norms dual to N_1, at P, and to N_2, at Q."""

    def norm(self, W: Tensor) -> Tensor:
        """N_1(P) + b / a N_2(Q) of W = (P, Q), (2, *shape, T)."""
        first, second = self.norms(W[0], W[1])
        norm: Tensor = first + self.ratio * second
        return norm

    def prox(self, W: Tensor, step: float) -> Tensor:
        """(prox of s a N_1 at P, prox of s b N_2 at Q): the parts do not interact in R."""
        if step == 0 or self.strength == 0:  # at strength inf a step of 0 would be NaN
            return W
        level = step * self.strength
        return torch.stack(self.proxes(W[0], W[1], level, level * self.ratio))

    def dual(self, G: Tensor) -> Tensor:
        """max(N_1*(G_P), a / b N_2*(G_Q)), dual to a sum of norms of two variables."""
        first, second = self.duals(G[0], G[1])
        return torch.maximum(first, second / self.ratio)


@register(
    "dirty",
    title="dirty model",
    family="common structure",
    version=2,
    paper="Jalali, Ravikumar, Sanghavi, Ruan, A Dirty Model for Multi-task Learning, NeurIPS 2010",
)
class Dirty(Sum):
    """R(P, Q) = a sum_j max_t |p_jt| + b sum |Q|: weights used by all tasks, and weights of single tasks beside them.

    j is one weight (in a linear suite a feature), b = a T^-balance. The copies are P + Q, and R is the least over all
    such sums; b >= a leaves `l1inf`, b <= a / T leaves `l1`. Parameters of two axes or more.
    At a = 0 towers train freely at twice the rate (under sgd), at a = inf all weights are 0.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf].
    strength: a itself, in [0, inf], instead.
    balance: in (0, 1), from P alone to Q alone.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True

    def ends(self, coupled: Coupled) -> tuple[float, float]:
        """1 and 1/T: the l1 norm of a row lies between its largest entry and T times that."""
        return 1.0, 1 / coupled.tasks

    def norms(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return P.abs().amax(dim=-1).sum(), Q.abs().sum()

    def proxes(self, P: Tensor, Q: Tensor, first: float, second: float) -> tuple[Tensor, Tensor]:
        return clip_to_ball(P, first), Q.sign() * (Q.abs() - second).clamp(min=0)

    def duals(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return P.abs().sum(dim=-1).max(), Q.abs().max()


@register(
    "robust",
    title="robust low rank",
    family="common structure",
    version=2,
    paper="Chen, Zhou, Ye, Integrating Low-Rank and Group-Sparse Structures, KDD 2011",
)
class Robust(Sum):
    """R(P, Q) = a |P|_* + b sum_t |q_t|: tasks of few directions, and whole tasks that are outliers.

    b = a T^(-balance / 2): at b >= a no task is one, at b <= a / sqrt(T) all are. Parameters of two axes or more.
    At a = 0 towers train freely at twice the rate (under sgd), at a = inf all weights are 0.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf].
    strength: a itself, in [0, inf], instead.
    balance: in (0, 1), from P alone to Q alone.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    def ends(self, coupled: Coupled) -> tuple[float, float]:
        """1 and 1/sqrt(T): the sum of column norms lies between the trace norm and sqrt(T) times that."""
        return 1.0, 1 / math.sqrt(coupled.tasks)

    def norms(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return trace_norm(P.reshape(-1, P.shape[-1])), torch.linalg.vector_norm(Q, dim=self.columns).sum()

    def proxes(self, P: Tensor, Q: Tensor, first: float, second: float) -> tuple[Tensor, Tensor]:
        return shrink_singular(P, first), shrink_groups(Q, self.columns, second)

    def duals(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return spectral_norm(P), largest_group(Q, self.columns)


@register(
    "rmtfl",
    title="robust feature learning",
    family="common structure",
    version=2,
    paper="Gong, Ye, Zhang, Robust Multi-Task Feature Learning, KDD 2012",
)
class RMTFL(Sum):
    """R(P, Q) = a sum_j |P_j| + b sum_t |q_t|: inputs used by all tasks or none, and whole tasks that are outliers.

    P_j is everything that reads input j, as in `l21`. b = a J^((1 - balance) / 2) T^(-balance / 2) with J inputs.
    Parameters of two axes or more. At a = 0 towers train freely at twice the rate (under sgd), at a = inf all
    weights are 0.

    hold: share of the strength at which no copy could move on its own in the first update, in [0, inf].
    strength: a itself, in [0, inf], instead.
    balance: in (0, 1), from P alone to Q alone.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    def ends(self, coupled: Coupled) -> tuple[float, float]:
        """sqrt(J) and 1/sqrt(T), from a single column and a single row."""
        return math.sqrt(coupled.shape[1] if len(coupled.shape) > 1 else 1), 1 / math.sqrt(coupled.tasks)

    def norms(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        norms = torch.linalg.vector_norm(P, dim=self.rows), torch.linalg.vector_norm(Q, dim=self.columns)
        return norms[0].sum(), norms[1].sum()

    def proxes(self, P: Tensor, Q: Tensor, first: float, second: float) -> tuple[Tensor, Tensor]:
        return shrink_groups(P, self.rows, first), shrink_groups(Q, self.columns, second)

    def duals(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return largest_group(P, self.rows), largest_group(Q, self.columns)
