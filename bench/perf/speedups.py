"""What each thing that makes a run fast is worth: the same work without and with it, alternately in one process.

Used by `mtlbench perf --effects` and for docs/performance.md. What was tried and not adopted is in
`benchmarks.alternatives`. The speedups:

channels last                       images lie in memory with a pixel's channels side by side
one thread a worker                 two workers of one thread instead of one of two
a trunk runs once for each input    tasks that read one tensor share one pass through the trunk
no waiting inside an update         losses are kept as tensors, their values are read later
evaluation in large batches         instead of batches of the training's size
rows in memory                      batches are indexed, instead of collected by a loader's processes
workers are copies of one process   forked after the imports, instead of started anew
"""

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

from bench.core.data import Batch, Dataset, Order, group_by_input
from bench.errors import DataMissing
from bench.perf.harness import alternate, prepare_block, time_bare_loop
from bench.training.environment import settle_devices
from bench.training.evaluate import evaluate
from bench.training.fit import Run
from bench.training.gradients import compute_losses

IMAGES = ("multimnist", "multidigits")  # suites whose updates are short, where overhead shows
MODULES = ("bench.training.fit",)  # what a worker imports
FORKS = "forkserver"  # start method under which workers are copies of one process; not on every system
BATCHES = 20  # that are timed together: one is over too soon for the clock
# Two functions that do a piece of work and return its milliseconds: without and with the speedup.
TimedPair = tuple[Callable[[], float], Callable[[], float]]


def measure_speedups(data_dir: Path, rounds: int = 9, suites: Sequence[str] = IMAGES) -> Iterator[dict[str, Any]]:
    """Yields one row per speedup and suite: milliseconds of a piece of work without and with it, and their ratio.

    Args:
        data_dir: Where data sets are; a suite without data is left out.
        rounds: Pairs of measurements, three at most for the start of a worker, which takes seconds.
        suites: Keys of `bench.perf.harness.BLOCK_UPDATES`.

    Sets torch to one thread, for the rest of the process too.
    """
    torch.set_num_threads(1)
    settle_devices()
    for suite in suites:
        with contextlib.suppress(DataMissing):
            for name, work, pair in _list_pairs(suite, data_dir):
                yield _measure(name, suite, work, pair, rounds)
    if FORKS in multiprocessing.get_all_start_methods():
        multiprocessing.set_forkserver_preload(list(MODULES))
        pair = partial(_time_start, "spawn"), partial(_time_start, FORKS)
        yield _measure(
            "workers are copies of one process", "any", "a worker, to the end of its imports", pair, min(rounds, 3)
        )


def _measure(name: str, suite: str, work: str, pair: TimedPair, rounds: int) -> dict[str, Any]:
    """One row in the shape of `perf --effects --json`, with the medians in milliseconds.

    `ratio` is with / without, below 1 where the speedup helps; `ratio_low` and `ratio_high` are its quartiles.
    """
    without, with_it, ratio, low, high = alternate(*pair, rounds)
    times = {"without_ms": without, "with_ms": with_it, "ratio": ratio, "ratio_low": low, "ratio_high": high}
    return {"effect": name, "suite": suite, "work": work, **times}


