"""One run: from a RunSpec to a ResultRecord."""

import gc
import logging
import traceback
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.profilers import Profiler
from torch.utils.flop_counter import FlopCounterMode

from bench.core.data import Dataset, Order
from bench.core.resident import Rows
from bench.core.suite import Suite
from bench.method import Method
from bench.plan import parse_suite, under
from bench.records import Cost, Failure, Packed, ResultRecord, RunSpec, derive_seed
from bench.scores import score
from bench.training.environment import (
    hardware,
    peak_memory_mb,
    reset_peak_memory,
    settle_devices,
    versions,
    without_paths,
)
from bench.training.evaluate import Predictor, evaluate
from bench.training.gallery import Gallery
from bench.training.gradients import task_cosines
from bench.training.model import MultiTaskModel, lay_out
from bench.training.module import Batches, MultiTaskModule
from bench.training.sharing import effective_sharing
from bench.training.watch import OnEpoch, Watch


def fit(
    spec: RunSpec,
    data_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    gallery: Gallery | None = None,
    rows: Rows | None = None,
) -> ResultRecord:
    """Train and score one cell. What goes wrong becomes a failed record; only an interrupt is raised.

    `on_epoch(done, epochs)` is called after every epoch; a `gallery` is filled; `rows` were read already.
    """
    choice, suite = parse_suite(spec.suite, data_dir)
    if rows is not None:
        rows.serve(suite)
    method = Method.parse(spec.method)
    record = ResultRecord(
        run_id=spec.run_id,
        suite=choice.short,
        method=method.short,
        spec=spec,
        status="done",
        environment=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    try:
        return record.model_copy(
            update=Run(spec, under(suite, spec.protocol), method).result(on_epoch, gallery)
        ).sealed()
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        failure = Failure(
            type=type(error).__name__,
            message=without_paths(str(error))[:500],
            where=f"{Path(frame.filename).stem}.{frame.name}, line {frame.lineno}",
        )
        return record.model_copy(update={"status": "failed", "error": failure}).sealed()


COSINE_BATCHES, COSINE_TASKS = 8, 10  # batches that are looked at; tasks, at most


class Run:
    """Everything one cell needs, set up in the order that makes it repeatable: seed, model, data.

    `member` counts the models of an ensemble: each has weights and batches of its own, on the data of the seed.
    """

    def __init__(self, spec: RunSpec, suite: Suite, method: Method, member: int = 0) -> None:
        self.spec, self.suite, self.method, self.protocol = spec, suite, method, spec.protocol
        self.seed = derive_seed(spec.seed, "member", member) if member else spec.seed
        self.device = torch.device(self.protocol.device)
        self.dtype = torch.float64 if self.protocol.precision == "float64" else torch.float32
        self.format = torch.channels_last if self.protocol.memory_format == "channels_last" else torch.contiguous_format
        torch.manual_seed(derive_seed(self.seed, "train"))
        self.model = MultiTaskModel(suite, method, self.protocol, self.seed)
        self.model.to(self.device, self.dtype)
        lay_out(self.model, self.format)
        self.module = MultiTaskModule(self.model, self.protocol, self.seed)

    def data(self, split: Any) -> Dataset:
        """A split, where and as the model needs it."""
        rows = self.suite.dataset(split, self.spec.seed)
        if split == "train" and self.protocol.shuffled:
            rows = rows.shuffled(self.protocol.shuffled, self.spec.seed)
        return rows.to(self.device, self.dtype, self.format)

    def result(self, on_epoch: OnEpoch | None = None, gallery: Gallery | None = None) -> dict[str, Any]:
        """Train, select, then read the test split once; the fields of a finished record."""
        settle_devices()
        gc.collect()  # an earlier run of this process is not this one's memory
        reset_peak_memory(self.device)
        rows = self.data("train")
        start = self.model.copies()
        flops = self._flops(rows)
        watch = self._train(rows, on_epoch)
        sharing = effective_sharing(start, self.model.copies())
        cosines = self._cosines(rows)
        matrices = {name: Packed.pack(m.float().cpu().numpy()) for name, m in self.model.matrices()}
        selection = watch.selector.chosen()
        members = [Trained(self, watch)]
        for member in range(1, self.protocol.members):
            other = Run(self.spec, self.suite, self.method, member)
            members.append(Trained(other, other._train(rows)))
        return {
            "tasks": [task.name for task in self.model.tasks],
            **(self._validated(watch, selection) if self.spec.is_trial else self._tested(members, selection, gallery)),
            "selection": selection,
            "cost": Cost(
                parameters=len(members) * sum(p.numel() for p in self.model.parameters() if p.requires_grad),
                forward_flops=len(members) * flops,
                step_ms=round(sum(trained.watch.step_ms for trained in members), 4),
                train_seconds=round(sum(trained.watch.seconds for trained in members), 3),
                peak_memory_mb=round(peak_memory_mb(self.device), 1),
                hardware=hardware(self.device),
            ),
            "data": self.suite.checksums(),
            "curves": watch.curves(),
            "matrices": matrices,
            "effective_sharing": sharing,
            "cosines": cosines,
        }

    def _validated(self, watch: Watch, selection: dict[str, dict[str, int]]) -> dict[str, Any]:
        """What a trial is judged by: the error of each task at the epoch that `val` keeps."""
        errors = {task: watch.errors[epoch - 1][task] for task, epoch in selection["val"].items()}
        return {"validation": {task: round(error, 9) for task, error in errors.items()}}

    def _train(self, rows: Dataset, on_epoch: OnEpoch | None = None) -> Watch:
        """Train on `rows`, watched on validation."""
        watch = Watch(self.module, self.data("val") if "val" in self.protocol.splits else None, on_epoch)
        train(self.module, Batches(rows, self.protocol, self.seed), watch)
        return watch

    def _tested(
        self, members: "list[Trained]", selection: dict[str, dict[str, int]], gallery: Gallery | None
    ) -> dict[str, Any]:
        states, kinds = self._test(members, selection, gallery), self.protocol.metrics
        scores = {rule: {t: score(kinds[t], s) for t, s in tasks.items()} for rule, tasks in states.items()}
        return {"statistics": states, "scores": scores}

    def _test(
        self, members: "list[Trained]", selection: dict[str, dict[str, int]], gallery: Gallery | None
    ) -> dict[str, dict[str, Any]]:
        """rule -> task -> statistics on the test split, which is read here and nowhere else."""
        test, tasks = self.data("test"), [task.name for task in self.model.tasks]
        chosen = [trained.watch.selector.chosen() for trained in members]
        epochs = {rule: {task: tuple(each[rule][task] for each in chosen) for task in tasks} for rule in selection}
        shown = epochs.get("val", epochs["last"])
        by_epochs = {}
        for each in {each for of_task in epochs.values() for each in of_task.values()}:
            models = [trained.at(epoch) for trained, epoch in zip(members, each, strict=True)]
            by_epochs[each] = evaluate(models, test)
            if gallery:
                gallery.look(models, test, [task for task, at in shown.items() if at == each])
        if gallery:
            gallery.draw(self.suite, test)
        return {rule: {t: by_epochs[each][t] for t, each in of_task.items()} for rule, of_task in epochs.items()}

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
class Trained:
    """A model that was trained, and what was seen on the way."""

    run: Run
    watch: Watch

    def at(self, epoch: int) -> Predictor:
        """The model with the weights of an epoch that a rule chose."""
        kept = self.watch.selector.snapshot(epoch)
        self.run.model.load_state_dict(kept.weights)
        return self.run.model, kept.state


class Silent(Profiler):
    """Measures nothing, at less cost than a profiler that does so: Lightning asks it forty times an update."""

    nothing = nullcontext("")

    def profile(self, action_name: str) -> Any:
        return self.nothing

    def start(self, action_name: str) -> None:
        return

    def stop(self, action_name: str) -> None:
        return


def train(module: MultiTaskModule, batches: Batches, watch: Watch) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Lightning advises workers and logging steps for loaders; these batches are in memory.
        warnings.filterwarnings("ignore", module="lightning.*")
        trainer = L.Trainer(
            accelerator="gpu" if module.protocol.device == "cuda" else "cpu",
            devices=1,
            max_epochs=module.protocol.epochs,
            gradient_clip_val=module.protocol.clip_norm,
            callbacks=[watch],
            barebones=True,  # no logger, bars, checkpoints or summaries: records and curves are our own
            use_distributed_sampler=False,
        )
        trainer.profiler = Silent()  # type: ignore[attr-defined]
        trainer.fit(module, train_dataloaders=batches)
