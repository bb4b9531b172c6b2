"""The harness against a bare loop: what Lightning, selection, constraints and bookkeeping cost per update.

Used by `mtlbench perf` and by the scripts in `benchmarks/`. Both loops run the same network on the same rows, device
and thread, in blocks that take turns in one process, so that a slow moment of the machine hits both.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.data import Dataset, Order
from bench.core.losses import compute_loss
from bench.errors import DataMissing, UsageError
from bench.planning.plan import list_supported_methods, parse_suite, plan
from bench.training.environment import settle_devices
from bench.training.fit import Run
from bench.training.trainer import train
from bench.training.watch import TrainingMonitor

# Updates of a block, per suite: enough for a median, and short enough that the load of the machine hardly changes
# between a block and its partner.
BLOCK_UPDATES = {"multimnist": 20, "multidigits": 100, "synthetic": 100, "scenes": 10, "nyuv2": 10}
REFERENCE = ("single_task", "hard", "cross_stitch", "soft+l2")  # one trunk, towers, towers that meet, towers held


def measure(
    data_dir: Path, methods: Sequence[str] = REFERENCE, suites: Sequence[str] = tuple(BLOCK_UPDATES), rounds: int = 9
) -> Iterator[dict[str, Any]]:
    """Yields one row per suite and method, in the shape of `perf --json`.

    Args:
        data_dir: Where data sets are; a suite without data is left out.
        methods: Methods; none means all that a suite supports.
        suites: Keys of BLOCK_UPDATES, with options.
        rounds: Pairs of blocks.

    Sets torch to one thread, for the rest of the process too.
    """
    torch.set_num_threads(1)
    settle_devices()
    for suite in suites:
        with contextlib.suppress(DataMissing):
            supported = list_supported_methods(suite, data_dir)
            # Only what is trained by updates has a time for one.
            for method in methods or [name for name in supported if not Method.parse(name).fits_itself]:
                yield compare_with_bare_loop(suite, method, data_dir, rounds)


def compare_with_bare_loop(suite_text: str, method: str, data_dir: Path, rounds: int) -> dict[str, Any]:
    """Bare and harness blocks of updates in turn.

    Returns a row with `bare_ms` and `harness_ms`, medians in milliseconds per update, and `ratio`, `ratio_low` and
    `ratio_high`, median and quartiles of harness / bare over the rounds.
    """
    fresh = prepare_block(suite_text, method, data_dir)
    run, _ = fresh()
    bare, harness, ratio, low, high = alternate(
        lambda: time_bare_loop(*fresh()), lambda: time_harness(*fresh()), rounds
    )
    return {
        "suite": parse_suite(run.spec.suite, data_dir)[0].short,
        "method": Method.parse(run.spec.method).short,
        "bare_ms": bare,
        "harness_ms": harness,
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
    }


def alternate(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[float, ...]:
    """Time two pieces of work in turn, the order swapped each round.

    One more round before them warms up caches and is not counted. Each function does its work and returns its time.

    Returns:
        The median of `first`, the median of `second`, the median of second / first by round, and the quartiles of that
        ratio; with one round the quartiles are the ratio itself.
    """
    pairs = []
    for number in range(rounds + 1):
        pair = (first(), second()) if number % 2 else (second(), first())[::-1]
        pairs += [pair] if number else []  # the first round warms caches up
    ratios = [b / a for a, b in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4) if rounds > 1 else ratios * 3
    # Of two rounds the quartiles would lie beyond both.
    low, high = max(low, min(ratios)), min(high, max(ratios))
    return (*(statistics.median(column) for column in zip(*pairs, strict=True)), middle, low, high)


def prepare_block(
    suite_text: str, method: str, data_dir: Path, version: int | None = None, **settings: str
) -> Callable[[], tuple[Run, Dataset]]:
    """A function that gives a fresh run of one block each time, with the training rows, which are read once.

    `version` is that of the suite's protocol, None for the current one; `settings` change it, as `--set` does; by
    default a block is one epoch of BLOCK_UPDATES updates.
    """
    updates = BLOCK_UPDATES[suite_text.partition(":")[0]]
    settings = {"epochs": "1", "steps_per_epoch": str(updates)} | settings
    if Method.parse(method).fits_itself:
        raise UsageError(f"`{method}` is fitted to all rows at once, and has no updates to measure.")
    [spec] = plan(suite_text, [method], [0], settings, device="cpu", data_dir=data_dir, version=version)
    _, suite = parse_suite(spec.suite, data_dir)
    rows = Run(spec, suite, Method.parse(spec.method)).data("train")
    return lambda: (Run(spec, suite, Method.parse(spec.method)), rows)


def time_harness(run: Run, rows: Dataset) -> float:
    """Median milliseconds of an update as a real run makes it, with Lightning and all callbacks.

    `run` should be fresh: it is trained for its whole budget, on `rows`.
    """
    watch = TrainingMonitor(run.module)
    train(run.module, run.batches(rows), watch)
    return watch.step_ms


def _compute_losses(run: Run, inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> list[Tensor]:
    """The loss of each task, in the order of the tasks: shared features, then a head per task.

    Written as a plain loop would be, without the harness's own function, which is part of what is timed.
    """
    model = run.model
    features = model.sharing(inputs, run.module.state)
    predictions = [model.heads[task.name](features[task.name]) for task in model.tasks]
    return [
        compute_loss(task.loss, prediction, targets[task.name], partly_labelled=False)
        for task, prediction in zip(model.tasks, predictions, strict=True)
    ]


def time_bare_loop(run: Run, rows: Dataset) -> float:
    """Median milliseconds of an update in a plain loop: gather, forward, losses, backward, Adam or SGD.

    It has no prox of a constraint, no weighting and no bookkeeping. Where the weighting needs them, it makes one
    backward pass per task or a second forward pass, since any implementation has to.
    """
    model, protocol = run.model, run.protocol
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[protocol.optimiser]
    optimiser = kind(model.parameters(), lr=protocol.lr, fused=True)  # type: ignore[operator]
    order = Order(rows, protocol.batch_size, run.spec.seed)
    permutations = [torch.randperm(len(tensor)) for tensor, _ in rows.groups]
    shared = len(rows.groups) == 1 and rows.transform is None
    augment = torch.Generator().manual_seed(0) if rows.transform else None
    times = []
    for step in range(protocol.updates):
        began = time.perf_counter()
        index = [p[step * n % (len(p) - n + 1) :][:n] for p, n in zip(permutations, order.shares, strict=True)]
        if shared:
            x = rows.groups[0][0][index[0]]
            inputs = {task.name: x for task in model.tasks}
            targets = {task.name: rows.targets[task.name][index[0]] for task in model.tasks}
        else:
            inputs, targets = rows.take(index, augment)
        losses = _compute_losses(run, inputs, targets)
        optimiser.zero_grad()
        if model.weighting.needs_gramian:  # as many backward passes as there are tasks
            for loss in losses:
                torch.autograd.backward(loss, retain_graph=True)
        else:
            torch.autograd.backward(torch.stack(losses).sum())
        optimiser.step()
        if model.weighting.needs_second_forward:
            with torch.no_grad():
                _compute_losses(run, inputs, targets)
        times.append(time.perf_counter() - began)
    # The first tenth is left out: memory is allocated and kernels are chosen there.
    return 1000 * statistics.median(times[len(times) // 10 :])
