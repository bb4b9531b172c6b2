"""How long an update of each method of a board takes beside the reference's, for `mtlbench perf --board`."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from bench.core.data import Dataset
from bench.perf.harness import alternate, prepare_block, time_harness
from bench.training.environment import settle_devices
from bench.training.fit import Run


@dataclass(frozen=True)
class UpdateTime:
    """The time of an update, with all that a run does in it, beside the reference's.

    method: as the board writes it.
    ms: its median, in milliseconds.
    ratio, low, high: the median and the quartiles of its time over that of the reference in the same round.
    processor, clock: seconds that its rounds took of the processor and on the clock.
    """

    method: str
    ms: float
    ratio: float
    low: float
    high: float
    processor: float
    clock: float


def time_methods(
    suite: str, methods: Sequence[str], reference: str, data_dir: Path, rounds: int, version: int | None = None
) -> Iterator[UpdateTime]:
    """Yields the time of each of `methods` and of the reference, which is timed beside itself: 1 but for noise.

    Blocks of the method and of the reference take turns in this process, on one thread of the CPU; torch keeps that for
    the rest of the process.

    Args:
        suite: a key of `bench.perf.harness.BLOCK_UPDATES`, with options.
        methods: of the board.
        reference: of the board.
        data_dir: where data sets are.
        rounds: pairs of blocks for each method.
        version: of the suite's protocol; None for the current one.

    Raises:
        UsageError: a method is unknown, or the suite does not support it.
        DataMissing: the data is not there.
    """
    torch.set_num_threads(1)
    settle_devices()
    beside = prepare_block(suite, reference, data_dir, version)
    for method in dict.fromkeys([reference, *methods]):
        own = prepare_block(suite, method, data_dir, version)
        processor, clock = time.process_time(), time.perf_counter()
        _, ms, ratio, low, high = alternate(partial(_time_block, beside), partial(_time_block, own), rounds)
        yield UpdateTime(method, ms, ratio, low, high, time.process_time() - processor, time.perf_counter() - clock)


def _time_block(fresh: Callable[[], tuple[Run, Dataset]]) -> float:
    """Milliseconds of an update in a fresh run of one block."""
    return time_harness(*fresh())
