"""Controls: rows that show which other causes than shared knowledge could explain a gain.

A control is a method under changed settings, or a method that is a control by itself. Some consist of one run per
task, of which only that task counts. A cause that can act on separate models as well (capacity, compute, rates) is
varied on both sides, since a gain of `hard` says nothing where `single_task` gains as much from it. T is the number
of tasks throughout.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.errors import UsageError, hint
from leaderboard.boards.twins import is_muted, read_twins, write_twin

OTHERS = {"single_task_narrow": "single-task, as small as hard"}  # methods that are controls by themselves
NAMES = {"hard": "hard", "single_task": "single-task"}  # the two sides that a lever is pulled on, and their labels
# Enough to see whether another balance of losses explains a gain, in few runs.
WEIGHTS = (2, 4)  # of one task over the others, in the grid of static weights


@dataclass(frozen=True)
class ControlRun:
    """One run of a control's row.

    Attributes:
        settings: changed settings of the protocol, as texts, as records keep them.
        counts: the task whose scores are used; None uses all.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    counts: str | None = None


@dataclass(frozen=True)
class ControlRow:
    """One row: a method in one or more runs, and its label in a table. Plain methods keep their own name."""

    method: str
    label: str
    parts: tuple[ControlRun, ...] = (ControlRun(),)

    @property
    def key(self) -> str:
        """The name of the row in CSV and JSON: the label where settings are changed, else the method."""
        return self.label if any(part.settings for part in self.parts) else self.method


@dataclass(frozen=True)
class ControlSubject:
    """The board that controls are made for.

    Attributes:
        tasks: of the suite, in order.
        epochs, lr: of its protocol.
        methods: of the board, in short form; controls of methods are made for these.
        labels: method -> its name for people, where the board gives one.
        twins: sharing -> its twin, as `Sharing.twin` says.
    """

    tasks: Sequence[str]
    epochs: int
    lr: float
    methods: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=read_twins)


@dataclass(frozen=True)
class Control:
    """One explanation to rule out: a sentence about it, and the rows that test it.

    `of_methods` marks controls whose rows depend on the methods of the board.
    """

    name: str
    summary: str
    rows: Callable[[ControlSubject], list[ControlRow]]
    of_methods: bool = False


def _wide_rows(on: ControlSubject) -> list[ControlRow]:
    """Capacity: hard sharing with as many parameters as the separate models have together."""
    return [ControlRow("hard_wide", "hard, as large as single-task")]


def _narrow_rows(on: ControlSubject) -> list[ControlRow]:
    """Capacity: separate models that together have as many parameters as hard sharing."""
    return [ControlRow(name, label) for name, label in OTHERS.items()]


def _ensemble_rows(on: ControlSubject) -> list[ControlRow]:
    """T hard models with averaged outputs: the capacity and compute of separate models, with hard sharing only."""
    count = len(on.tasks)
    return [ControlRow("hard", f"hard, {count} averaged", (ControlRun({"members": str(count)}),))]


def _long_rows(on: ControlSubject) -> list[ControlRow]:
    """Compute: hard sharing for T times the epochs, which costs what separate models cost."""
    count = len(on.tasks)
    return [ControlRow("hard", f"hard, {count} times the epochs", (ControlRun({"epochs": str(count * on.epochs)}),))]


def _trunk_rate_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing with the trunk's learning rate divided and multiplied by T.

    T is the factor between the length of one gradient and that of the sum of T equal ones.
    """
    count = len(on.tasks)
    rates = {f"1/{count}": repr(1 / count), str(count): repr(float(count))}
    return [
        ControlRow("hard", f"hard, trunk rate x {name}", (ControlRun({"trunk_lr": rate}),))
        for name, rate in rates.items()
    ]


def _single_wide_rows(on: ControlSubject) -> list[ControlRow]:
    """Separate models, each with as many parameters as all of them have."""
    return [ControlRow("single_task_wide", "single-task, each as large as all")]


def _single_ensemble_rows(on: ControlSubject) -> list[ControlRow]:
    """T models of each task with averaged outputs: T times the parameters of separate models."""
    count = len(on.tasks)
    return [ControlRow("single_task", f"single-task, {count} averaged", (ControlRun({"members": str(count)}),))]


def _single_long_rows(on: ControlSubject) -> list[ControlRow]:
    """Separate models for T times the epochs, the counterpart of `_long_rows`."""
    count = len(on.tasks)
    run = ControlRun({"epochs": str(count * on.epochs)})
    return [ControlRow("single_task", f"single-task, {count} times the epochs", (run,))]


def _rate_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing and separate models with all learning rates divided and multiplied by T."""
    count = len(on.tasks)
    rates = {f"1/{count}": repr(on.lr / count), str(count): repr(on.lr * count)}
    return [
        ControlRow(method, f"{name}, learning rate x {factor}", (ControlRun({"lr": rate}),))
        for method, name in NAMES.items()
        for factor, rate in rates.items()
    ]


def _faster_trunks(count: int) -> dict[str, str]:
    """Name -> setting of the factors on the trunk's rate that T summed gradients could stand for.

    T equal gradients sum to T times the length of one; T orthogonal ones of that length to sqrt(T) times.
    """
    return {f"sqrt({count})": repr(math.sqrt(count)), str(count): repr(float(count))}


