"""What a player says of a cell that it trained, as far as it has the right form."""

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
from bench.training.examine import Epochs

FROM_TRAINING = frozenset(  # the fields of a record that a player may fill
    ("tasks", "selection", "cost", "curves", "matrices", "effective_sharing", "cosines", "solution", "environment")
)
MAX_NAME = 200  # characters
MAX_CHECKPOINT = 1 << 30  # bytes
MOST_STEPS = 1_000_000_000  # of a solver
LARGEST = 1 << 53  # counts beyond it are no numbers that a table could show
THREADS = re.compile(r", \d{1,4} threads?\Z")
PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}\Z")


@dataclass(frozen=True)
class Trained:
    """The fields of a record, the epochs that rules chose, and the weights of the models at each of them.

    `models` maps the epochs of an ensemble to the state of each member; `in_place` where there is none to send.
    """

    fields: dict[str, Any]
    epochs: dict[str, dict[str, Epochs]]
    weights: Tensor | None
    models: dict[Epochs, list[dict[str, Any]]]
    in_place: bool

    @classmethod
    def read(cls, message: Message, spec: RunSpec) -> "Trained":
        """The content of a message. Raises PlayerFailed where it has another form."""
        values = message.values
        try:
            fields = values["fields"]
            if not isinstance(fields, dict) or not fields.keys() <= FROM_TRAINING | {"data"}:
                raise ValueError("fields")
            sent = {name: fields[name] for name in fields.keys() & FROM_TRAINING}
            # Through the schema of a record, so that everything is of its type before anything looks at it.
            sample = ResultRecord.model_validate(
                {"run_id": spec.run_id, "suite": "", "method": "", "spec": spec, "status": "done"} | sent
            )
            if sample.cost is None or not _sound(sample.cost, spec):
                raise ValueError("cost")
            if len(sample.tasks) != len(set(sample.tasks)):
                raise ValueError("tasks")
            _hold_names(sample)
            checked = sample.model_dump(include=set(sent))
            checked["environment"] = versions(*sorted(_packages(checked.get("environment", {}))))
            epochs = {
                str(rule): {str(task): _epochs(each, spec) for task, each in tasks.items()}
                for rule, tasks in values["epochs"].items()
            }
            models = {_epochs(entry["epochs"], spec): read_models(entry, spec) for entry in values["models"]}
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
            if not (weights is None or _is_matrix(weights)):
                raise ValueError("weights")
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            reason = make_printable(" ".join(str(error).split()), 200)
            raise PlayerFailed(f"What it says of its training has another form than it should ({reason}).") from error
        return cls(checked, epochs, weights, models, in_place)


def read_epochs(message: Message, spec: RunSpec) -> tuple[int, int]:
    """How many epochs are done, and of how many. Raises PlayerFailed where these are not counts, or too large."""
    done, epochs = (message.values.get(name) for name in ("done", "epochs"))
    solver = spec.protocol.fit == "solver"  # which counts steps of its own
    last = MOST_STEPS if solver else spec.protocol.epochs * spec.protocol.members
    if type(done) is not int or type(epochs) is not int or not 0 <= done <= epochs <= last:
        raise PlayerFailed("What it says of its progress is no count of epochs.")
    return done, epochs


def read_checkpoint(message: Message) -> bytes:
    """Where training stands, which nobody here looks into. Raises PlayerFailed where it is no sequence of bytes."""
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


def _sound(cost: Cost, spec: RunSpec) -> bool:
    """Whether what a run cost are numbers that can be, on the machine that this is."""
    counts = cost.parameters, cost.forward_flops
    times = cost.step_ms, cost.train_seconds, cost.peak_memory_mb
    device = torch.device("cpu" if spec.protocol.fit == "solver" else spec.protocol.device)
    here, said = (THREADS.sub("", text) for text in (hardware(device), cost.hardware))
    return all(0 <= n < LARGEST for n in counts) and min(times) >= 0 and said == here


def _hold_names(sample: ResultRecord) -> None:
    """Raise ValueError where a name cannot be shown, or what goes with it is not what it says."""
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
    """Whether this is a matrix of finite numbers, and not an empty one."""
    sound = isinstance(value, Tensor) and value.dim() == 2 and value.dtype in (torch.float32, torch.float64)
    return sound and value.numel() > 0 and bool(value.isfinite().all())


def _packages(environment: Mapping[str, Any]) -> set[str]:
    """Packages beyond the usual ones whose versions matter: names only, their versions are looked up here."""
    return {name for name in environment if isinstance(name, str) and PACKAGE.match(name)} - versions().keys()


def _epochs(value: Any, spec: RunSpec) -> Epochs:
    epochs, last = tuple(value), spec.protocol.epochs
    if len(epochs) != spec.protocol.members or not all(type(e) is int and 1 <= e <= last for e in epochs):
        raise ValueError("epochs")
    return epochs
