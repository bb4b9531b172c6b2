"""One run: from its specification to its record. The model is trained by `MultiTaskModule`."""

import gc
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.resident import ResidentRows
from bench.core.suite import Suite
from bench.errors import Diverged
from bench.planning.plan import parse_suite, suite_under_protocol
from bench.records import Failure, ResultRecord, RunSpec, derive_seed
from bench.training.batches import Batches
from bench.training.checkpoint import Checkpoint, CheckpointCallback, DoesNotFit
from bench.training.devices.peers import launch_workers
from bench.training.devices.ranks import Ranks
from bench.training.environment import reset_peak_memory, settle_devices, settle_precision, versions, without_paths
from bench.training.examine import examine
from bench.training.full_batch.prepare import prepare_full_batch_run
from bench.training.gallery import Gallery
from bench.training.learned import Ensemble, Member, Start, count_flops, describe_ensemble, describe_learned_sharing
from bench.training.model import MultiTaskModel, lay_out
from bench.training.module import MultiTaskModule
from bench.training.rows import memory_format_of, read_split
from bench.training.trainer import train
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

    Args:
        on_epoch: called as `on_epoch(done, epochs)` after every epoch.
        gallery: filled with panels of test images.
        checkpoint: where the run keeps its state, and resumes from.
        rows: the suite's data, where it was read already.
    """
    suite, method, record = load_run(spec, data_dir, rows)
    try:
        if spec.protocol.fit == "solver":
            fitted = prepare_full_batch_run(spec, suite, method)
            fields = examine(fitted.train(on_epoch), suite, spec, lambda: fitted.data("test"), gallery)
            return record.model_copy(update=fields).sealed()
        with launch_workers(spec, data_dir) as ranks:
            run = Run(spec, suite, method, ranks=ranks)
            kept = None if ranks else checkpoint  # of one process; the others would have to go back with it
            return record.model_copy(update=run.result(on_epoch, gallery, kept)).sealed()
    except Exception as error:
        if checkpoint and isinstance(error, Diverged):
            checkpoint.discard()  # it would go on to the same end
        frame = traceback.extract_tb(error.__traceback__)[-1]
        failure = Failure(
            type=type(error).__name__,
            message=without_paths(str(error))[:500],
            where=f"{Path(frame.filename).stem}.{frame.name}, line {frame.lineno}",
        )
        return record.model_copy(update={"status": "failed", "error": failure}).sealed()


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


class Run:
    """Everything one cell needs, set up in the order that makes it repeatable: seed, model, data.

    `member` counts the models of an ensemble: each has weights and batches of its own, on the data of the seed.
    `ranks` are given where this process is one of several that train it.
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

    def result(
        self, on_epoch: OnEpoch | None = None, gallery: Gallery | None = None, checkpoint: Checkpoint | None = None
    ) -> dict[str, Any]:
        """Train, select, then read the test split once; the fields of a finished record."""
        return self.score(self.train(on_epoch, checkpoint), gallery)

    def train(self, on_epoch: OnEpoch | None = None, checkpoint: Checkpoint | None = None) -> Ensemble:
        """Train and select; nothing has read the test split."""
        if checkpoint:
            checkpoint.open(self.spec)
        start = self.start()
        try:
            watch = self.train_on(start.rows, on_epoch, checkpoint)
            return self.describe(start, watch, checkpoint)
        except DoesNotFit:
            return Run(self.spec, self.suite, self.method, self.member, self.ranks).train(on_epoch, checkpoint)

    def train_on(
        self, rows: Dataset, on_epoch: OnEpoch | None = None, checkpoint: Checkpoint | None = None
    ) -> TrainingMonitor:
        """Train on `rows`, watched on the validation split; the monitor has curves and the weights of epochs."""
        watch = self.watch(on_epoch)
        keeper = CheckpointCallback(checkpoint, self.member, watch) if checkpoint else None
        train(self.module, self.batches(rows, keeper.epochs if keeper else 0), watch, keeper)
        return watch

    def start(self) -> Start:
        """What is read and measured before the first update."""
        settle_devices()
        gc.collect()  # an earlier run of this process is not this one's memory
        reset_peak_memory(self.device)
        rows = self.data("train")
        return Start(rows, self.model.copies(), count_flops(self.model, self.module.state, rows, self.device))

    def data(self, split: Any) -> Dataset:
        """A split, where and as the model needs it."""
        return read_split(self.suite, self.spec, split)

    def watch(self, on_epoch: OnEpoch | None = None) -> TrainingMonitor:
        """A monitor on the validation split, where the suite has one."""
        return TrainingMonitor(self.module, self.data("val") if "val" in self.protocol.splits else None, on_epoch)

    def batches(self, rows: Dataset, epochs: int = 0) -> Batches:
        """The batches of the training rows, in the order of the seed, after so many epochs."""
        return Batches(rows, self.protocol, self.seed, epochs * self.protocol.steps_per_epoch)

    def describe(
        self, start: Start, watch: TrainingMonitor, checkpoint: Checkpoint | None = None, stacked: int = 1
    ) -> Ensemble:
        """The trained cell of this model, one of `stacked` seeds, and of the further members, trained here."""
        learned = describe_learned_sharing(self.model, self.module.state, start, self.spec)
        members = [Member(self.model, watch)]
        for number in range(1, self.protocol.members):
            other = Run(self.spec, self.suite, self.method, number, self.ranks)
            members.append(Member(other.model, other.train_on(start.rows, checkpoint=checkpoint)))
        return describe_ensemble(members, self.spec, start, learned, self.suite.checksums(), checkpoint, stacked)

    def score(self, cell: Ensemble, gallery: Gallery | None = None) -> dict[str, Any]:
        """The fields of a finished record. The test split is read here, once; of a trial it never is."""
        if self.spec.is_trial:
            return cell.fields
        return examine(cell, self.suite, self.spec, lambda: self.data("test"), gallery)
