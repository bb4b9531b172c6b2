"""One cell, judged: a player trains and predicts, this process holds the test targets and writes the record."""

import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.errors import Diverged
from bench.judge.channel import Message
from bench.judge.confinement import Kind
from bench.judge.host import MethodFailed, Player, PlayerFailed, Request, Usage
from bench.judge.sealed import SealedScore, compare_with_sealed
from bench.method import Method
from bench.plan import parse_suite, under
from bench.records import Failure, ResultRecord, RunSpec
from bench.training.environment import settle_devices, versions
from bench.training.evaluate import Predict
from bench.training.examine import Epochs, TrainedCell, examine
from bench.training.gallery import Gallery
from bench.training.model import MultiTaskModel
from bench.training.rows import place_rows, read_split

FROM_TRAINING = frozenset(  # the fields of a record that a player may fill
    ("tasks", "selection", "cost", "curves", "matrices", "effective_sharing", "cosines", "solution", "environment")
)
SLACK_SECONDS = 5.0  # of processors: what a run does beside its updates, at least
SHARE_OF_TRAINING = 0.2  # of the processor's time that a run spends in its updates, at least
UNDECLARED = 1.5  # times as many numbers as declared that predictions may rest on, without a note
PREDICTING = ("sharing.", "heads.")  # the parts of a model that its forward pass runs through
OnEpoch = Callable[[int, int], None]


@dataclass(frozen=True)
class Source:
    """A method's file: its name, and its text."""

    name: str
    text: str

    @property
    def sent(self) -> dict[str, str]:
        """As a player takes it."""
        return {"name": self.name, "source": self.text}


