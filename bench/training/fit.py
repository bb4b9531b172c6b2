"""One run: from a RunSpec to a ResultRecord."""

import gc
import logging
import traceback
import warnings
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import Profiler
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.catalogue.method import Method
from bench.core.data import Dataset, Order
from bench.core.resident import ResidentRows
from bench.core.self_fitting import SelfFitting
from bench.core.suite import Suite
from bench.errors import Diverged
from bench.planning.plan import parse_suite, suite_under_protocol
from bench.records import Cost, Failure, Packed, ResultRecord, RunSpec, derive_seed
from bench.training.checkpoint import Checkpoint, CheckpointCallback, DoesNotFit
from bench.training.devices.peers import launch_workers
from bench.training.devices.ranks import Ranks
from bench.training.effective_sharing import effective_sharing
from bench.training.environment import (
    hardware,
    peak_memory_mb,
    reset_peak_memory,
    settle_devices,
    settle_precision,
    versions,
    without_paths,
)
from bench.training.evaluate import Predictor, predicting
from bench.training.examine import Epochs, TrainedCell, examine
from bench.training.full_batch.infer import Inferred
from bench.training.full_batch.run import FullBatchRun
from bench.training.full_batch.solve import Solved
from bench.training.gallery import Gallery
from bench.training.gradients import task_cosines
from bench.training.model import MultiTaskModel, lay_out
from bench.training.module import Batches, MultiTaskModule
from bench.training.rows import memory_format_of, read_split
from bench.training.watch import OnEpoch, TrainingMonitor


def fit(
    spec: RunSpec,
    data_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    gallery: Gallery | None = None,
    checkpoint: Checkpoint | None = None,
    rows: ResidentRows | None = None,
) -> ResultRecord:
    """Train and score one cell. What goes wrong becomes a failed record; only an interrupt is raised.

    `on_epoch(done, epochs)` is called after every epoch; a `gallery` is filled; the run goes on from a `checkpoint`;
    `rows` were read already.
    """
    suite, method, record = load_run(spec, data_dir, rows)
    try:
        if spec.protocol.fit == "solver":
            fitted = prepare_full_batch_run(spec, suite, method)
            fields = examine(fitted.train(on_epoch), suite, spec, lambda: fitted.data("test"), gallery)
            return record.model_copy(update=fields).seal()
        with launch_workers(spec, data_dir) as ranks:
            run = Run(spec, suite, method, ranks=ranks)
            kept = None if ranks else checkpoint  # of one process; the others would have to go back with it
            return record.model_copy(update=run.result(on_epoch, gallery, kept)).seal()
    except Exception as error:
        if checkpoint and isinstance(error, Diverged):
            checkpoint.discard()  # it would go on to the same end
        frame = traceback.extract_tb(error.__traceback__)[-1]
        failure = Failure(
            type=type(error).__name__,
            message=without_paths(str(error))[:500],
            where=f"{Path(frame.filename).stem}.{frame.name}, line {frame.lineno}",
        )
        return record.model_copy(update={"status": "failed", "error": failure}).seal()


def prepare_full_batch_run(spec: RunSpec, suite: Suite, method: Method) -> FullBatchRun:
    """The full-batch run of a specification: by a solver, or by the sharing's own inference."""
    cell = Inferred if issubclass(method.sharing.entry.cls, SelfFitting) else Solved
    return cell(spec, suite, method)


def load_run(
    spec: RunSpec, data_dir: Path | None, rows: ResidentRows | None = None
) -> tuple[Suite, Method, ResultRecord]:
    """Build suite and method of a specification, and a record of it without results."""
    choice, suite = parse_suite(spec.suite, data_dir)
    if rows is not None:
        rows.serve(suite)
    method = Method.parse(spec.method)
    return suite_under_protocol(suite, spec.protocol), method, begin_record(spec, choice.short, method.short)


