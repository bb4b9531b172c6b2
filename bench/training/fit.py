"""One run: from its specification to its record. The model is trained by `MultiTaskModule`.

Execution calls `fit` in a worker process, once per cell. Nothing here stores a record or knows of other cells.
"""

import gc
from pathlib import Path
from typing import Any

import torch

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.resident import ResidentRows
from bench.core.suite import Suite
from bench.errors import Diverged
from bench.loop.ranks import Ranks
from bench.records import ResultRecord, RunSpec, derive_seed
from bench.training.batches import Batches
from bench.training.checkpoint import Checkpoint, CheckpointCallback, DoesNotFit
from bench.training.devices.peers import launch_workers
from bench.training.environment import reset_peak_memory, settle_devices, settle_precision
from bench.training.examine import examine
from bench.training.full_batch.prepare import prepare_full_batch_run
from bench.training.gallery import Gallery
from bench.training.kept_model import ModelKeeper
from bench.training.learned import Ensemble, Member, Start, count_flops, describe_ensemble, describe_learned_sharing
from bench.training.load import describe_failure, load_run
from bench.training.model import MultiTaskModel, lay_out
from bench.training.module import MultiTaskModule
from bench.training.prober import Prober
from bench.training.rows import choose_memory_format, read_split
from bench.training.trainer import train
from bench.training.watch import OnEpoch, TrainingMonitor


def fit(
    spec: RunSpec,
    data_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    gallery: Gallery | None = None,
    checkpoint: Checkpoint | None = None,
    rows: ResidentRows | None = None,
    keeper: ModelKeeper | None = None,
    probed: bool = False,
) -> ResultRecord:
    """Train and score one cell. What goes wrong becomes a failed record; only an interrupt is raised.

    Args:
        spec: the specification, valid for its suite.
        data_dir: where downloaded data lives; a suite without downloads ignores it.
        on_epoch: called as `on_epoch(done, epochs)` after every epoch.
        gallery: filled with panels of test images.
        checkpoint: where the run keeps its state, and resumes from.
        rows: the suite's data, where it was read already.
        keeper: is given the trained model.
        probed: whether the record has what probes find; not of models that a solver fits, nor of several processes.

    Returns:
        A record of status `done`, or `failed` with type, message and place of the error, without absolute paths.
    """
    suite, method, record = load_run(spec, data_dir, rows)
    try:
        if method.is_full_batch(spec.protocol):
            fitted = prepare_full_batch_run(spec, suite, method)
            fields = examine(fitted.train(on_epoch), suite, spec, lambda: fitted.data("test"), gallery, keeper)
            return record.model_copy(update=fields).seal()
        with launch_workers(spec, data_dir) as ranks:
            run = Run(spec, suite, method, ranks=ranks, probed=probed and not ranks)
            kept = None if ranks else checkpoint  # a checkpoint has the state of one process only
            return record.model_copy(update=run.result(on_epoch, gallery, kept, keeper)).seal()
    except Exception as error:
        if checkpoint and isinstance(error, Diverged):
            checkpoint.discard()  # a resumed run would diverge again
        return describe_failure(record, error)


