"""The runs behind `mtlbench explain`: a method, the main task alone, and what could take the place of information.

Each explanation is a set of conditions in which no label of another task is told: what they gain can be had without
them. Nothing is trained here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from bench.catalogue.method import Method
from bench.catalogue.options import write
from bench.errors import UsageError
from bench.planning.question import ALONE, Question
from bench.records import RunSpec
from bench.records.values import SettingGrid

RESTARTS = 5  # draws of weights and batches, of which validation takes the best
WIDTHS = (0.5, 2.0, 4.0)  # of separate models, beside their own

# In the order in which they are taken away from the gain.
EXPLANATIONS = ("rate", "layers", "capacity", "compute", "restarts", "noise")

# Beside them, since its trunk has heard of the others' labels: what of the gain stays once nothing is shared any more.
STARTED = "start"


@dataclass(frozen=True)
class Condition:
    """A way to train the main task.

    Attributes:
        name: for people, and unique.
        explanation: of EXPLANATIONS, or STARTED, that it belongs to; empty for the main task alone, the method, and the
            method beside shuffled labels.
        method: in short form.
        tasks: those that are learnt; all for none.
        changes: of the protocol.
        restarts: draws of which validation takes the best.
    """

    name: str
    explanation: str
    method: str
    tasks: tuple[str, ...] = ()
    changes: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 1


@dataclass(frozen=True)
class Explanation:
    """A method on a suite, and the main task whose gain by it is explained.

    Args:
        question: the suite and its settings, with `main` and one method.
        twin: of the method, in short form; empty where it has none.
    """

    question: Question
    twin: str = ""

    @property
    def main(self) -> str:
        """The main task."""
        return self.question.mains[0]

    @property
    def method(self) -> str:
        """The method, in short form."""
        return self.question.methods[0]

    @cached_property
    def others(self) -> tuple[str, ...]:
        """The extra tasks."""
        return tuple(task for task in self.question.tasks if task != self.main)

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        """Name -> condition, of those that the suite can be trained under; alone, method and shuffled come first."""
        kept = {}
        for condition in self._list_conditions():
            try:
                self.plan(condition, 0, restart=condition.restarts - 1)
            except UsageError as error:
                if not condition.explanation:
                    raise
                self.left_out[condition.name] = str(error)
            else:
                kept[condition.name] = condition
        return kept

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Condition that does not fit the suite -> why, in a sentence. Filled with `conditions`."""
        return {}

    @property
    def ends(self) -> tuple[str, str, str]:
        """Names of the conditions that explain nothing: alone, the method, and the method beside shuffled labels."""
        alone, method, shuffled = (each.name for each in self.conditions.values() if not each.explanation)
        return alone, method, shuffled

    def plan(self, condition: Condition, seed: int, rate: float | None = None, restart: int = 0) -> RunSpec:
        """One run of a condition, as `mtlbench run` names it.

        Args:
            condition: how the main task is trained.
            seed: of the run.
            rate: learning rate; None for the protocol's own.
            restart: which draw, from 0.

        Raises UsageError where the suite cannot be trained so.
        """
        changes = {**condition.changes, **({"restart": str(restart)} if restart else {})}
        return self.question.spec(condition.method, seed, rate, condition.tasks, changes)

    def plan_tuning(self, condition: Condition, grid: SettingGrid | None = None) -> list[RunSpec]:
        """The runs by which validation chooses the learning rate of a condition; none where it is not chosen."""
        return self.question.plan_tuning(condition.method, grid, condition.tasks, condition.changes)

    def _list_conditions(self) -> Sequence[Condition]:
        """All conditions, whether they fit the suite or not. Raises UsageError for a method that shares nothing."""
        if Method.parse(self.method).sharing.entry.cls.separate:  # type: ignore[attr-defined]
            raise UsageError(f"`{self.method}` should be a method that shares: its tasks are models of their own.")
        only, count = (self.main,), len(self.question.tasks)
        extras, method = write(self.others), self.method
        given = self.question.spec(ALONE, 0, tasks=only).protocol  # factors are on what the question sets
        faster = {f"sqrt({count})": math.sqrt(count), str(count): float(count)}
        found = [
            Condition(ALONE, "", ALONE, only),
            Condition(method, "", method),
            Condition(f"{method}, others shuffled", "", method, (), {"shuffled": extras}),
            Condition(f"{method}, {count} copies of the task", "rate", method, (), {"replica": self.main}),
            *(
                Condition(
                    f"one trunk, rate x {name}", "rate", "hard", only, {"trunk_lr": repr(given.trunk_lr * factor)}
                )
                for name, factor in faster.items()
            ),
            *(
                Condition(f"{ALONE}, width x {width:g}", "capacity", ALONE, only, {"width": repr(given.width * width)})
                for width in WIDTHS
            ),
            *(
                Condition(f"{ALONE}, {count} times the epochs", "compute", ALONE, only, {"epochs": str(epochs)})
                for epochs in [count * given.epochs] * (given.fit == "descent")  # of a solver they are only a bound
            ),
            Condition(f"{ALONE}, best of {RESTARTS} by validation", "restarts", ALONE, only, restarts=RESTARTS),
            Condition(f"{method}, others random and smooth", "noise", method, (), {"smoothed": extras}),
            Condition(f"{method}, others' gradients as noise", "noise", method, (), {"noised": extras}),
        ]
        if method != "untied":
            found.append(Condition("untied: alone from a common trunk", STARTED, "untied"))
        if self.twin not in ("", ALONE, method):
            # The method itself, muted, has its layers; another method is another size.
            muted = Method.parse(self.twin).sharing.entry is Method.parse(method).sharing.entry
            found.append(Condition(self.twin, "layers" if muted else "capacity", self.twin))
        return found