def begin_record(spec: RunSpec, suite: str, method: str) -> ResultRecord:
    """A record without results; `suite` and `method` are the short names that tables use."""
    return ResultRecord(
        run_id=spec.run_id,
        suite=suite,
        method=method,
        spec=spec,
        status="done",
        environment=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def train_as_worker(spec: RunSpec, data_dir: Path | None, ranks: Ranks) -> None:
    """Entry point of ranks > 0: run the training loop only; rank 0 evaluates."""
    suite, method, _ = load_run(spec, data_dir)
    for member in range(spec.protocol.members):
        run = Run(spec, suite, method, member, ranks)
        train(run.module, run.batches(run.data("train")), TrainingMonitor(run.module))


COSINE_BATCHES, COSINE_TASKS = 8, 10  # batches that are looked at; tasks, at most


class Run:
    """Everything one cell needs, set up in the order that makes it repeatable: seed, model, data.

    `member` counts the models of an ensemble: each has weights and batches of its own, on the data of the seed.
    `ranks` are there where this process is one of several that train it.
    """

    def __init__(
        self, spec: RunSpec, suite: Suite, method: Method, member: int = 0, ranks: Ranks | None = None
    ) -> None:
        self.spec, self.suite, self.method, self.protocol = spec, suite, method, spec.protocol
        self.member, self.ranks = member, ranks
        self.seed = derive_seed(spec.seed, "member", member) if member else spec.seed
        self.device = torch.device(self.protocol.device)
        self.dtype = settle_precision(self.protocol.precision, self.device)
        self.format = memory_format_of(self.protocol)
        torch.manual_seed(derive_seed(self.seed, "train"))
        self.model = MultiTaskModel(suite, method, self.protocol, self.seed)
        self.model.to(self.device, self.dtype)
        lay_out(self.model, self.format)
        if ranks:
            self.model.join(ranks)
            if ranks.rank:  # dropout falls elsewhere in its rows than in those of the first
                torch.manual_seed(derive_seed(self.seed, "train", ranks.rank))
        self.module = MultiTaskModule(self.model, self.protocol, self.seed)

    def data(self, split: Any) -> Dataset:
        """A split, where and as the model needs it."""
        return read_split(self.suite, self.spec, split)

    def result(
        self, on_epoch: OnEpoch | None = None, gallery: Gallery | None = None, checkpoint: Checkpoint | None = None
    ) -> dict[str, Any]:
        """Train, select, then read the test split once; the fields of a finished record."""
        return self._scored(self.train(on_epoch, checkpoint), gallery)

    def train(self, on_epoch: OnEpoch | None = None, checkpoint: Checkpoint | None = None) -> TrainedCell:
        """Train and select; nothing has read the test split."""
        if checkpoint:
            checkpoint.open(self.spec)
        start = self.start()
        try:
            return self._trained(start, self._train(start.rows, on_epoch, checkpoint), checkpoint)
        except DoesNotFit:
            return Run(self.spec, self.suite, self.method, self.member, self.ranks).train(on_epoch, checkpoint)

    def start(self) -> "Start":
        """What is read and measured before the first update."""
        settle_devices()
        gc.collect()  # an earlier run of this process is not this one's memory
        reset_peak_memory(self.device)
        rows = self.data("train")
        return Start(rows, self.model.copies(), self._flops(rows))

    def watch(self, on_epoch: OnEpoch | None = None) -> TrainingMonitor:
        """A watch on the validation split, where there is one."""
        return TrainingMonitor(self.module, self.data("val") if "val" in self.protocol.splits else None, on_epoch)

    def batches(self, rows: Dataset, epochs: int = 0) -> Batches:
        """The batches of the training rows, in the order of the seed, after so many epochs."""
        return Batches(rows, self.protocol, self.seed, epochs * self.protocol.steps_per_epoch)

    def _train(
        self, rows: Dataset, on_epoch: OnEpoch | None = None, checkpoint: Checkpoint | None = None
    ) -> TrainingMonitor:
        """Train on `rows`, watched on validation."""
        watch = self.watch(on_epoch)
        keeper = CheckpointCallback(checkpoint, self.member, watch) if checkpoint else None
        train(self.module, self.batches(rows, keeper.epochs if keeper else 0), watch, keeper)
        return watch

    def finish(self, start: "Start", watch: TrainingMonitor, gallery: Gallery | None, stacked: int) -> dict[str, Any]:
        """The fields of a finished record, of one of `stacked` seeds that were trained at once."""
        return self._scored(self._trained(start, watch, stacked=stacked), gallery)

    def _scored(self, cell: TrainedCell, gallery: Gallery | None) -> dict[str, Any]:
        """The test split is read here, once; of a trial it never is."""
        if self.spec.is_trial:
            return cell.fields
        return examine(cell, self.suite, self.spec, lambda: self.data("test"), gallery)

    def _trained(
        self, start: "Start", watch: TrainingMonitor, checkpoint: Checkpoint | None = None, stacked: int = 1
    ) -> TrainedCell:
        """Train the other members of an ensemble, select, and describe what was learned.

        Of `stacked` seeds that were trained at once each is put down for its part of the time.
        """
        sharing = effective_sharing(start.copies, self.model.copies())
        cosines = self._cosines(start.rows)
        matrices = {name: Packed.pack(m.float().cpu().numpy()) for name, m in self.model.matrices()}
        selection = watch.selector.chosen()
        members = [Member(self, watch)]
        for member in range(1, self.protocol.members):
            other = Run(self.spec, self.suite, self.method, member, self.ranks)
            members.append(Member(other, other._train(start.rows, checkpoint=checkpoint)))
        fields = {
            "tasks": self.model.reported,
            **(self._validated(watch, selection) if self.spec.is_trial else {}),
            "selection": selection,
            "cost": Cost(
                parameters=len(members) * sum(p.numel() for p in self.model.parameters() if p.requires_grad),
                forward_flops=len(members) * start.flops,
                step_ms=round(sum(member.watch.step_ms for member in members) / stacked, 4),
                train_seconds=round(sum(member.watch.seconds for member in members) / stacked, 3),
                peak_memory_mb=round(max(peak_memory_mb(self.device), checkpoint.peak_mb if checkpoint else 0.0), 1),
                hardware=hardware(self.device, self.protocol.devices, stacked),
            ),
            "data": self.suite.checksums(),
            "curves": watch.curves(),
            "matrices": matrices,
            "effective_sharing": sharing,
            "cosines": cosines,
        }
        chosen = [member.watch.selector.chosen() for member in members]
        tasks = self.model.reported
        epochs = {rule: {task: tuple(each[rule][task] for each in chosen) for task in tasks} for rule in selection}
        return Ensemble(fields, epochs, lambda each: predicting(at_epochs(members, each)), members=members)

    def _validated(self, watch: TrainingMonitor, selection: dict[str, dict[str, int]]) -> dict[str, Any]:
        """What a trial is judged by: the error of each task at the epoch that `val` keeps."""
        errors = {task: watch.errors[epoch - 1][task] for task, epoch in selection["val"].items()}
        return {"validation": {task: round(error, 9) for task, error in errors.items()}}

    def _cosines(self, rows: Dataset) -> Packed | None:
        """Of the task gradients after training; for a few tasks only, since each takes a backward pass."""
        if not 1 < len(self.model.tasks) <= COSINE_TASKS:
            return None
        order = Order(rows, self.protocol.batch_size, self.spec.seed)
        batches = (rows.take(order.batch(step)) for step in range(COSINE_BATCHES))
        found = task_cosines(self.model, batches, self.module.state)
        return None if found is None else Packed.pack(found.float().cpu().numpy())

    def _flops(self, rows: Dataset) -> int:
        inputs, _ = rows.take([torch.zeros(1, dtype=torch.long, device=self.device)] * len(rows.groups))
        self.model.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.model(inputs, self.module.state)
        self.model.train()
        return int(counter.get_total_flops())


@dataclass(frozen=True)
class Start:
    """The training rows, the copies of every coupled parameter before the first update, and the cost of a forward."""

    rows: Dataset
    copies: dict[str, Tensor]
    flops: int


@dataclass(frozen=True)
class Member:
    """A model that was trained, and what was seen on the way."""

    run: Run
    watch: TrainingMonitor

    def at(self, epoch: int) -> Predictor:
        """The model with the weights of an epoch that a rule chose."""
        kept = self.watch.selector.snapshot(epoch)
        self.run.model.load_state_dict(kept.weights)
        return self.run.model, kept.state


def at_epochs(members: Sequence[Member], epochs: Epochs) -> list[Predictor]:
    """Each member with the weights of its epoch."""
    return [member.at(epoch) for member, epoch in zip(members, epochs, strict=True)]


@dataclass(frozen=True)
class Ensemble(TrainedCell):
    """A trained cell whose models are in this process."""

    members: Sequence[Member] = ()


class Silent(Profiler):
    """Measures nothing, at less cost than a profiler that does so: Lightning asks it forty times an update."""

    nothing = nullcontext("")

    def profile(self, action_name: str) -> Any:
        return self.nothing

    def start(self, action_name: str) -> None:
        return

    def stop(self, action_name: str) -> None:
        return


def train(
    module: L.LightningModule, batches: Iterable[Any], watch: Callback, keeper: CheckpointCallback | None = None
) -> None:
    """Train a module that has a `protocol`, watched, on the batches of one epoch after the other.

    Of the epochs of the budget those are left out that `keeper` has from an earlier process.
    """
    protocol: Any = module.protocol
    epochs = protocol.epochs - (keeper.epochs if keeper else 0)
    if keeper and not epochs:
        keeper.resume()
        return
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Lightning advises workers and logging steps for loaders; these batches are in memory.
        warnings.filterwarnings("ignore", module="lightning.*")
        trainer = L.Trainer(
            accelerator="gpu" if protocol.device == "cuda" else "cpu",
            devices=[torch.cuda.current_device()] if protocol.device == "cuda" else 1,
            max_epochs=epochs,
            gradient_clip_val=protocol.clip_norm,
            callbacks=[watch, keeper] if keeper else [watch],
            plugins=[LightningEnvironment()],  # or the variables of a scheduler would be taken for a cluster's
            barebones=True,  # no logger, bars, checkpoints or summaries: records and curves are our own
            use_distributed_sampler=False,
        )
        trainer.profiler = Silent()  # type: ignore[attr-defined]
        trainer.fit(module, train_dataloaders=batches)
