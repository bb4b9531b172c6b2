"""Penalty families: a constraint of the registry and its open options, which cross-validation chooses."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from bench.catalogue.options import write
from bench.catalogue.registry import Choice, choose
from bench.core.constraint import Constraint, Coupled
from bench.errors import UsageError
from bench.linear.decay import Decay
from bench.linear.loss import Loss
from bench.linear.objective import Objective
from bench.records import Call, parse_call

STRENGTH = "strength"  # the option that every constraint of a solver has
ABOVE = 10.0  # where a penalty is no norm: the first strength over the one with the curvature of the loss


@dataclass(frozen=True)
class PenaltyFamily:
    """A constraint with its options, or weight decay (`choice` None), on `coupled`.

    What stands at its default is open, where it can be chosen: the strength, and options with a list of choices
    (`Search(choices=...)`), as the number of clusters. What was given is kept.

    `l21` is open; `l21:strength=2.5` is not; `cluster` has an open strength and an open `k`.
    """

    choice: Choice | None
    coupled: Coupled

    @classmethod
    def parse(cls, text: str, features: int, tasks: int, strength: float | None = None) -> "PenaltyFamily":
        """The family of a constraint as written, on the weights (1, features) of every task.

        Its strength is open where `strength` is None. Raises ValueError where the text gives one.
        """
        call = parse_call(text)
        if STRENGTH in call.options:
            raise ValueError(f"The strength should be given apart. Found `constraint = {text}`.")
        options = call.options | ({} if strength is None else {STRENGTH: write(float(strength))})
        return cls(choose("constraint", Call(call.name, options)), Coupled((1, features), tasks, 1.0))

    @property
    def _dial(self) -> list[str]:
        """The option `strength`, and the option that it replaces."""
        assert self.choice is not None
        options = self.choice.entry.options
        if STRENGTH not in options:
            raise UsageError(f"A solver needs a constraint with a `strength`. Found `{self.choice.entry.name}`.")
        return [name for name in (STRENGTH, options[STRENGTH].replaces) if name]

    @property
    def open(self) -> bool:
        """Whether the strength is to be chosen."""
        if self.choice is None:
            return True
        return all(self.choice.values[name] == self.choice.entry.options[name].default for name in self._dial)

    def list_settings(self) -> list[dict[str, Any]]:
        """Every combination of the other open options, as [{"k": 1}, {"k": 2}]; `[{}]` where there are none."""
        if self.choice is None:
            return [{}]
        spaces = {
            name: option.search.choices
            for name, option in self.choice.entry.options.items()
            if option.search and option.search.choices and self.choice.values[name] == option.default
        }
        return [dict(zip(spaces, each, strict=True)) for each in itertools.product(*spaces.values())]

    def build_penalty(self, settings: Mapping[str, Any], strength: float | None = None) -> Constraint:
        """The constraint in float64.

        settings: options that replace those of the family, as from `list_settings`.
        strength: replaces the family's own; None keeps it.

        Raises:
            UsageError: it has no prox, no strength, a schedule, or does not take parameters of this shape.
        """
        if self.choice is None:
            return Decay(self.coupled, 0.0 if strength is None else strength)
        values = {**self.choice.values, **settings}
        if strength is not None:
            values |= {name: strength if name == STRENGTH else None for name in self._dial}
        built: Constraint = Choice(self.choice.entry, values).build(self.coupled)
        name = self.choice.short
        if built.in_loss or built.offset:
            raise UsageError(f"A solver needs a constraint with a prox on the copies themselves. Found `{name}`.")
        if built.schedule != "constant":
            raise UsageError(f"A solver has no moments to schedule a constraint by. Found `{name}`.")
        if not self.open and not built.calibrated:
            given, other = self._dial
            raise UsageError(
                f"A solver has no first update, which `{other}` is measured at; give `{given}`, or leave both out and "
                f"the solver chooses. Found `{name}`."
            )
        if not built.applies_to("weight", self.coupled.shape):
            raise UsageError(f"`{name}` does not take parameters of shape {self.coupled.shape}.")
        return built.double()

    def fix_strength(self, strength: float) -> "PenaltyFamily":
        """The same family with the strength given, so that it is open no more."""
        assert self.choice is not None
        given = {name: strength if name == STRENGTH else None for name in self._dial}
        return replace(self, choice=replace(self.choice, values={**self.choice.values, **given}))

    def degree(self) -> int | None:
        """p where R(c W) = c^p R(W): 1 of norms, 2 of squares; else None.

        Found on random weights of two inputs, since constraints do not declare it.
        """
        small = replace(self, coupled=replace(self.coupled, shape=(1, 2)))
        penalty = small.build_penalty(self.list_settings()[0], 1.0)
        shape = (*[penalty.parts] * (penalty.parts > 1), 1, 2, self.coupled.tasks)
        W = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        once, twice = (float(penalty.value(c * W).detach()) for c in (1.0, 2.0))
        if not once > 0:
            return 2  # as `l2` of one task, which holds nothing
        return next((p for p in (1, 2) if math.isclose(twice, 2**p * once, rel_tol=1e-9)), None)

    def list_strengths(self, loss: Loss, settings: Mapping[str, Any], points: int, span: float) -> list[float]:
        """`points` strengths, falling evenly in logarithms.

        Of a norm R = v N, and of what else has a critical strength, from that, N*(-df(0)), at and above which W = 0, to
        `span` times it. Of all others from 10 v_0 to `span` v_0, where R at v_0 has the curvature L of the loss:
        R(W) = L |W|^2 / 2 for random W.

        Args:
            loss: f on the rows that the path is for.
            settings: other options of the penalty.
            points: at least 1.
            span: in (0, 1).
        """
        objective = Objective(loss, self.build_penalty(settings, 1.0))
        critical = objective.penalty.critical_strength(-objective.gradient(objective.zeros()))
        if critical is not None:
            first = last = float(critical)
        else:
            generator = torch.Generator().manual_seed(0)
            W = torch.randn(objective.shape, generator=generator, dtype=torch.float64)
            value = float(objective.penalty.value(W).detach())
            last = float(W.square().sum()) / objective.step / 2 / value if value > 0 else 1.0
            first = ABOVE * last
        if not first > 0:
            return [1.0]  # nothing to fit: any strength does
        last *= span
        if points == 1:
            return [first]
        steps = [k / (points - 1) for k in range(points)]
        return [first * math.exp(share * math.log(last / first)) for share in steps]
