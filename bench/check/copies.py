"""The copies a constraint is tried on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.options import forms
from bench.core.constraint import Constraint, Coupled

SHAPES = {"0.0.bias": (3,), "0.0.weight": (4, 5), "1.0.weight": (2, 3, 3, 3)}
TASKS = (2, 1, 5)
RATE = 0.1


def draw(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Normal numbers in float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass(frozen=True)
class Trial:
    """One constraint on one parameter: `where` in words, random copies W, tasks last."""

    entry: Entry
    form: str
    values: dict[str, Any]
    shape: tuple[int, ...]
    tasks: int

    @property
    def where(self) -> str:
        """The trial in words."""
        return f"`{self.form}` on shape {self.shape}, {self.tasks} task{'s' * (self.tasks > 1)}"

    @property
    def W(self) -> Tensor:
        """Random copies; of several parts, part after part."""
        parts = self.entry.cls.parts  # type: ignore[attr-defined]
        return draw((*[parts] * (parts > 1), *self.shape, self.tasks))

    @property
    def kinds(self) -> dict[str, Tensor]:
        """Copies at which penalties have corners, and random ones."""
        return {"zero": 0 * self.W, "equal": self.W[..., :1].expand_as(self.W).clone(), "random": self.W}

    def build(self) -> Constraint:
        """A fresh instance in float64."""
        constraint: Constraint = self.entry.build(Coupled(self.shape, self.tasks, RATE), **self.values)
        return constraint.double()


class ConstraintCase:
    """A constraint on parameters of one, two and four axes, in every form that its options name."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.forms = dict(forms(entry))

    def trials(self, form: str) -> dict[str, list[Trial]]:
        """Name of a parameter -> the trials on it."""
        values = self.forms[form]
        return {name: [Trial(self.entry, form, values, shape, t) for t in TASKS] for name, shape in SHAPES.items()}

    def each(self) -> Iterator[tuple[Trial, Constraint]]:
        """Every trial that `applies_to` allows, with a fresh instance."""
        for form in self.forms:
            for name, trials in self.trials(form).items():
                for trial in trials:
                    constraint = trial.build()
                    if constraint.applies_to(name, trial.shape):
                        yield trial, constraint


def answers(constraint: Constraint, W: Tensor, step: float = RATE) -> dict[str, Tensor]:
    """What training asks for: the value, and the prox where it is applied."""
    found = {"value": constraint.value(W)}
    return found if constraint.in_loss else found | {"prox": constraint.prox(W.clone(), step)}
