"""One judged cell: a player trains and predicts, this process holds the test targets and writes the record.

Called by the workers of `mtlbench submit` and `mtlbench verify --rerun` (`bench.execution.judged_cell`). It mirrors
`bench.training.fit.fit`, and gives the same scores digit for digit; what differs is where each step runs.
"""

import math
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from bench.core.suite import Suite
from bench.core.thinning import thin_suite
from bench.errors import Diverged
from bench.judge.channel import Message
from bench.judge.confinement import ConfinementKind
from bench.judge.cost import check_numbers, check_times
from bench.judge.host import MethodFailed, Player, PlayerFailed, Usage
from bench.judge.predictions import PlayerPredictions
from bench.judge.sealed import SealedScore, compare_with_sealed
from bench.judge.trained import MAX_CHECKPOINT, Trained, read_checkpoint, read_epochs, read_models
from bench.planning.plan import parse_suite, suite_under_protocol
from bench.records import Failure, ResultRecord, RunSpec
from bench.system.files import make_folder, write_whole
from bench.system.regular import read_regular
from bench.training.environment import settle_devices
from bench.training.examine import examine
from bench.training.gallery import Gallery
from bench.training.load import begin_record
from bench.training.rows import place_rows, read_split, tally_labels
from bench.training.trained_cell import TrainedCell
from bench.training.watch import OnEpoch

# A reviewer is told where training changed more than this many times the declared parameters, and 1000 more; far
# larger ratios are refused by `cost.check_numbers`.
NOTED_RATIO = 1.25


@dataclass(frozen=True)
class MethodSource:
    """A method's file: its name, and its text.

    The text is read once and travels as text, so that what was checked is what runs, whatever becomes of the file.
    """

    name: str
    text: str

    @property
    def sent(self) -> dict[str, str]:
        """The file as a request to a player carries it."""
        return {"name": self.name, "source": self.text}


