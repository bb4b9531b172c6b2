"""One cell, judged: a player trains and predicts, this process holds the test targets and writes the record."""

import math
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.errors import Diverged
from bench.judge.channel import Message
from bench.judge.confinement import ConfinementKind
from bench.judge.cost import check_numbers, check_operations, check_times, measure_rate
from bench.judge.host import MethodFailed, Player, PlayerFailed, Request, Usage
from bench.judge.sealed import SealedScore, compare_with_sealed
from bench.judge.trained import MAX_CHECKPOINT, Trained, read_checkpoint, read_epochs, read_models
from bench.planning.plan import parse_suite, suite_under_protocol
from bench.records import Failure, ResultRecord, RunSpec
from bench.system.files import make_folder, write_whole
from bench.system.regular import read_regular
from bench.training.environment import settle_devices, settle_precision
from bench.training.evaluate import Predict
from bench.training.examine import Epochs, TrainedCell, examine
from bench.training.fit import begin_record
from bench.training.gallery import Gallery
from bench.training.model import MultiTaskModel
from bench.training.rows import place_rows, read_split
from bench.training.watch import OnEpoch

NOTED = 1.25  # times as many numbers as declared that training changes


@dataclass(frozen=True)
class MethodSource:
    """A method's file: its name, and its text."""

    name: str
    text: str

    @property
    def sent(self) -> dict[str, str]:
        """As a player takes it."""
        return {"name": self.name, "source": self.text}


@dataclass
class Judgement:
    """A cell that was judged: its record, and what was seen from outside.

    `numbers` are those that training changed and predictions rest on. `notes` are for reviewers.
    """

    record: ResultRecord
    confinement: ConfinementKind
    numbers: int = 0
    sealed: list[SealedScore] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge_cell(
    player: Player,
    source: MethodSource,
    spec: RunSpec,
    short: str,
    data_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    gallery: Gallery | None = None,
    checkpoint: tuple[Path, float] | None = None,
    sealed: bool = False,
) -> Judgement:
    """Train a cell in `player` and score it here; what goes wrong becomes a failed record.

    `short` is the method's name in tables. With `sealed` a second test is made where the suite can. `checkpoint` is a
    file in which the player's state is kept, and the seconds between two of them; it ends with the cell, unless the
    player was ended. The method's file is never imported here.
    """
    choice, suite = parse_suite(spec.suite, data_dir)
    record = begin_record(spec, choice.short, short)
    judged = Judgement(record, player.confinement)
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
    if checkpoint and player.is_alive:
        with suppress(OSError):
            checkpoint[0].unlink(missing_ok=True)
    return judged