@dataclass
class Judged:
    """A cell that was judged: its record, and what was seen from outside.

    `numbers` are those that predictions rest on, as they passed through here. `notes` are for reviewers.
    """

    record: ResultRecord
    confinement: Kind
    numbers: int = 0
    sealed: list[SealedScore] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge_cell(
    player: Player,
    source: Source,
    spec: RunSpec,
    short: str,
    data_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    gallery: Gallery | None = None,
    checkpoint: tuple[Path, float] | None = None,
    sealed: bool = False,
) -> Judged:
    """Train a cell in `player` and score it here; what goes wrong becomes a failed record.

    `short` is the method's name in tables. With `sealed` a second test is made where the suite can. `checkpoint` is a
    file that the player may write to, and the seconds between two writes. The method's file is never imported here.
    """
    choice, suite = parse_suite(spec.suite, data_dir)
    record = ResultRecord(
        run_id=spec.run_id,
        suite=choice.short,
        method=short,
        spec=spec,
        status="done",
        environment=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    judged = Judged(record, player.confinement)
    try:
        case = _Case(player, source, spec, suite, judged)
        with case.train(on_epoch, checkpoint) as cell:
            read_test = partial(read_split, case.seen, spec, "test")
            fields = examine(cell, case.seen, spec, read_test, gallery)
            if sealed:
                judged.sealed = case.compare_with_sealed(cell)
        judged.record = ResultRecord.model_validate(record.model_dump() | fields).sealed()
    except (PlayerFailed, MethodFailed, Diverged, ValidationError, ValueError) as error:
        judged.record = record.model_copy(update={"status": "failed", "error": _failure(error)}).sealed()
    return judged


@dataclass
class _Case:
    """What one cell needs on this side."""

    player: Player
    source: Source
    spec: RunSpec
    suite: Suite
    judged: Judged

    def __post_init__(self) -> None:
        settle_devices()
        self.seen = under(self.suite, self.spec.protocol)

    @contextmanager
    def train(self, on_epoch: OnEpoch | None, checkpoint: tuple[Path, float] | None) -> Iterator[TrainedCell]:
        """The cell, trained by the player on rows of training and validation."""
        began, resumes = time.monotonic(), checkpoint is not None and checkpoint[0].exists()
        values = self._values | {
            "splits": {split: self._sent(split) for split in ("train", "val") if split in self.spec.protocol.splits},
            "checkpoint": str(checkpoint[0]) if checkpoint else "",
            "every": checkpoint[1] if checkpoint else 0.0,
        }
        with ExitStack() as stack:
            request = stack.enter_context(self.player.request("train", values))
            message = request.receive("epoch", "trained")
            while message.kind == "epoch":
                if on_epoch:
                    on_epoch(int(message.values["done"]), int(message.values["epochs"]))
                message = request.receive("epoch", "trained")
            answer = _Trained.read(message, self.spec)
            if answer.in_place:
                self.judged.notes.append("it predicts in the process that was trained: what it keeps was not counted")
                predictor = partial(self._in_place, request)
            else:
                stack.close()  # nothing of the process that was trained is left when predictions are made
                self._hold_cost(answer, request.usage, math.inf if resumes else time.monotonic() - began)
                predictor = partial(self._afresh, answer.models)
            yield TrainedCell(
                answer.fields | {"data": self.suite.checksums()}, answer.epochs, predictor, answer.weights
            )
        if answer.in_place:
            self._hold_cost(answer, request.usage, math.inf if resumes else time.monotonic() - began)

    def compare_with_sealed(self, cell: TrainedCell) -> list[SealedScore]:
        """The second test, with the predictions that tables show."""
        fresh = self.suite.sealed(self.spec.seed, secrets.randbits(63))
        if fresh is None or self.spec.protocol.replica:
            self.judged.notes.append("no sealed test: the suite has no fresh rows")
            return []
        rows = [read_split(self.suite, self.spec, "test"), place_rows(fresh, self.spec.protocol)]
        found, shown = [], cell.epochs.get("val", cell.epochs.get("last", {}))
        for epochs in cell.distinct_epochs:
            tasks = [task for task, at in shown.items() if at == epochs]
            if tasks:
                with cell.predictor(epochs) as predict:
                    scores = compare_with_sealed(predict, self.suite.tasks, self.spec.protocol.metrics, *rows)
                found += [score for score in scores if score.task in tasks]
        return found

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """task -> the shape of one row's prediction, as built-in models give it."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            model = MultiTaskModel(self.seen, Method.parse("hard"), self.spec.protocol, 0).eval()
            row = torch.zeros(1, *self.suite.input_shape)
            predictions = model({task.name: row for task in self.seen.tasks}, TrainState())
        return {task: tuple(prediction.shape[1:]) for task, prediction in predictions.items()}

    @property
    def _values(self) -> dict[str, Any]:
        spec = self.spec.model_dump(mode="json")
        sums = self.suite.checksums()
        return self.source.sent | {"spec": spec, "checksums": sums}

    def _sent(self, split: Any) -> dict[str, Any]:
        rows = self.suite.dataset(split, self.spec.seed)
        if rows.transform is not None and rows.transform != self.suite.transform:
            raise ValueError(f"The rows of `{self.spec.suite}` should have the suite's own `transform`.")
        return {"inputs": rows.inputs, "targets": rows.targets, "transformed": rows.transform is not None}

    @contextmanager
    def _afresh(self, models: Mapping[Epochs, list[dict[str, Any]]], epochs: Epochs) -> Iterator[Predict]:
        """What predicts with weights that passed through here, in a process that has nothing else."""
        with self.player.request("predict", self._values | {"models": models[epochs]}) as request:
            yield partial(self._predict, request)

    @contextmanager
    def _in_place(self, request: Request, epochs: Epochs) -> Iterator[Predict]:
        yield partial(self._predict, request)

    def _predict(self, request: Request, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """task -> predictions of rows, held against what the task's head gives."""
        request.send("rows", {"inputs": dict(inputs)})
        predictions = request.receive("predictions").values
        expected = {task: (len(x), *self._shapes[task]) for task, x in inputs.items()}
        wrong = "Predictions should be one floating-point tensor of the head's shape for each task"
        if predictions.keys() != expected.keys():
            raise PlayerFailed(f"{wrong}. Found other tasks.")
        for task, prediction in predictions.items():
            if not isinstance(prediction, Tensor) or not prediction.is_floating_point():
                raise PlayerFailed(f"{wrong}. Found another type for `{task}`.")
            if tuple(prediction.shape) != expected[task]:
                raise PlayerFailed(f"{wrong}. Found {tuple(prediction.shape)} for `{task}`, not {expected[task]}.")
        device = torch.device(self.spec.protocol.device)
        return {task: predictions[task].to(device) for task in inputs}

    def _hold_cost(self, answer: "_Trained", used: Usage, wall: float) -> None:
        """What a run declares of its cost, against what was seen from outside: processors, and `wall` seconds."""
        cost = answer.fields["cost"]
        self.judged.numbers = answer.behind
        cost["peak_memory_mb"] = round(used.peak_mb, 1)
        seconds, steps = cost["train_seconds"], self.spec.protocol.updates * self.spec.protocol.members
        if not SHARE_OF_TRAINING * (used.seconds - SLACK_SECONDS) <= seconds <= wall:
            raise PlayerFailed(
                f"It declares {seconds:.3g} s of training, where its process took {used.seconds:.3g} s of the "
                f"processor in {wall:.3g} s."
            )
        if self.spec.protocol.fit != "solver" and not seconds / 20 <= cost["step_ms"] * steps / 1000 <= 20 * wall:
            raise PlayerFailed(f"It declares {cost['step_ms']:.3g} ms an update, where training took {seconds:.3g} s.")
        if answer.numbers and cost["parameters"] > answer.numbers:
            raise PlayerFailed(
                f"It declares {cost['parameters']:,} parameters, where its model has {answer.numbers:,} numbers."
            )
        if answer.behind > UNDECLARED * cost["parameters"] + 1000:
            self.judged.notes.append(
                f"its predictions rest on {answer.behind:,} numbers, of which it declares {cost['parameters']:,} as "
                "trained parameters"
            )


@dataclass(frozen=True)
class _Trained:
    """What a player says of a cell that it trained, as far as it has the right form."""

    fields: dict[str, Any]
    epochs: dict[str, dict[str, Epochs]]
    weights: Tensor | None
    models: dict[Epochs, list[dict[str, Any]]]
    numbers: int  # in the whole model
    behind: int  # of them those behind the predictions
    in_place: bool

    @classmethod
    def read(cls, message: Message, spec: RunSpec) -> "_Trained":
        """Raises PlayerFailed where a message has another form."""
        values = message.values
        try:
            fields = values["fields"]
            if not isinstance(fields, dict) or not fields.keys() <= FROM_TRAINING | {"data"}:
                raise ValueError("fields")
            checked = {name: fields[name] for name in fields.keys() & FROM_TRAINING}
            # Through the schema of a record, so that everything is of its type before anything looks at it.
            sample = ResultRecord.model_validate(
                {"run_id": spec.run_id, "suite": "", "method": "", "spec": spec, "status": "done"} | checked
            )
            if sample.cost is None:
                raise ValueError("cost")
            checked["environment"] = versions(*sorted(_packages(checked.get("environment", {}))))
            epochs = {
                str(rule): {str(task): _epochs(each, spec) for task, each in tasks.items()}
                for rule, tasks in values["epochs"].items()
            }
            models = {_epochs(entry["epochs"], spec): list(entry["models"]) for entry in values["models"]}
            in_place, weights = values["in_place"] is True, values["weights"]
            needed = {each for tasks in epochs.values() for each in tasks.values()}
            if not needed or (not in_place and needed - models.keys()):
                raise ValueError("models")
            if set(sample.tasks) != set(spec.protocol.metrics) or any(
                of.keys() != set(sample.tasks) for of in epochs.values()
            ):
                raise ValueError("tasks")
            if {r: {t: e[0] for t, e in of.items()} for r, of in epochs.items()} != sample.selection:
                raise ValueError("selection")
            if weights is not None and not (isinstance(weights, Tensor) and weights.dim() == 2):
                raise ValueError("weights")
            numbers, behind = (
                max(
                    (sum(count_numbers(model["weights"], parts) for model in each) for each in models.values()),
                    default=0,
                )
                for parts in (("",), PREDICTING)
            )
        except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise PlayerFailed(f"What it says of its training has another form than it should ({reason}).") from error
        return cls(checked, epochs, weights, models, numbers, behind, in_place)


def _packages(environment: Mapping[str, Any]) -> set[str]:
    """Packages beyond the usual ones whose versions matter: names only, their versions are looked up here."""
    return {str(name) for name in environment if len(str(name)) < 40} - versions().keys()


def _epochs(value: Any, spec: RunSpec) -> Epochs:
    epochs = tuple(value)
    if len(epochs) != spec.protocol.members or not all(
        type(e) is int and 1 <= e <= spec.protocol.epochs for e in epochs
    ):
        raise ValueError("epochs")
    return epochs


def _most_numbers(models: Mapping[Epochs, list[dict[str, Any]]], parts: tuple[str, ...]) -> int:
    return max((sum(count_numbers(model["weights"], parts) for model in each) for each in models.values()), default=0)


def count_numbers(weights: Mapping[str, Any], parts: tuple[str, ...]) -> int:
    """How many numbers the state of a model has under names that begin with one of `parts`."""
    return sum(_size(value) for name, value in weights.items() if name.startswith(parts))


def _size(value: Any) -> int:
    """The numbers in a tree of tensors, texts and numbers; integers count as well: they can carry anything."""
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, Mapping):
        return sum(_size(key) + _size(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    return len(value) if isinstance(value, str) else 1


def _failure(error: Exception) -> Failure:
    if isinstance(error, MethodFailed):
        return Failure(type=error.type, message=error.message, where=error.where)
    return Failure(type=type(error).__name__, message=" ".join(str(error).split())[:500], where="judge")