class Run:
    """One model of a cell and everything its training needs, set up in a fixed order: seed, model, data.

    Args:
        spec: the specification.
        suite: under the protocol of `spec`.
        method: of `spec`.
        member: number of the model in an ensemble: each has weights and batches of its own, on the data of the seed.
        ranks: given where this process is one of several that train the model.
        probed: whether probes look at the model as it trains.

    Raises:
        UsageError: the precision does not exist on the device, or a part refuses the suite.
    """

    def __init__(
        self,
        spec: RunSpec,
        suite: Suite,
        method: Method,
        member: int = 0,
        ranks: Ranks | None = None,
        probed: bool = False,
    ) -> None:
        self.spec, self.suite, self.method, self.protocol = spec, suite, method, spec.protocol
        self.member, self.ranks, self.probed = member, ranks, probed
        first = derive_seed(spec.seed, "restart", self.protocol.restart) if self.protocol.restart else spec.seed
        self.seed = derive_seed(first, "member", member) if member else first
        self.device = torch.device(self.protocol.device)
        self.dtype = settle_precision(self.protocol.precision, self.device)
        self.format = choose_memory_format(self.protocol)
        torch.manual_seed(derive_seed(self.seed, "train"))
        self.model = MultiTaskModel(suite, method, self.protocol, self.seed)
        self.model.to(self.device, self.dtype)
        lay_out(self.model, self.format)
        if ranks:
            self.model.join(ranks)
            if ranks.rank:  # or dropout would drop the same places in the rows of every process
                torch.manual_seed(derive_seed(self.seed, "train", ranks.rank))
        self.module = MultiTaskModule(self.model, self.protocol, self.seed)

    def result(
        self,
        on_epoch: OnEpoch | None = None,
        gallery: Gallery | None = None,
        checkpoint: Checkpoint | None = None,
        keeper: ModelKeeper | None = None,
    ) -> dict[str, Any]:
        """Train, select, then read the test split once; returns the fields of a finished record."""
        return self.score(self.train(on_epoch, checkpoint), gallery, keeper)

    def train(self, on_epoch: OnEpoch | None = None, checkpoint: Checkpoint | None = None) -> Ensemble:
        """Train all members and select epochs; the test split is not read.

        A checkpoint that turns out to be of another model is removed, and training starts anew, with a fresh model.
        """
        if checkpoint:
            checkpoint.open(self.spec)
        start = self.start()
        try:
            watch = self.train_on(start.rows, on_epoch, checkpoint)
            return self.describe(start, watch, checkpoint)
        except DoesNotFit:
            again = Run(self.spec, self.suite, self.method, self.member, self.ranks, self.probed)
            return again.train(on_epoch, checkpoint)

    def train_on(
        self, rows: Dataset, on_epoch: OnEpoch | None = None, checkpoint: Checkpoint | None = None
    ) -> TrainingMonitor:
        """Train on `rows`; returns the monitor, which has the curves and the weights of selectable epochs."""
        watch = self.watch(on_epoch)
        keeper = CheckpointCallback(checkpoint, self.member, watch) if checkpoint else None
        train(self.module, self.batches(rows, keeper.epochs if keeper else 0), watch, keeper)
        return watch

    def start(self, settle: bool = True) -> Start:
        """Read the training rows and measure the untrained model.

        settle: Whether the peak of memory is a fresh one; not of the further runs of a stack.
        """
        if settle:
            settle_devices()
            gc.collect()  # memory of earlier runs in this process should not count for this one
            reset_peak_memory(self.device)
        rows = self.data("train")
        return Start(rows, self.model.copies(), count_flops(self.model, self.module.state, rows, self.device))

    def data(self, split: Any) -> Dataset:
        """A split on the device of the model, in its type and memory format."""
        return read_split(self.suite, self.spec, split)

    def watch(self, on_epoch: OnEpoch | None = None) -> TrainingMonitor:
        """A monitor on the validation split, where the suite has one; before the first update."""
        val = self.data("val") if "val" in self.protocol.splits else None
        prober = None
        if self.probed:
            rows = self.data("train") if val is None else val
            prober = Prober(self.module, self.suite, self.spec, self.model.copies(), rows)
        return TrainingMonitor(self.module, val, on_epoch, prober)

    def batches(self, rows: Dataset, epochs: int = 0) -> Batches:
        """The batches of the training rows in the order of the seed, from the one after `epochs` epochs on.

        Tells the model which tasks lack labels among these rows.
        """
        self.model.partly_labelled = rows.partly_labelled
        return Batches(rows, self.protocol, self.seed, epochs * self.protocol.steps_per_epoch)

    def describe(
        self, start: Start, watch: TrainingMonitor, checkpoint: Checkpoint | None = None, stacked: int = 1
    ) -> Ensemble:
        """Train the further members of an ensemble, and return the trained cell of all.

        Args:
            start: measured before this model was trained.
            watch: the monitor of this model, which is trained.
            checkpoint: that the run was resumed from, and that the further members use.
            stacked: how many seeds were trained at once.
        """
        learned = describe_learned_sharing(self.model, self.module.state, start, self.spec)
        if watch.prober:
            learned["probes"] = watch.prober.conclude()
        members = [Member(self.model, watch)]
        for number in range(1, self.protocol.members):
            other = Run(self.spec, self.suite, self.method, number, self.ranks)
            members.append(Member(other.model, other.train_on(start.rows, checkpoint=checkpoint)))
        return describe_ensemble(members, self.spec, start, learned, self.suite.checksums(), checkpoint, stacked)

    def score(
        self, cell: Ensemble, gallery: Gallery | None = None, keeper: ModelKeeper | None = None
    ) -> dict[str, Any]:
        """The fields of a finished record. The test split is read here, once; of a trial it never is."""
        if self.spec.is_trial:
            return cell.fields
        return examine(cell, self.suite, self.spec, lambda: self.data("test"), gallery, keeper)