@dataclass
class _Case:
    """What one cell needs on this side."""

    player: Player
    source: MethodSource
    spec: RunSpec
    suite: Suite
    judged: Judgement
    predicted: int = 0  # rows, by the process that predicts

    def __post_init__(self) -> None:
        settle_devices()
        self.seen = suite_under_protocol(self.suite, self.spec.protocol)

    @contextmanager
    def train(self, on_epoch: OnEpoch | None, checkpoint: tuple[Path, float] | None) -> Iterator[TrainedCell]:
        """The cell, trained by the player on rows of training and validation."""
        began, kept = time.monotonic(), _read_kept(checkpoint[0]) if checkpoint else None
        values = self._values | {
            "splits": {split: self._sent(split) for split in ("train", "val") if split in self.spec.protocol.splits},
            "checkpoint": kept,
            "every": checkpoint[1] if checkpoint else None,
        }
        with ExitStack() as stack:
            request = stack.enter_context(self.player.request("train", values))
            while (message := request.receive("epoch", "checkpoint", "trained")).kind != "trained":
                if message.kind == "checkpoint" and checkpoint:
                    _keep(checkpoint[0], read_checkpoint(message))
                elif message.kind == "epoch":
                    done = read_epochs(message, self.spec)
                    if on_epoch:
                        on_epoch(*done)
            answer = Trained.read(message, self.spec)
            wall = math.inf if kept is not None else time.monotonic() - began
            if answer.in_place:
                self.judged.notes.append("it predicts in the process that was trained: what it keeps was not counted")
                predictor = partial(self._in_place, request)
            else:
                stack.close()  # nothing of the process that was trained is left when predictions are made
                self._hold_times(answer, request.usage, wall)
                self._hold_numbers(answer)
                predictor = partial(self._afresh, answer)
            fields = answer.fields | {"data": self.suite.checksums()}
            yield TrainedCell(fields, answer.epochs, predictor, answer.weights)
        if answer.in_place:
            self._hold_times(answer, request.usage, wall)

    def _hold_times(self, answer: Trained, used: Usage, wall: float) -> None:
        cost = answer.fields["cost"]
        check_times(cost, used, wall, self.spec)
        cost["peak_memory_mb"] = round(used.peak_mb, 1)

    def _hold_numbers(self, answer: Trained) -> None:
        with self.player.request("build", self._values) as request:
            before = [model["weights"] for model in self._read_built(request.receive("built"))]
        for models in answer.models.values():
            changed = check_numbers(answer.fields["cost"], before, [model["weights"] for model in models])
            self.judged.numbers = max(self.judged.numbers, changed)
        declared = answer.fields["cost"]["parameters"]
        if self.judged.numbers > NOTED * declared + 1000:
            self.judged.notes.append(
                f"its predictions rest on {self.judged.numbers:,} numbers that training changed, of which it declares "
                f"{declared:,} as parameters"
            )

    def _read_built(self, message: Message) -> list[dict[str, Any]]:
        try:
            return read_models(message.values, self.spec)
        except ValueError as error:
            raise PlayerFailed(f"Its models before training have another form than they should ({error}).") from error

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
    def _built_in(self) -> MultiTaskModel:
        """The plain model of the suite, which says what predictions look like and what they take."""
        protocol = self.spec.protocol
        device = torch.device(protocol.device)
        with torch.random.fork_rng(devices=[]):
            model = MultiTaskModel(self.seen, Method.parse("hard"), protocol, 0)
        return model.to(device, settle_precision(protocol.precision, device)).eval()

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """task -> the shape of one row's prediction."""
        parameter = next(self._built_in.parameters())
        row = torch.zeros(1, *self.suite.input_shape, dtype=parameter.dtype, device=parameter.device)
        with torch.no_grad():
            predictions = self._built_in({task.name: row for task in self.seen.tasks}, TrainState())
        return {task: tuple(prediction.shape[1:]) for task, prediction in predictions.items()}

    @cached_property
    def _seconds_per_operation(self) -> float:
        """What an operation of the built-in model takes of the processor."""
        return measure_rate(self._built_in, read_split(self.seen, self.spec, "test"))

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
    def _afresh(self, answer: Trained, epochs: Epochs) -> Iterator[Predict]:
        """What predicts with weights that passed through here, in a process that has nothing else."""
        self.predicted = 0
        with self.player.request("predict", self._values | {"models": answer.models[epochs]}) as request:
            yield partial(self._predict, request)
        check_operations(answer.fields["cost"], request.usage, self.predicted, self._seconds_per_operation)

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
        self.predicted += max(map(len, inputs.values()))
        device = torch.device(self.spec.protocol.device)
        return {task: predictions[task].to(device) for task in inputs}


def _read_kept(path: Path) -> Tensor | None:
    try:
        content = read_regular(path, MAX_CHECKPOINT, links=False)
    except OSError:
        return None
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else None


def _keep(path: Path, content: bytes) -> None:
    """Put a checkpoint into its file; where that cannot be written, training goes on without."""
    with suppress(OSError):
        make_folder(path.parent)
        write_whole(path, content)


def _failure(error: Exception) -> Failure:
    if isinstance(error, MethodFailed):
        return Failure(type=error.type, message=error.message, where=error.where)
    return Failure(type=type(error).__name__, message=" ".join(str(error).split())[:500], where="judge")
