"""What each thing that makes a run fast is worth: the same work without and with it, alternately in one process."""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from bench.core.data import Batch, Dataset, Order, by_input
from bench.errors import DataMissing
from bench.perf.harness import alternate, bare_ms, prepare_block
from bench.training.environment import settle_devices
from bench.training.evaluate import evaluate
from bench.training.fit import Run
from bench.training.gradients import compute_losses

IMAGES = ("multimnist", "multidigits")
MODULES = ("bench.training.fit",)
FORKS = "forkserver"
BATCHES = 20
TimedPair = tuple[Callable[[], float], Callable[[], float]]


def effects(data_dir: Path, rounds: int = 9, suites: Sequence[str] = IMAGES) -> Iterator[dict[str, Any]]:
    """One row per effect and suite: milliseconds of a piece of work without and with it, and their ratio.

    A suite without data is left out.
    """
    torch.set_num_threads(1)
    settle_devices()
    for suite in suites:
        with contextlib.suppress(DataMissing):
            for name, work, pair in _pairs(suite, data_dir):
                yield _row(name, suite, work, pair, rounds)
    if FORKS in multiprocessing.get_all_start_methods():
        multiprocessing.set_forkserver_preload(list(MODULES))
        pair = partial(_start_ms, "spawn"), partial(_start_ms, FORKS)
        yield _row(
            "workers are copies of one process", "any", "a worker, to the end of its imports", pair, min(rounds, 3)
        )


def _row(name: str, suite: str, work: str, pair: TimedPair, rounds: int) -> dict[str, Any]:
    without, with_it, ratio, low, high = alternate(*pair, rounds)
    times = {"without_ms": without, "with_ms": with_it, "ratio": ratio, "ratio_low": low, "ratio_high": high}
    return {"effect": name, "suite": suite, "work": work, **times}


def _pairs(suite: str, data_dir: Path) -> Iterator[tuple[str, str, TimedPair]]:
    """(effect, the work that is timed, the work without and with it)."""
    fresh = prepare_block(suite, "hard", data_dir)
    plain, last = (
        prepare_block(suite, "hard", data_dir, memory_format=form) for form in ("contiguous", "channels_last")
    )
    yield "channels last", "an update of hard", (lambda: bare_ms(*plain()), lambda: bare_ms(*last()))
    run, rows = fresh()
    yield (
        "one thread a worker",
        "an update of hard, of two cores",
        (
            lambda: _with_threads(2, lambda: bare_ms(*fresh())),
            lambda: bare_ms(*fresh()) / 2,
        ),
    )
    order = Order(rows, run.protocol.batch_size, 0)
    batches = [rows.take(order.batch(step)) for step in range(BATCHES)]
    parted = [({task: x.clone() for task, x in inputs.items()}, targets) for inputs, targets in batches]
    yield (
        "a trunk runs once for each input",
        "forward and backward of hard",
        (
            lambda: _updates_ms(run, parted),
            lambda: _updates_ms(run, batches),
        ),
    )
    yield (
        "no waiting inside an update",
        "forward and backward of hard, losses kept",
        (
            lambda: _updates_ms(run, batches, torch.Tensor.item),
            lambda: _updates_ms(run, batches, torch.Tensor.detach),
        ),
    )
    val = run.data("val")
    yield (
        "evaluation in large batches",
        "the validation split by hard",
        (
            lambda: _evaluation_ms(run, val, run.protocol.batch_size),
            lambda: _evaluation_ms(run, val),
        ),
    )
    loader = DataLoader(_table(rows), run.protocol.batch_size, shuffle=True, num_workers=2, persistent_workers=True)
    yield "rows in memory", "a batch", (lambda: _batch_ms(iter(loader)), lambda: _batch_ms(_taken(rows, order)))


def _with_threads(count: int, work: Callable[[], float]) -> float:
    """`work` with so many threads, no more than there are cores."""
    torch.set_num_threads(min(count, os.cpu_count() or 1))
    try:
        return work()
    finally:
        torch.set_num_threads(1)


def _updates_ms(run: Run, batches: list[Batch], keep: Callable[[torch.Tensor], object] = torch.Tensor.detach) -> float:
    """Mean milliseconds of a forward and a backward pass; `keep` is called on every loss."""
    began = time.perf_counter()
    for batch in batches:
        losses = compute_losses(run.model, batch, run.module.state)
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        for loss in losses:
            keep(loss)
    return 1000 * (time.perf_counter() - began) / len(batches)


def _evaluation_ms(run: Run, rows: Dataset, size: int | None = None) -> float:
    began = time.perf_counter()
    evaluate([(run.model, run.module.state)], rows, size)
    return 1000 * (time.perf_counter() - began)


def _table(rows: Dataset) -> TensorDataset:
    """All rows as they are trained on, for a loader that takes them one by one."""
    inputs, targets = next(rows.slices(rows.rows))
    return TensorDataset(*(x for x, _ in by_input(inputs)), *targets.values())


def _taken(rows: Dataset, order: Order) -> Iterator[Batch]:
    return (rows.take(order.batch(step)) for step in range(10 * BATCHES))


def _batch_ms(batches: Iterator[Any]) -> float:
    """Mean milliseconds until the next batch is there, after those that workers had time to prepare."""
    for _ in range(5):
        next(batches)
    began = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    return 1000 * (time.perf_counter() - began) / BATCHES


def _start_ms(method: str) -> float:
    """From the start of a worker process to the end of its imports."""
    began = time.perf_counter()
    process = multiprocessing.get_context(method).Process(target=_import)  # type: ignore[attr-defined]
    process.start()
    process.join()
    return 1000 * (time.perf_counter() - began)


def _import() -> None:
    for name in MODULES:
        import_module(name)
