"""Controls: rows that say what else than shared knowledge could make a difference.

A control is a method under other settings of the protocol, or one that is a control by itself. Some are made of
one run for each task, of which only that task counts. A lever that separate models have as well (capacity, compute,
rates) is pulled on both sides, since a gain of `hard` says nothing where `single_task` gains as much by it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.errors import UsageError, hint
from leaderboard.boards.twins import is_muted, write_twin, written_twins

OTHERS = {"single_task_narrow": "single-task, as small as hard"}  # methods that are controls by themselves
NAMES = {"hard": "hard", "single_task": "single-task"}  # the two sides that a lever is pulled on, and their labels
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
class ControlSubject:
    """What is controlled.

    Args:
        tasks: of the suite, in order.
        epochs, lr: of its protocol.
        methods: of the board, in short form; what has a twin among them has its twin as a control.
        labels: names of methods for people, where a board gives some.
        twins: sharing -> its twin, as `Sharing.twin` says.
    """

    tasks: Sequence[str]
    epochs: int
    lr: float
    methods: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=written_twins)


@dataclass(frozen=True)
class Control:
    """What is controlled for, in a sentence, and the rows that do so; `of_methods` where they depend on the board's."""

    name: str
    summary: str
    rows: Callable[[ControlSubject], list[ControlRow]]
    of_methods: bool = False


def _wide_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing with as many parameters as separate models have."""
    return [ControlRow("hard_wide", "hard, as large as single-task")]


def _narrow_rows(on: ControlSubject) -> list[ControlRow]:
    """Separate models that together have as many parameters as hard sharing."""
    return [ControlRow(name, label) for name, label in OTHERS.items()]


def _ensemble_rows(on: ControlSubject) -> list[ControlRow]:
    """T hard models, whose outputs are averaged: as large as separate models, and nothing but hard sharing."""
    count = len(on.tasks)
    return [ControlRow("hard", f"hard, {count} averaged", (ControlRun({"members": str(count)}),))]


def _long_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing for T times the epochs: the arithmetic that separate models take."""
    count = len(on.tasks)
    return [ControlRow("hard", f"hard, {count} times the epochs", (ControlRun({"epochs": str(count * on.epochs)}),))]


def _trunk_rate_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing with the trunk learning more slowly and faster, by the factor that T summed gradients would make."""
    count = len(on.tasks)
    rates = {f"1/{count}": repr(1 / count), str(count): repr(float(count))}
    return [
        ControlRow("hard", f"hard, trunk rate x {name}", (ControlRun({"trunk_lr": rate}),))
        for name, rate in rates.items()
    ]


def _single_ensemble_rows(on: ControlSubject) -> list[ControlRow]:
    """T models of each task, whose outputs are averaged: T times the parameters of separate models."""
    count = len(on.tasks)
    return [ControlRow("single_task", f"single-task, {count} averaged", (ControlRun({"members": str(count)}),))]


def _single_long_rows(on: ControlSubject) -> list[ControlRow]:
    """Separate models for T times the epochs, as in `_long_rows`."""
    count = len(on.tasks)
    run = ControlRun({"epochs": str(count * on.epochs)})
    return [ControlRow("single_task", f"single-task, {count} times the epochs", (run,))]


def _rate_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing and separate models at slower and faster learning rates of everything, by the factor T."""
    count = len(on.tasks)
    rates = {f"1/{count}": repr(on.lr / count), str(count): repr(on.lr * count)}
    return [
        ControlRow(method, f"{name}, learning rate x {factor}", (ControlRun({"lr": rate}),))
        for method, name in NAMES.items()
        for factor, rate in rates.items()
    ]


def _faster_trunks(count: int) -> dict[str, str]:
    """Factors on the trunk's rate between that of one gradient and that of T: name -> setting.

    T gradients of one task sum to T times one; T that point in unrelated directions to sqrt(T) times, in length.
    """
    return {f"sqrt({count})": repr(math.sqrt(count)), str(count): repr(float(count))}


def _trunk_rates_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing with the trunk at sqrt(T) and T times its rate: what the rows of the two below are held against."""
    return [
        ControlRow("hard", f"hard, trunk rate x {name}", (ControlRun({"trunk_lr": rate}),))
        for name, rate in _faster_trunks(len(on.tasks)).items()
    ]


def _at_faster_trunks(rows: Sequence[ControlRow], on: ControlSubject) -> list[ControlRow]:
    """The same rows with the trunk at sqrt(T) and T times its rate."""
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
    """Hard sharing with the targets of all other tasks dealt out anew: what is left of a gain is no information."""
    others = {task: "/".join(other for other in on.tasks if other != task) for task in on.tasks}
    return [
        ControlRow(
            "hard", "hard, other tasks shuffled", tuple(ControlRun({"shuffled": o}, t) for t, o in others.items())
        )
    ]


def _replica_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing of T copies of one task: T gradients of one task, and no other task."""
    return [
        ControlRow(
            "hard", "hard, replicas of the task", tuple(ControlRun({"replica": task}, task) for task in on.tasks)
        )
    ]


def _static_rows(on: ControlSubject) -> list[ControlRow]:
    """Hard sharing with one task weighed more than the others, task by task; the mean weight stays 1."""
    found = []
    for task in on.tasks:
        for factor in WEIGHTS:
            unit = len(on.tasks) / (factor + len(on.tasks) - 1)  # the mean weight is 1
            weights = "/".join(repr(round(unit * (factor if other == task else 1), 6)) for other in on.tasks)
            found.append(ControlRow(f"hard@static:weights={weights}", f"hard, {task} weighs {factor} times as much"))
    return found


def _own_gain_rows(on: ControlSubject) -> list[ControlRow]:
    """Cross-stitch units whose own gain is trained and whose crossing is not."""
    return [ControlRow("cross_stitch:cross=0", "cross-stitch, own gain only")]


def _muted_rows(on: ControlSubject) -> list[ControlRow]:
    """Every method that can be muted, muted: its layers and parameters, and no path between tasks."""
    twins = {method: write_twin(method, on.twins) for method in on.methods}
    muted = {twin: method for method, twin in twins.items() if twin and is_muted(twin, method)}
    return [ControlRow(twin, f"{on.labels.get(method, method)}, muted") for twin, method in muted.items()]


def _twin_rows(on: ControlSubject) -> list[ControlRow]:
    """The twin of every method: muted, or else the nearest one without a path between tasks."""
    muted = _muted_rows(on)
    twins = dict.fromkeys(write_twin(method, on.twins) for method in on.methods)
    others = [twin for twin in twins if twin and twin not in {row.method for row in muted}]
    return muted + [ControlRow(twin, on.labels.get(twin, OTHERS.get(twin, twin))) for twin in others]


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
    """The rows of the named controls, or of `all`. Raises UsageError as `named`."""
    rows: list[ControlRow] = []
    for control in find_controls(names):
        rows += [row for row in control.rows(on) if row not in rows]
    return rows


def find_controls(names: Iterable[str]) -> list[Control]:
    """The controls of these names, each once; `all` is every one. Raises UsageError with the nearest name."""
    found: dict[str, Control] = {}
    for name in names:
        if name != "all" and name not in CONTROLS:
            raise UsageError(f"There is no control `{name}`; {hint(name, [*CONTROLS, 'all'])}.")
        found |= CONTROLS if name == "all" else {name: CONTROLS[name]}
    return list(found.values())
