"""The harness against a bare loop: what Lightning, selection, constraints and bookkeeping cost per update."""

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
from bench.errors import DataMissing
from bench.planning.plan import all_methods, parse_suite, plan
from bench.training.batches import Batches
from bench.training.environment import settle_devices
from bench.training.fit import Run
from bench.training.trainer import train
from bench.training.watch import TrainingMonitor

BLOCK_UPDATES = {"multimnist": 20, "multidigits": 100, "synthetic": 100, "scenes": 10, "nyuv2": 10}  # updates per block
REFERENCE = ("single_task", "hard", "cross_stitch", "soft+l2")  # one trunk, towers, towers that meet, towers held


def measure(
    data_dir: Path, methods: Sequence[str] = REFERENCE, suites: Sequence[str] = tuple(BLOCK_UPDATES), rounds: int = 9
) -> Iterator[dict[str, Any]]:
    """One row per suite and method (none means all that the suite supports), in the shape of `perf --json`.

    A suite without data is left out.
    """
    torch.set_num_threads(1)
    settle_devices()
    for suite in suites:
        with contextlib.suppress(DataMissing):
            for method in methods or all_methods(suite, data_dir):
                yield compare_with_bare_loop(suite, method, data_dir, rounds)


def compare_with_bare_loop(suite_text: str, method: str, data_dir: Path, rounds: int) -> dict[str, Any]:
    """Bare and harness blocks of updates in turn; medians over the rounds, quartiles of the ratio."""
    fresh = prepare_block(suite_text, method, data_dir)
    run, _ = fresh()
    bare, harness, ratio, low, high = alternate(lambda: bare_ms(*fresh()), lambda: harness_ms(*fresh()), rounds)
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
    """Both in turn, the order swapped each round: medians, and median and quartiles of second / first by round."""
    pairs = []
    for number in range(rounds + 1):
        pair = (first(), second()) if number % 2 else (second(), first())[::-1]
        pairs += [pair] if number else []  # the first round warms caches up
    ratios = [b / a for a, b in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4) if rounds > 1 else ratios * 3
    return (*(statistics.median(column) for column in zip(*pairs, strict=True)), middle, low, high)


def prepare_block(suite_text: str, method: str, data_dir: Path, **settings: str) -> Callable[[], tuple[Run, Dataset]]:
    """A function that gives a fresh run of one block each time, with the training rows, which are read once."""
    updates = BLOCK_UPDATES[suite_text.partition(":")[0]]
    settings = {"epochs": "1", "steps_per_epoch": str(updates)} | settings
    [spec] = plan(suite_text, [method], [0], settings, device="cpu", data_dir=data_dir)
    _, suite = parse_suite(spec.suite, data_dir)
    rows = Run(spec, suite, Method.parse(spec.method)).data("train")
    return lambda: (Run(spec, suite, Method.parse(spec.method)), rows)


def harness_ms(run: Run, rows: Dataset) -> float:
    """Median milliseconds of an update as a real run makes it."""
    watch = TrainingMonitor(run.module)
    train(run.module, Batches(rows, run.protocol, run.spec.seed), watch)
    return watch.step_ms


def _losses(run: Run, inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> list[Tensor]:
    model = run.model
    features = model.sharing(inputs, run.module.state)
    return [task.loss(model.heads[task.name](features[task.name]), targets[task.name]) for task in model.tasks]


def bare_ms(run: Run, rows: Dataset) -> float:
    """Median milliseconds of an update in a plain loop: gather, forward, losses, backward, Adam or SGD.

    With one backward pass per task, or a second forward pass, where the weighting needs them.
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
        losses = _losses(run, inputs, targets)
        optimiser.zero_grad()
        if model.weighting.needs_gramian:  # as many backward passes as there are tasks
            for loss in losses:
                torch.autograd.backward(loss, retain_graph=True)
        else:
            torch.autograd.backward(torch.stack(losses).sum())
        optimiser.step()
        if model.weighting.needs_second_forward:
            with torch.no_grad():
                _losses(run, inputs, targets)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times[len(times) // 10 :])