@dataclass
class Judgement:
    """A judged cell: its record, and what was seen from outside.

    Attributes:
        record: Status `done` or `failed`, sealed.
        confinement: How the code was confined.
        numbers: How many numbers behind the predictions training changed; 0 where that could not be counted.
        sealed: The second test, task by task; empty where there was none.
        notes: Sentences for reviewers.
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

    The method's file is never imported here.

    Args:
        player: A started player; it is left alive unless the method broke a limit.
        source: The method's file.
        spec: The cell. Its protocol decides about splits, device and metrics.
        short: The method's name in tables.
        data_dir: Where data sets are.
        on_epoch: Called with (epochs done, epochs in all).
        gallery: Collects pictures of test rows, where given.
        checkpoint: A file in which the player's state is kept, and the seconds between two writes. The file is removed
            with the end of the cell, unless the player was ended: then the next attempt continues from it.
        sealed: Whether to test a second time on fresh rows, where the suite can make some.
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
        judged.record = ResultRecord.model_validate(record.model_dump() | fields).seal()
    except (PlayerFailed, MethodFailed, Diverged, ValidationError, ValueError) as error:
        judged.record = record.model_copy(update={"status": "failed", "error": _describe_failure(error)}).seal()
    if checkpoint and player.is_alive:
        with suppress(OSError):
            checkpoint[0].unlink(missing_ok=True)
    return judged


@dataclass
class _Case:
    """The judge's side of one cell: what is sent, what comes back, and what it is compared with.

    Attributes:
        suite: The suite itself, which can make fresh rows for the second test.
        seen: The suite under the cell's protocol, as replicas or shuffled tasks: what the player is shown.
        judged: Collects notes and counts; its record is set by `judge_cell`.
        values: What every request about this cell carries: the file, the specification, the checksums of the data.
        predictions: What the player predicts, checked.
    """

    player: Player
    source: MethodSource
    spec: RunSpec
    suite: Suite
    judged: Judgement

    def __post_init__(self) -> None:
        settle_devices()
        self.seen = suite_under_protocol(self.suite, self.spec.protocol)
        spec = {"spec": self.spec.model_dump(mode="json"), "checksums": self.suite.checksums()}
        self.values: dict[str, Any] = self.source.sent | spec
        self.predictions = PlayerPredictions(self.player, self.spec, self.seen, self.values)

    @contextmanager
    def train(self, on_epoch: OnEpoch | None, checkpoint: tuple[Path, float] | None) -> Iterator[TrainedCell]:
        """Let the player train on the rows of training and validation; yields the trained cell.

        The player's process that trained is ended before predictions are made, and a new one predicts with the weights
        that were sent: what predictions rest on has then passed through here and was counted. A method whose state
        cannot be sent (`in_place`) predicts in the process that trained, with a note for the reviewer.
        """
        began, kept = time.monotonic(), _read_checkpoint_file(checkpoint[0]) if checkpoint else None
        values = self.values | {
            "splits": {
                split: self._rows_to_send(split) for split in ("train", "val") if split in self.spec.protocol.splits
            },
            "checkpoint": kept,
            "every": checkpoint[1] if checkpoint else None,
        }
        with ExitStack() as stack:
            request = stack.enter_context(self.player.request("train", values))
            while (message := request.receive("epoch", "checkpoint", "trained")).kind != "trained":
                if message.kind == "checkpoint" and checkpoint:
                    _write_checkpoint_file(checkpoint[0], read_checkpoint(message))
                elif message.kind == "epoch":
                    done = read_epochs(message, self.spec)
                    if on_epoch:
                        on_epoch(*done)
            answer = Trained.read(message, self.spec)
            # A run that continued from a checkpoint declares the time of all its parts: the clock of this one is no
            # bound.
            wall = math.inf if kept is not None else time.monotonic() - began
            if answer.in_place:
                self.judged.notes.append("it predicts in the process that was trained: what it keeps was not counted")
                predictor = partial(self.predictions.open_in_place, request)
            else:
                stack.close()  # nothing of the process that was trained is left when predictions are made
                self._check_times(answer, request.usage, wall)
                self._check_numbers(answer)
                predictor = partial(self.predictions.open_in_new_process, answer)
            fields = answer.fields | {"data": self.suite.checksums(), "labels": self._tally_labels()}
            yield TrainedCell(fields, answer.epochs, predictor, answer.weights)
        if answer.in_place:
            self._check_times(answer, request.usage, wall)

    def _check_times(self, answer: Trained, used: Usage, wall: float) -> None:
        """Compare the declared times with the measured ones (`cost.check_times`).

        The record then shows the peak of memory that was measured here, whatever the player said.
        """
        cost = answer.fields["cost"]
        check_times(cost, used, wall, self.spec)
        cost["peak_memory_mb"] = round(used.peak_mb, 1)

    def _check_numbers(self, answer: Trained) -> None:
        """Count the numbers that training changed and compare them with the declared parameters.

        The models before training are rebuilt in a new process: they follow from the seed alone.
        """
        with self.player.request("build", self.values) as request:
            before = [model["weights"] for model in self._read_built(request.receive("built"))]
        for models in answer.models.values():
            changed = check_numbers(answer.fields["cost"], before, [model["weights"] for model in models])
            self.judged.numbers = max(self.judged.numbers, changed)
        declared = answer.fields["cost"]["parameters"]
        if self.judged.numbers > NOTED_RATIO * declared + 1000:
            self.judged.notes.append(
                f"its predictions rest on {self.judged.numbers:,} numbers that training changed, of which it declares "
                f"{declared:,} as parameters"
            )

    def _read_built(self, message: Message) -> list[dict[str, Any]]:
        """The states in a message, member by member. Raises PlayerFailed where they have another form."""
        try:
            return read_models(message.values, self.spec)
        except ValueError as error:
            raise PlayerFailed(f"Its models before training have another form than they should ({error}).") from error

    def compare_with_sealed(self, cell: TrainedCell) -> list[SealedScore]:
        """The second test, with the models whose predictions tables show.

        Its rows come from a seed that is drawn now, so no file could hold their targets. Suites of fixed data have no
        fresh rows; a note says so.
        """
        fresh = self.suite.sealed(self.spec.seed, secrets.randbits(63))
        if fresh is None or self.spec.protocol.replica:
            self.judged.notes.append("no sealed test: the suite has no fresh rows")
            return []
        rows = [read_split(self.suite, self.spec, "test"), place_rows(fresh, self.spec.protocol)]
        sealed: list[SealedScore] = []
        selected = cell.epochs.get("val", cell.epochs.get("last", {}))
        for epochs in cell.distinct_epochs:
            tasks = [task for task, at in selected.items() if at == epochs]
            if tasks:
                with cell.predictor(epochs) as predict:
                    scores = compare_with_sealed(predict, self.suite.tasks, self.spec.protocol.metrics, *rows)
                sealed += [score for score in scores if score.task in tasks]
        return sealed

    def _rows_to_send(self, split: Any) -> dict[str, Any]:
        """One split as a request carries it: inputs, targets, and whether the suite's transform applies.

        Raises ValueError for rows with a transform that is not the suite's: the player could not rebuild it.
        """
        protocol = self.spec.protocol
        # Thinned here, so that labels which the protocol takes away never reach the player.
        rows = thin_suite(self.suite, protocol.labels, protocol.labels_by).dataset(split, self.spec.seed)
        if rows.transform is not None and rows.transform != self.suite.transform:
            raise ValueError(f"The rows of `{self.spec.suite}` should have the suite's own `transform`.")
        return {
            "inputs": rows.inputs,
            "targets": rows.targets,
            "transformed": rows.transform is not None,
            "masks": rows.masks or {},
        }

    def _tally_labels(self) -> dict[str, dict[str, int]]:
        """`labels` of the record as far as the splits that the player was sent; counted here, whatever it said."""
        counts: dict[str, dict[str, int]] = {}
        for split in ("train", "val"):
            if split in self.spec.protocol.splits:
                rows = self.seen.dataset(split, self.spec.seed)  # type: ignore[arg-type]
                counts |= tally_labels(split, rows, self.seen.tasks)
        return counts


def _read_checkpoint_file(path: Path) -> Tensor | None:
    """The bytes of a checkpoint as a uint8 tensor; None where there is no file, or no plain one."""
    try:
        content = read_regular(path, MAX_CHECKPOINT, links=False)
    except OSError:
        return None
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else None


def _write_checkpoint_file(path: Path, content: bytes) -> None:
    """Write a checkpoint; where the file cannot be written, training continues without it."""
    with suppress(OSError):
        make_folder(path.parent)
        write_whole(path, content)


def _describe_failure(error: Exception) -> Failure:
    """The failure that a record shows; the place is `judge` where it was not the method that raised."""
    if isinstance(error, MethodFailed):
        return Failure(type=error.type, message=error.message, where=error.where)
    return Failure(type=type(error).__name__, message=" ".join(str(error).split())[:500], where="judge")
