"""Stacked training of several seeds and learning rates of one method, with one record for each.

The counterpart of `bench.training.fit.fit` for workers that are given a stack of seeds.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from bench.core.data import Batch
from bench.core.resident import ResidentRows
from bench.records import ResultRecord, RunSpec
from bench.training.batches import Batches
from bench.training.environment import strip_paths
from bench.training.fit import Run, fit
from bench.training.gallery import Gallery
from bench.training.kept_model import ModelKeeper
from bench.training.load import load_run
from bench.training.stacked.stack import CannotStack, StackedModule
from bench.training.trainer import train
from bench.training.watch import OnEpoch, TrainingMonitor


def fit_stacked(
    specs: Sequence[RunSpec],
    data_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    galleries: Sequence[Gallery | None] | None = None,
    rows: ResidentRows | None = None,
    keepers: Sequence[ModelKeeper | None] | None = None,
    probed: bool = False,
) -> list[ResultRecord]:
    """The records of specifications that differ in their seed and learning rate alone, trained as one stack.

    Each record equals the one of `fit` up to rounding, with its own selection, scores and curves; `cost` is a share
    of the stack's. Where anything goes wrong, as where a large rate diverges, each rate is a stack of its own, and of
    one rate the seeds are trained one after the other, with the reason on standard error: a run that fails must not
    fail the others.

    Args:
        specs: differ in `seed` and the protocol's `lr` only.
        data_dir: where downloaded data lives.
        on_epoch: is called after every epoch of the stack.
        galleries: one per specification, or None where no panels are wanted.
        rows: the data, where a runner has read it already.
        keepers: one per specification, or None where no models are kept.
        probed: as in `fit`, of every record.
    """
    each: list[Gallery | None] = list(galleries) if galleries else [None] * len(specs)
    kept: list[ModelKeeper | None] = list(keepers) if keepers else [None] * len(specs)
    if len(specs) > 1:
        try:
            return _fit_as_stack(specs, data_dir, on_epoch, each, rows, kept, probed)
        except Exception as error:
            reason = strip_paths(str(error)).split("\n")[0] or type(error).__name__
            rates: dict[float, list[int]] = {}
            for place, spec in enumerate(specs):
                rates.setdefault(spec.protocol.lr, []).append(place)
            what = "seeds" if len(rates) == 1 else "learning rates"
            print(f"The {what} of `{specs[0].method}` are trained one after the other: {reason}", file=sys.stderr)
            if len(rates) > 1:
                records: dict[int, ResultRecord] = {}
                for places in rates.values():
                    own = [specs[at] for at in places], [each[at] for at in places], [kept[at] for at in places]
                    fitted = fit_stacked(own[0], data_dir, on_epoch, own[1], rows, own[2], probed)
                    records |= dict(zip(places, fitted, strict=True))
                return [records[at] for at in range(len(specs))]
    return [
        fit(spec, data_dir, on_epoch, gallery, rows=rows, keeper=keeper, probed=probed)
        for spec, gallery, keeper in zip(specs, each, kept, strict=True)
    ]


def _fit_as_stack(
    specs: Sequence[RunSpec],
    data_dir: Path | None,
    on_epoch: OnEpoch | None,
    galleries: Sequence[Gallery | None],
    rows: ResidentRows | None,
    keepers: Sequence[ModelKeeper | None],
    probed: bool = False,
) -> list[ResultRecord]:
    """As `fit_stacked`, without the fallback. Raises CannotStack for specifications or methods that do not stack."""
    if len({spec.stack_key for spec in specs}) > 1:
        raise CannotStack("The runs of a stack should differ in their seed and learning rate alone.")
    if specs[0].protocol.members > 1 or specs[0].protocol.devices > 1:
        raise CannotStack("A stack should be of single models on one device.")
    if specs[0].protocol.noised:
        raise CannotStack("Signs of gradients are drawn for each run by itself.")
    parts = [load_run(spec, data_dir, rows) for spec in specs]
    if parts[0][1].is_full_batch(specs[0].protocol):
        raise CannotStack("Runs that are fitted to all rows at once have no steps to stack.")
    runs = [Run(spec, suite, method, probed=probed) for spec, (suite, method, _) in zip(specs, parts, strict=True)]
    starts = [run.start(settle=not number) for number, run in enumerate(runs)]
    # Epochs are reported once, by the first seed.
    watches = [run.watch(None if number else on_epoch) for number, run in enumerate(runs)]
    module = StackedModule([run.module for run in runs])
    batches = [run.batches(start.rows) for run, start in zip(runs, starts, strict=True)]
    train(module, StackedBatches(batches), Watches(watches))
    return [
        record.model_copy(update=run.score(run.describe(start, watch, stacked=len(specs)), gallery, keeper)).seal()
        for (_, _, record), run, start, watch, gallery, keeper in zip(
            parts, runs, starts, watches, galleries, keepers, strict=True
        )
    ]


class StackedBatches:
    """An iterable of lists with the batch of every seed at one update; one pass is an epoch."""

    def __init__(self, each: Sequence[Batches]) -> None:
        self.each = each

    def __len__(self) -> int:
        return len(self.each[0])

    def __iter__(self) -> Iterator[list[Batch]]:
        yield from map(list, zip(*self.each, strict=True))


class Watches(Callback):
    """One training monitor per seed, in one callback.

    Monitors evaluate one after the other; none counts the time that another takes.
    """

    def __init__(self, each: Sequence[TrainingMonitor]) -> None:
        self.each = each

    def on_train_epoch_start(self, *arguments: Any) -> None:
        """Start every clock."""
        for watch in self.each:
            watch.on_train_epoch_start(*arguments)

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Note the time of the update, which is one for all seeds."""
        for watch in self.each:
            watch.on_train_batch_end(*arguments)

    def on_train_epoch_end(self, *arguments: Any) -> None:
        """Let every monitor evaluate its seed."""
        began = time.perf_counter()
        # Each is told how long those before it have taken since training stopped.
        for watch in self.each:
            watch.pause(time.perf_counter() - began)
            watch.on_train_epoch_end(*arguments)
