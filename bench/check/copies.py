"""The trials of a constraint: parameters of several shapes, several numbers of tasks, every form of its options."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.options import list_end_forms, list_forms
from bench.core.constraint import Constraint, Coupled
from bench.errors import count_nouns

SHAPES = {"0.0.bias": (3,), "0.0.weight": (4, 5), "1.0.weight": (2, 3, 3, 3)}  # bias, matrix and kernel, by name
TASKS = (2, 1, 5)  # the usual case first, so that its advice comes first; then nothing to couple, and more
RATE = 0.1  # first learning rate that a constraint is built for, and the step of its prox


def draw(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Normal numbers in float64, from a generator of their own."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass(frozen=True)
class Trial:
    """One constraint on one parameter.

    entry: the constraint.
    form: its options as text, for sentences.
    values: its options by name.
    shape: of the parameter.
    tasks: number of copies.
    """

    entry: Entry
    form: str
    values: dict[str, Any]
    shape: tuple[int, ...]
    tasks: int

    @property
    def where(self) -> str:
        """The trial in words."""
        return f"`{self.form}` on shape {self.shape}, {count_nouns(self.tasks, 'task')}"

    @property
    def W(self) -> Tensor:
        """Random copies, (*shape, tasks); of several parts (parts, *shape, tasks)."""
        parts = self.entry.cls.parts  # type: ignore[attr-defined]
        return draw((*[parts] * (parts > 1), *self.shape, self.tasks))

    @property
    def kinds(self) -> dict[str, Tensor]:
        """Copies at which penalties have corners (all zero, all equal), and random ones."""
        return {"zero": 0 * self.W, "equal": self.W[..., :1].expand_as(self.W).clone(), "random": self.W}

    def build(self) -> Constraint:
        """A fresh instance in float64. Raises ValueError where options do not fit."""
        constraint: Constraint = self.entry.build(Coupled(self.shape, self.tasks, RATE), **self.values)
        return constraint.double()


class ConstraintCase:
    """A constraint on parameters of one, two and four axes, in every form that its options name.

    forms: text -> options; the rule `builds` removes those that are refused with a sentence.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.forms = dict(list_forms(entry))

    def list_trials(self, form: str) -> dict[str, list[Trial]]:
        """Name of a parameter -> the trials on it, one for each number of tasks."""
        values = self.forms[form]
        return {name: [Trial(self.entry, form, values, shape, t) for t in TASKS] for name, shape in SHAPES.items()}

    def list_end_trials(self) -> Iterator[Trial]:
        """Trials for the usual number of tasks at the ends of the options' ranges, which may be refused."""
        for form, values in list_end_forms(self.entry):
            yield from (Trial(self.entry, form, values, shape, TASKS[0]) for shape in SHAPES.values())

    def build_each(self) -> Iterator[tuple[Trial, Constraint]]:
        """Every trial that `applies_to` allows, with a fresh instance whose strength is measured."""
        for form in self.forms:
            for name, trials in self.list_trials(form).items():
                for trial in trials:
                    constraint = trial.build()
                    if constraint.applies_to(name, trial.shape):
                        if not constraint.calibrated:
                            constraint.calibrate(trial.W, RATE)
                        yield trial, constraint


def compute_answers(constraint: Constraint, W: Tensor, step: float = RATE) -> dict[str, Tensor]:
    """What training asks for: the value, and the prox where it is applied.

    W: copies; not written into.
    step: of the prox.
    """
    value = {"value": constraint.value(W)}
    # A clone, since a prox that writes into its argument is none of this function's business.
    return value if constraint.in_loss else value | {"prox": constraint.prox(W.clone(), step)}