def _list_pairs(suite: str, data_dir: Path) -> Iterator[tuple[str, str, TimedPair]]:
    """Yields (speedup, the work that is timed, the work without and with it) for one suite."""
    fresh = prepare_block(suite, "hard", data_dir)
    plain, last = (
        prepare_block(suite, "hard", data_dir, memory_format=form) for form in ("contiguous", "channels_last")
    )
    yield "channels last", "an update of hard", (lambda: time_bare_loop(*plain()), lambda: time_bare_loop(*last()))
    run, rows = fresh()
    yield (
        "one thread a worker",
        "an update of hard, of two cores",
        (
            lambda: _run_with_threads(2, lambda: time_bare_loop(*fresh())),
            # Two workers of one thread each finish two updates meanwhile.
            lambda: time_bare_loop(*fresh()) / 2,
        ),
    )
    order = Order(rows, run.protocol.batch_size, 0)
    batches = [rows.take(order.batch(step)) for step in range(BATCHES)]
    # Copies of the inputs, so that no two tasks have the same tensor and the trunk runs for each of them.
    separate_inputs = [({task: x.clone() for task, x in inputs.items()}, targets) for inputs, targets in batches]
    yield (
        "a trunk runs once for each input",
        "forward and backward of hard",
        (
            lambda: _time_updates(run, separate_inputs),
            lambda: _time_updates(run, batches),
        ),
    )
    yield (
        "no waiting inside an update",
        "forward and backward of hard, losses kept",
        (
            # `item` waits for the value of a loss, `detach` does not.
            lambda: _time_updates(run, batches, torch.Tensor.item),
            lambda: _time_updates(run, batches, torch.Tensor.detach),
        ),
    )
    val = run.data("val")
    yield (
        "evaluation in large batches",
        "the validation split by hard",
        (
            lambda: _time_evaluation(run, val, run.protocol.batch_size),
            lambda: _time_evaluation(run, val),
        ),
    )
    loader = DataLoader(
        _build_table(rows), run.protocol.batch_size, shuffle=True, num_workers=2, persistent_workers=True
    )
    yield (
        "rows in memory",
        "a batch",
        (lambda: _time_batch(iter(loader)), lambda: _time_batch(_take_batches(rows, order))),
    )


def _run_with_threads(count: int, work: Callable[[], float]) -> float:
    """Call `work` with `count` torch threads, or as many as there are cores; one thread afterwards."""
    torch.set_num_threads(min(count, os.cpu_count() or 1))
    try:
        return work()
    finally:
        torch.set_num_threads(1)


def _time_updates(
    run: Run, batches: list[Batch], keep: Callable[[torch.Tensor], object] = torch.Tensor.detach
) -> float:
    """Mean milliseconds of a forward and a backward pass over `batches`; `keep` is called on every loss."""
    began = time.perf_counter()
    for batch in batches:
        losses = compute_losses(run.model, batch, run.module.state)
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        for loss in losses:
            keep(loss)
    return 1000 * (time.perf_counter() - began) / len(batches)


def _time_evaluation(run: Run, rows: Dataset, size: int | None = None) -> float:
    """Milliseconds of one evaluation of `rows`, in batches of `size` (default: the harness's own)."""
    began = time.perf_counter()
    evaluate([(run.model, run.module.state)], rows, size)
    return 1000 * (time.perf_counter() - began)


def _build_table(rows: Dataset) -> TensorDataset:
    """All rows as they are trained on, as a data set for a loader that takes them one by one.

    The tensors come first, one for each distinct input, then the targets of every task.
    """
    inputs, targets = next(rows.slices(rows.rows))
    return TensorDataset(*(x for x, _ in group_by_input(inputs)), *targets.values())


def _take_batches(rows: Dataset, order: Order) -> Iterator[Batch]:
    """Batches as the harness takes them: indexed from rows in memory."""
    return (rows.take(order.batch(step)) for step in range(10 * BATCHES))


def _time_batch(batches: Iterator[Any]) -> float:
    """Mean milliseconds until the next batch is there.

    Five batches before are not counted: a loader's workers had time to prepare them.
    """
    for _ in range(5):
        next(batches)
    began = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    return 1000 * (time.perf_counter() - began) / BATCHES


def _time_start(method: str) -> float:
    """Milliseconds from the start of a worker process, by a start method, to the end of its imports."""
    began = time.perf_counter()
    process = multiprocessing.get_context(method).Process(target=_import_modules)  # type: ignore[attr-defined]
    process.start()
    process.join()
    return 1000 * (time.perf_counter() - began)


def _import_modules() -> None:
    """What the started process does: the imports of a worker."""
    for name in MODULES:
        import_module(name)
