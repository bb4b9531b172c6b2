"""Constraints that break one rule each."""

from typing import Annotated, ClassVar

import torch

from bench.api import Constraint, Ge, Infinite
from tests.bench.check.broken import Broken, change


class Good(Constraint):
    """R(W) = v |W|^2 with the prox W / (1 + 2 s v), scaled by a buffer that a refresh computes.

    strength: v, in [0, inf).
    """

    refresh_every = 1
    limits: ClassVar = {"strength=0": "single_task"}

    def __init__(self, coupled, *, strength: Annotated[float, Ge(0)] = 0.5) -> None:
        super().__init__(coupled)
        self.strength = strength
        self.register_buffer("size", torch.ones(()))

    def value(self, W):
        return self.strength * self.size * W.square().sum()

    def prox(self, W, step):
        return W / (1 + 2 * step * self.strength * self.size)

    def refresh(self, W):
        self.size = 1 / (1 + W.square().sum())

    def matrices(self):
        return {"size": self.size}


def unbounded(self, coupled, *, strength: Annotated[float, Ge(0), Infinite()] = 0.5):
    Good.__init__(self, coupled, strength=strength)


def flat_only(self, coupled, *, strength: float = 0.5):
    Good.__init__(self, coupled, strength=strength)
    assert len(coupled.shape) < 4, "no kernels"


def drawn(self, coupled, *, strength: float = 0.5):
    Good.__init__(self, coupled, strength=strength)
    self.register_buffer("noise", torch.rand(()))


def noisy(self, W):
    return self.noise * W.square().sum()


def hide(self, W):
    self.__dict__["_size"] = 1 / (1 + W.square().sum())


def hidden(self, W):
    return self.__dict__.get("_size", 1.0) * W.square().sum()


def measure(self, W, step):
    self.__dict__["_scale"] = float(W.abs().max()) / step


measured = property(lambda self: "_scale" in self.__dict__)


def scaled(self, W):
    return self.__dict__.get("_scale", 1.0) * W.square().sum()


LOSS = {"in_loss": True, "prox": Constraint.prox, "limits": {}}
BROKEN: list[Broken] = [
    ("builds", "no kernels", change(Good, __init__=flat_only)),
    ("builds", "`applies_to`", change(Good, applies_to=lambda self, name, shape: False)),
    ("value", "one number", change(Good, value=lambda self, W: W.square())),
    ("value", ">= 0", change(Good, value=lambda self, W: -W.square().sum())),
    ("value", "torch.float32", change(Good, value=lambda self, W: W.square().sum().float())),
    ("gradient", "smooth the root", change(Good, value=lambda self, W: W.square().sum().sqrt(), **LOSS)),
    ("gradient", "constant", change(Good, value=lambda self, W: W.detach().square().sum(), **LOSS)),
    ("prox at step 0", "should return W", change(Good, prox=lambda self, W, step: W / 2)),
    ("prox at step 0", "`in_loss`", change(Good, prox=Constraint.prox)),
    ("prox is the minimum", "better by", change(Good, prox=lambda self, W, s: W / (1 + s * self.strength * self.size))),
    ("ends", "`odd:strength=inf` on shape (3,), 2 tasks, step 0;", change(Good, __init__=unbounded)),
    ("refresh", "finite", change(Good, refresh=lambda self, W: setattr(self, "size", 1 / W.square().sum()))),
    ("refresh", "refresh_every", change(Good, refresh_every=0, limits={})),
    ("state round trip", "buffers", change(Good, refresh=hide, value=hidden, **LOSS)),
    ("repeats", "draw nothing", change(Good, __init__=drawn, value=noisy, **LOSS)),
    ("matrices", "detach", change(Good, matrices=lambda self: {"size": self.size / 0})),
    ("state round trip", "buffers", change(Good, calibrated=measured, calibrate=measure, value=scaled, **LOSS)),
    ("claimed ties", "`soft+odd:strength=1` should equal `hard`", change(Good, ties=("strength=1",))),
    ("claimed limits", "`soft+odd:strength=1`", change(Good, limits={"strength=1": "single_task"})),
]

ORDERED = change(Good, value=lambda self, W: (W * torch.arange(1.0, W.shape[-1] + 1)).square().sum(), **LOSS)
