"""Checks the form of what a player says of a cell that it trained.

Nothing is taken as it came: fields pass through the schema of a record, names should be printable, numbers finite and
of a possible size, versions of packages are looked up here. Whether the content is true is checked elsewhere (`cost`,
`cells`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.errors import make_printable
from bench.judge.channel import Message
from bench.judge.host import PlayerFailed
from bench.records import Cost, ResultRecord, RunSpec
from bench.training.environment import hardware, versions
from bench.training.trained_cell import Epochs

FROM_TRAINING = frozenset(  # the fields of a record that a player may fill
    [
        "tasks",
        "selection",
        "validation",
        "cost",
        "curves",
        "matrices",
        "effective_sharing",
        "cosines",
        "solution",
        "environment",
    ]
)
MAX_NAME = 200  # characters of the name of a matrix, a layer or a setting
MAX_CHECKPOINT = 1 << 30  # bytes
MAX_STEPS = 1_000_000_000  # of a solver
MAX_COUNT = 1 << 53  # of parameters and operations: the last whole number up to which a float is exact
# The number of threads at the end of a hardware's name: a player may train with another one than the judge has.
THREADS = re.compile(r", \d{1,4} threads?\Z")
PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}\Z")


@dataclass(frozen=True)
class Trained:
    """The checked answer to a request `train`.

    Attributes:
        fields: Fields of the record, those of FROM_TRAINING only.
        epochs: selection rule -> task -> the epoch of each member of the ensemble.
        weights: A matrix (T, d) of linear weights, or None.
        models: epochs -> the state of each member; empty where `in_place`.
        in_place: Whether there is no state to send, so that the process that trained has to predict.
    """

    fields: dict[str, Any]
    epochs: dict[str, dict[str, Epochs]]
    weights: Tensor | None
    models: dict[Epochs, list[dict[str, Any]]]
    in_place: bool

    @classmethod
    def read(cls, message: Message, spec: RunSpec) -> "Trained":
        """Check the content of a message. Raises PlayerFailed, with what is wrong, where it has another form."""
        values = message.values
        try:
            fields = values["fields"]
            if not isinstance(fields, dict) or not fields.keys() <= FROM_TRAINING | {"data", "labels"}:
                raise ValueError("fields")
            sent = {name: fields[name] for name in fields.keys() & FROM_TRAINING}
            # Through the schema of a record, so that everything is of its type before anything looks at it.
            sample = ResultRecord.model_validate(
                {"run_id": spec.run_id, "suite": "", "method": "", "spec": spec, "status": "done"} | sent
            )
            if sample.cost is None or not _is_sound(sample.cost, spec):
                raise ValueError("cost")
            if len(sample.tasks) != len(set(sample.tasks)):
                raise ValueError("tasks")
            _check_names(sample)
            checked = sample.model_dump(include=set(sent))
            # A player names packages; which versions they have is read here, where it cannot say so itself.
            checked["environment"] = versions(*sorted(_extra_packages(checked.get("environment", {}))))
            epochs = {
                str(rule): {str(task): _read_member_epochs(each, spec) for task, each in tasks.items()}
                for rule, tasks in values["epochs"].items()
            }
            models = {
                _read_member_epochs(entry["epochs"], spec): read_models(entry, spec) for entry in values["models"]
            }
            in_place, weights = values["in_place"] is True, values["weights"]
            if in_place and spec.protocol.fit != "solver":
                raise ValueError("in_place")
            needed = {each for tasks in epochs.values() for each in tasks.values()}
            if not needed or (not in_place and needed - models.keys()):
                raise ValueError("models")
            tasks = set(sample.tasks)
            if tasks != set(spec.protocol.metrics) or any(of.keys() != tasks for of in epochs.values()):
                raise ValueError("tasks")
            if {r: {t: e[0] for t, e in of.items()} for r, of in epochs.items()} != sample.selection:
                raise ValueError("selection")
            if sample.validation and sample.validation.keys() != tasks:
                raise ValueError("validation")
            if not (weights is None or _is_matrix(weights)):
                raise ValueError("weights")
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            reason = make_printable(" ".join(str(error).split()), 200)
            raise PlayerFailed(f"What it says of its training has another form than it should ({reason}).") from error
        return cls(checked, epochs, weights, models, in_place)


def read_epochs(message: Message, spec: RunSpec) -> tuple[int, int]:
    """(epochs done, epochs in all) of a message `epoch`; a solver counts its own steps.

    Raises PlayerFailed where these are no counts, or larger than the protocol allows.
    """
    done, epochs = (message.values.get(name) for name in ("done", "epochs"))
    solver = spec.protocol.fit == "solver"  # which counts steps of its own
    last = MAX_STEPS if solver else spec.protocol.epochs * spec.protocol.members
    if type(done) is not int or type(epochs) is not int or not 0 <= done <= epochs <= last:
        raise PlayerFailed("What it says of its progress is no count of epochs.")
    return done, epochs


def read_checkpoint(message: Message) -> bytes:
    """The bytes of a checkpoint, which nobody here looks into: it goes back to a player as it came.

    Raises PlayerFailed where the content is no sequence of bytes, or longer than MAX_CHECKPOINT.
    """
    content = message.values.get("content")
    is_bytes = isinstance(content, Tensor) and content.dtype == torch.uint8 and content.dim() == 1
    if isinstance(content, Tensor) and is_bytes and len(content) <= MAX_CHECKPOINT:
        return bytes(content.numpy())
    raise PlayerFailed(f"A checkpoint should be at most {MAX_CHECKPOINT:,} bytes. Found something else.")


def read_models(values: Any, spec: RunSpec) -> list[dict[str, Any]]:
    """The states of the models of a cell, member by member. Raises ValueError where they have another form."""
    models = values.get("models")
    if not isinstance(models, list) or len(models) != spec.protocol.members:
        raise ValueError("models")
    for model in models:
        weights = model.get("weights") if isinstance(model, dict) else None
        if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
            raise ValueError("weights of a model")
    return models


def _is_sound(cost: Cost, spec: RunSpec) -> bool:
    """Whether the cost holds possible numbers, and names the machine that this is."""
    counts = cost.parameters, cost.forward_flops
    times = cost.step_ms, cost.train_seconds, cost.peak_memory_mb
    device = torch.device("cpu" if spec.protocol.fit == "solver" else spec.protocol.device)
    here, said = (THREADS.sub("", text) for text in (hardware(device), cost.hardware))
    return all(0 <= n < MAX_COUNT for n in counts) and min(times) >= 0 and said == here


def _check_names(sample: ResultRecord) -> None:
    """Raise ValueError where a name cannot be shown, a setting is no plain value, or a matrix does not unpack."""
    names = [*sample.matrices, *sample.effective_sharing, *sample.curves.train_loss, *sample.curves.val]
    names += [task for of_task in sample.curves.val.values() for task in of_task]
    settings = sample.solution.settings if sample.solution else {}
    names += [text for pair in settings.items() for text in pair if isinstance(text, str)]
    if not all(name.isprintable() and len(name) <= MAX_NAME for name in names):
        raise ValueError("names")
    if not all(value is None or isinstance(value, (bool, int, float, str)) for value in settings.values()):
        raise ValueError("solution")
    for matrix in [*sample.matrices.values(), *([sample.cosines] if sample.cosines else [])]:
        if min(matrix.shape, default=0) < 0:
            raise ValueError("matrices")
        matrix.unpack()


def _is_matrix(value: Any) -> bool:
    """Whether this is a matrix of finite floating-point numbers that is not empty."""
    sound = isinstance(value, Tensor) and value.dim() == 2 and value.dtype in (torch.float32, torch.float64)
    return sound and value.numel() > 0 and bool(value.isfinite().all())


def _extra_packages(environment: Mapping[str, Any]) -> set[str]:
    """Names of packages beyond the usual ones whose versions matter to the run."""
    return {name for name in environment if isinstance(name, str) and PACKAGE.match(name)} - versions().keys()


def _read_member_epochs(value: Any, spec: RunSpec) -> Epochs:
    """A tuple with one epoch per member, each in [1, epochs]; else ValueError."""
    epochs, last = tuple(value), spec.protocol.epochs
    if len(epochs) != spec.protocol.members or not all(type(e) is int and 1 <= e <= last for e in epochs):
        raise ValueError("epochs")
    return epochs
