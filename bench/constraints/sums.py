"""Copies as sums of two parts, each with its own norm: what the tasks have in common, and what a few have not."""

import math
from abc import abstractmethod
from typing import Annotated

import torch
from torch import Tensor

from bench.api import (
    Constraint,
    Coupled,
    Ge,
    Infinite,
    Interval,
    Schedule,
    Search,
    clip_to_ball,
    largest_group,
    register,
    shrink_groups,
    shrink_singular,
    spectral_norm,
    trace_norm,
)


class Sum(Constraint):
    """R(P, Q) = a N_1(P) + b N_2(Q), theta_t = P_t + Q_t: the prox is that of each norm.

    a = v; b / a lies between the two ratios at which one of the parts is never worth it, at the share `balance` of
    the way in logarithms. A copy moves by the gradient through both of its parts, at twice the learning rate.
    """

    parts = 2

    def __init__(
        self,
        coupled: Coupled,
        *,
        strength: Annotated[float, Ge(0), Infinite()] = 1e-3,
        balance: Annotated[float, Interval(gt=0, lt=1), Search(choices=(0.25, 0.5, 0.75))] = 0.5,
        schedule: Schedule = "constant",
    ) -> None:
        super().__init__(coupled, schedule)
        first, last = self.ends(coupled)
        self.first = strength
        self.second = strength * first ** (1 - balance) * last**balance
        self.columns = tuple(range(len(coupled.shape)))  # of one task: all axes but the last
        self.rows = tuple(axis for axis in range(len(coupled.shape) + 1) if axis != 1)  # of one input

    def applies_to(self, name: str, shape: tuple[int, ...]) -> bool:
        return len(shape) > 1

    @abstractmethod
    def ends(self, coupled: Coupled) -> tuple[float, float]:
        """b / a above which Q is never worth it, and below which P never is."""

    @abstractmethod
    def norms(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        """N_1(P) and N_2(Q)."""

    @abstractmethod
    def proxes(self, P: Tensor, Q: Tensor, first: float, second: float) -> tuple[Tensor, Tensor]:
        """The proxes of first N_1 and of second N_2."""

    @abstractmethod
    def duals(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        """The norms dual to N_1 and N_2."""

    def value(self, W: Tensor) -> Tensor:
        first, second = self.norms(W[0], W[1])
        value: Tensor = self.first * first + self.second * second
        return value

    def prox(self, W: Tensor, step: float) -> Tensor:
        if step == 0 or self.first == 0:
            return W
        return torch.stack(self.proxes(W[0], W[1], step * self.first, step * self.second))

    def dual_norm(self, G: Tensor) -> Tensor | None:
        first, second = self.duals(G[0], G[1])
        return torch.maximum(first / self.first, second / self.second) if self.first else None


@register("dirty", paper="Jalali, Ravikumar, Sanghavi, Ruan, A Dirty Model for Multi-task Learning, NeurIPS 2010")
class Dirty(Sum):
    """R(P, Q) = a sum_j max_t |p_jt| + b sum |Q|: weights used by all tasks, and weights of single tasks beside them.

    j is one weight (in a linear suite a feature), b = a T^-balance. The copies are P + Q, and R is the least over all
    such sums; b >= a leaves `l1inf`, b <= a / T leaves `l1`. Parameters of two axes or more.

    strength: a, in [0, inf].
    balance: in (0, 1), from P alone to Q alone.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    by_input = True

    def ends(self, coupled: Coupled) -> tuple[float, float]:
        return 1.0, 1 / coupled.tasks

    def norms(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return P.abs().amax(dim=-1).sum(), Q.abs().sum()

    def proxes(self, P: Tensor, Q: Tensor, first: float, second: float) -> tuple[Tensor, Tensor]:
        return clip_to_ball(P, first), Q.sign() * (Q.abs() - second).clamp(min=0)

    def duals(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return P.abs().sum(dim=-1).max(), Q.abs().max()


@register("robust", paper="Chen, Zhou, Ye, Integrating Low-Rank and Group-Sparse Structures, KDD 2011")
class Robust(Sum):
    """R(P, Q) = a |P|_* + b sum_t |q_t|: tasks of few directions, and whole tasks that are outliers.

    b = a T^(-balance / 2): at b >= a no task is one, at b <= a / sqrt(T) all are. Parameters of two axes or more.

    strength: a, in [0, inf].
    balance: in (0, 1), from P alone to Q alone.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    def ends(self, coupled: Coupled) -> tuple[float, float]:
        return 1.0, 1 / math.sqrt(coupled.tasks)

    def norms(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return trace_norm(P.reshape(-1, P.shape[-1])), torch.linalg.vector_norm(Q, dim=self.columns).sum()

    def proxes(self, P: Tensor, Q: Tensor, first: float, second: float) -> tuple[Tensor, Tensor]:
        return shrink_singular(P, first), shrink_groups(Q, self.columns, second)

    def duals(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return spectral_norm(P), largest_group(Q, self.columns)


@register("rmtfl", paper="Gong, Ye, Zhang, Robust Multi-Task Feature Learning, KDD 2012")
class RMTFL(Sum):
    """R(P, Q) = a sum_j |P_j| + b sum_t |q_t|: inputs used by all tasks or none, and whole tasks that are outliers.

    P_j is everything that reads input j, as in `l21`. b = a J^((1 - balance) / 2) T^(-balance / 2) with J inputs.
    Parameters of two axes or more.

    strength: a, in [0, inf].
    balance: in (0, 1), from P alone to Q alone.
    schedule: `constant`; `warmup`, from 0 to full strength in a tenth of the budget; `anneal`, from full to 0.
    """

    def ends(self, coupled: Coupled) -> tuple[float, float]:
        return math.sqrt(coupled.shape[1] if len(coupled.shape) > 1 else 1), 1 / math.sqrt(coupled.tasks)

    def norms(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        norms = torch.linalg.vector_norm(P, dim=self.rows), torch.linalg.vector_norm(Q, dim=self.columns)
        return norms[0].sum(), norms[1].sum()

    def proxes(self, P: Tensor, Q: Tensor, first: float, second: float) -> tuple[Tensor, Tensor]:
        return shrink_groups(P, self.rows, first), shrink_groups(Q, self.columns, second)

    def duals(self, P: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
        return largest_group(P, self.rows), largest_group(Q, self.columns)