def _trunk_rates_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing with the trunk at sqrt(T) and T times its rate: the baseline of `_at_faster_trunks`."""
    return [
        ControlRow("hard", f"hard, trunk rate x {name}", (ControlRun({"trunk_lr": rate}),))
        for name, rate in _faster_trunks(len(on.tasks)).items()
    ]


def _at_faster_trunks(rows: Sequence[ControlRow], on: ControlSubject) -> list[ControlRow]:
    """The given rows with the trunk at sqrt(T) and T times its rate, each in addition to their own settings."""
    return [
        ControlRow(
            row.method,
            f"{row.label}, trunk rate x {name}",
            tuple(ControlRun({**part.settings, "trunk_lr": rate}, part.counts) for part in row.parts),
        )
        for row in rows
        for name, rate in _faster_trunks(len(on.tasks)).items()
    ]


def _shuffled_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing with the training targets of all other tasks shuffled: a gain that stays is no information."""
    others = {task: "/".join(other for other in on.tasks if other != task) for task in on.tasks}
    return [
        ControlRow(
            "hard", "hard, other tasks shuffled", tuple(ControlRun({"shuffled": o}, t) for t, o in others.items())
        )
    ]


def _replica_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing of T copies of one task: the gradients of T tasks, without the information of another."""
    return [
        ControlRow(
            "hard", "hard, replicas of the task", tuple(ControlRun({"replica": task}, task) for task in on.tasks)
        )
    ]


def _static_rows(on: ControlSubject) -> list[ControlRow]:
    """Loss weights: hard sharing with one task weighed 2 or 4 times as much as the others; the mean weight stays 1."""
    rows = []
    for task in on.tasks:
        for factor in WEIGHTS:
            # With a mean other than 1 the row would change the learning rate of the trunk as well.
            unit = len(on.tasks) / (factor + len(on.tasks) - 1)
            weights = "/".join(repr(round(unit * (factor if other == task else 1), 6)) for other in on.tasks)
            rows.append(ControlRow(f"hard@static:weights={weights}", f"hard, {task} weighs {factor} times as much"))
    return rows


def _own_gain_rows(on: ControlSubject) -> list[ControlRow]:
    """Cross-stitch units that train the gain of each task's own path, with the paths between tasks fixed at zero."""
    return [ControlRow("cross_stitch:cross=0", "cross-stitch, own gain only")]


def _muted_rows(on: ControlSubject) -> list[ControlRow]:
    """Every method of the board that can be muted, muted: all of its layers and parameters, no path between tasks."""
    twins = {method: write_twin(method, on.twins) for method in on.methods}
    muted = {twin: method for method, twin in twins.items() if twin and is_muted(twin, method)}
    return [ControlRow(twin, f"{on.labels.get(method, method)}, muted") for twin, method in muted.items()]


def _twin_rows(on: ControlSubject) -> list[ControlRow]:
    """The twin of every method of the board: the method muted, else the nearest method without a path between tasks."""
    muted = _muted_rows(on)
    twins = dict.fromkeys(write_twin(method, on.twins) for method in on.methods)
    others = [twin for twin in twins if twin and twin not in {row.method for row in muted}]
    return muted + [ControlRow(twin, on.labels.get(twin, OTHERS.get(twin, twin))) for twin in others]


# In the order of `mtlbench list` and of the rows of `--control all`.
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
        Control("single_wide", "capacity: single-task with T times its parameters", _single_wide_rows),
        Control(
            "single_ensemble",
            "capacity and compute: T single-task models of each task trained apart, their outputs averaged",
            _single_ensemble_rows,
        ),
        Control("single_long", "compute: single-task for T times the epochs", _single_long_rows),
        Control("rate", "the learning rate: hard sharing and single-task at 1/T and T times it", _rate_rows),
        Control("trunk_rates", "the trunk's learning rate: hard sharing at sqrt(T) and T times it", _trunk_rates_rows),
        Control(
            "shuffled_rates",
            "information: as `shuffled`, with the trunk at sqrt(T) and T times its learning rate",
            lambda on: _at_faster_trunks(_shuffled_rows(on), on),
        ),
        Control(
            "replica_rates",
            "information: as `replica`, with the trunk at sqrt(T) and T times its learning rate",
            lambda on: _at_faster_trunks(_replica_rows(on), on),
        ),
        Control(
            "muted",
            "the path between tasks: methods that can be muted without it, with all of their layers and parameters",
            _muted_rows,
            of_methods=True,
        ),
        Control(
            "twin", "as `muted`, and the nearest other method without the path for those that cannot", _twin_rows, True
        ),
        Control("own_gain", "the units' learning rate: cross-stitch without crossing, own gain only", _own_gain_rows),
    )
}


def control_rows(names: Iterable[str], on: ControlSubject) -> list[ControlRow]:
    """The rows of the named controls, each row once; `all` names every control.

    Args:
        names: of CONTROLS, or `all`.
        on: the board that they are made for.

    Raises:
        UsageError: a name is unknown; the message has the nearest one.
    """
    rows: list[ControlRow] = []
    for control in find_controls(names):
        rows += [row for row in control.rows(on) if row not in rows]
    return rows


def find_controls(names: Iterable[str]) -> list[Control]:
    """The controls of these names, each once; `all` is every one. Raises UsageError with the nearest name."""
    controls: dict[str, Control] = {}
    for name in names:
        if name != "all" and name not in CONTROLS:
            raise UsageError(f"There is no control `{name}`; {hint(name, [*CONTROLS, 'all'])}.")
        controls |= CONTROLS if name == "all" else {name: CONTROLS[name]}
    return list(controls.values())
