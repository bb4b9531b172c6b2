"""Weightings that break one rule each."""

from typing import Literal

import torch
from torch.nn import Parameter

from bench.api import Weighting
from tests.bench.check.broken import Broken, change


class Good(Weighting):
    """w_t = exp(s_t) + m_t / 10 with s learned, m a running mean of losses over their sum, and a little noise.

    noise: `none` or `small`.
    """

    unlike_uniform = "a running mean and noise are added."

    def __init__(self, tasks, *, noise: Literal["none", "small"] = "small") -> None:
        super().__init__(tasks)
        self.noise = 0.01 if noise == "small" else 0.0
        self.log = Parameter(torch.zeros(len(tasks)))
        self.register_buffer("mean", torch.zeros(len(tasks)))

    def forward(self, state):
        losses = state.losses.detach()
        place = ... if state.present is None else state.present
        self.mean[place] = 0.9 * self.mean[place] + 0.1 * losses / (losses.sum() + 1e-12)
        noise = torch.rand(losses.shape, generator=state.train.generator, dtype=losses.dtype)
        return state.take(self.log).exp() + self.mean[place] / 10 + self.noise * noise

    def regulariser(self):
        return -self.log.sum()


def all_tasks(self, state):
    """Of every task, whether its loss is there or not."""
    return self.log.exp()


def drifting(self):
    """The term of every task, whether its loss is there or not."""
    return (self.log + 1).sum()


def weighing(turn):
    """A forward pass whose weights are `turn(self, weights, losses)`."""
    return lambda self, state: turn(self, Good.forward(self, state), state.losses)


def crash_by_choice(self, tasks, *, noise: Literal["none", "small"] = "none"):
    Good.__init__(self, tasks)
    self.noise = {"none": 0.0}[noise]


def unused(self, tasks):
    Good.__init__(self, tasks)
    self.unused = Parameter(torch.ones(()))


def remember(self, weights, losses):
    found = weights * (1 + sum(self.__dict__.get("_past", [])))
    self.__dict__["_past"] = [*self.__dict__.get("_past", []), float(losses.detach().mean())]
    return found


def by_norm(self, state):
    return state.take(self.log).exp() / state.gramian.diagonal().sqrt()


def take_mean(self, state):
    return state.take(self.log).exp() / len(state.losses)


BROKEN: list[Broken] = [
    ("weights", "weights, a tensor of shape", change(Good, forward=weighing(lambda self, w, x: w.mean()))),
    ("weights", "finite", change(Good, forward=weighing(lambda self, w, x: w / 0))),
    ("weights", "full_like", change(Good, forward=weighing(lambda self, w, x: w.float()))),
    ("choices", "noise=small", change(Good, __init__=crash_by_choice)),
    ("regulariser", "0-dimensional", change(Good, regulariser=lambda self: self.log)),
    ("gradients", "['unused']", change(Good, __init__=unused)),
    ("losses train", "detach", change(Good, forward=weighing(lambda self, w, x: (1 + 0 * w) / (x + 1e-30)))),
    ("scale of a sum", "weights 2. Found [0.5, 0.5]", change(Good, unlike_uniform="", forward=take_mean)),
    ("scale of a sum", "leave it out", change(Good, forward=weighing(lambda self, w, x: w / w.detach()))),
    ("extreme losses", "zero", change(Good, forward=weighing(lambda self, w, x: w / x.detach()))),
    ("extreme gradients", "1 each", change(Good, needs_gramian=True, forward=by_norm)),
    ("absent tasks", "by `state.take`", change(Good, unlike_uniform="", forward=all_tasks)),
    ("absent tasks", "leave the others out", change(Good, regulariser=drifting)),
    ("same seed same numbers", "generator", change(Good, forward=weighing(lambda self, w, x: w * torch.rand(())))),
    ("state round trip", "buffers", change(Good, forward=weighing(remember))),
]
