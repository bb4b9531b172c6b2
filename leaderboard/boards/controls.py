"""Controls: rows that say what else than shared knowledge could make a difference.

A control is a method under other settings of the protocol, or one that is a control by itself. Some are made of
one run for each task, of which only that task counts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bench.errors import UsageError, hint

WEIGHTS = (2, 4)  # of one task over the others, in the grid of static weights


@dataclass(frozen=True)
class ControlRun:
    """One run of a row: settings as records keep them, and the task that counts (all of them where there is none)."""

    settings: Mapping[str, str] = field(default_factory=dict)
    counts: str | None = None


@dataclass(frozen=True)
class ControlRow:
    """One row: a method in one or more parts, and what a table calls it. Plain methods keep their own name."""

    method: str
    label: str
    parts: tuple[ControlRun, ...] = (ControlRun(),)

    @property
    def key(self) -> str:
        """The row's name in long form."""
        return self.label if any(part.settings for part in self.parts) else self.method


@dataclass(frozen=True)
class Control:
    """What is controlled for, in a sentence, and its rows on a suite of these tasks with this many epochs."""

    name: str
    summary: str
    rows: Callable[[list[str], int], list[ControlRow]]


def _wide_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """Hard sharing with as many parameters as separate models have."""
    return [ControlRow("hard_wide", "hard, as large as single-task")]


def _narrow_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """Separate models that together have as many parameters as hard sharing."""
    return [ControlRow("single_task_narrow", "single-task, as small as hard")]


def _ensemble_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """T hard models, whose outputs are averaged: as large as separate models, and nothing but hard sharing."""
    count = len(tasks)
    return [ControlRow("hard", f"hard, {count} averaged", (ControlRun({"members": str(count)}),))]


def _long_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """Hard sharing for T times the epochs: the arithmetic that separate models take."""
    count = len(tasks)
    return [ControlRow("hard", f"hard, {count} times the epochs", (ControlRun({"epochs": str(count * epochs)}),))]


def _trunk_rate_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """Hard sharing with the trunk learning more slowly and faster, by the factor that T summed gradients would make."""
    count = len(tasks)
    rates = {f"1/{count}": repr(1 / count), str(count): repr(float(count))}
    return [
        ControlRow("hard", f"hard, trunk rate x {name}", (ControlRun({"trunk_lr": rate}),))
        for name, rate in rates.items()
    ]


def _shuffled_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """Hard sharing with the targets of all other tasks dealt out anew: what is left of a gain is no information."""
    others = {task: "/".join(other for other in tasks if other != task) for task in tasks}
    return [
        ControlRow(
            "hard", "hard, other tasks shuffled", tuple(ControlRun({"shuffled": o}, t) for t, o in others.items())
        )
    ]


def _replica_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """Hard sharing of T copies of one task: T gradients of one task, and no other task."""
    return [
        ControlRow("hard", "hard, replicas of the task", tuple(ControlRun({"replica": task}, task) for task in tasks))
    ]


def _static_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """Hard sharing with one task weighed more than the others, task by task; the mean weight stays 1."""
    found = []
    for task in tasks:
        for factor in WEIGHTS:
            unit = len(tasks) / (factor + len(tasks) - 1)  # the mean weight is 1
            weights = "/".join(repr(round(unit * (factor if other == task else 1), 6)) for other in tasks)
            found.append(ControlRow(f"hard@static:weights={weights}", f"hard, {task} weighs {factor} times as much"))
    return found


def _own_gain_rows(tasks: list[str], epochs: int) -> list[ControlRow]:
    """Cross-stitch units whose own gain is trained and whose crossing is not."""
    return [ControlRow("cross_stitch:cross=0", "cross-stitch, own gain only")]


CONTROLS = {
    control.name: control
    for control in (
        Control("wide", "capacity: hard sharing with the parameters of single-task", _wide_rows),
        Control("narrow", "capacity: single-task with the parameters of hard sharing", _narrow_rows),
        Control(
            "ensemble", "capacity and compute: T hard models trained apart, their outputs averaged", _ensemble_rows
        ),
        Control("long", "compute: hard sharing for T times the epochs", _long_rows),
        Control("trunk_rate", "the trunk's learning rate: hard sharing at 1/T and T times it", _trunk_rate_rows),
        Control(
            "shuffled",
            "information: hard sharing with every other task's training targets dealt out anew",
            _shuffled_rows,
        ),
        Control("replica", "information: hard sharing of T copies of one task", _replica_rows),
        Control("static", "loss weights: one task weighs 2 or 4 times as much as the others", _static_rows),
        Control("own_gain", "the units' learning rate: cross-stitch without crossing, own gain only", _own_gain_rows),
    )
}


def control_rows(names: Iterable[str], tasks: list[str], epochs: int) -> list[ControlRow]:
    """The rows of the named controls, or of `all`. Raises UsageError as `named`."""
    rows: list[ControlRow] = []
    for control in find_controls(names):
        rows += [row for row in control.rows(tasks, epochs) if row not in rows]
    return rows


def find_controls(names: Iterable[str]) -> list[Control]:
    """The controls of these names, each once; `all` is every one. Raises UsageError with the nearest name."""
    found: dict[str, Control] = {}
    for name in names:
        if name != "all" and name not in CONTROLS:
            raise UsageError(f"There is no control `{name}`; {hint(name, [*CONTROLS, 'all'])}.")
        found |= CONTROLS if name == "all" else {name: CONTROLS[name]}
    return list(found.values())
