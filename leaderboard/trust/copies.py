"""Runs that equal others beyond chance: one seed stored as several, or another method's runs under a new name.

The trace of a run is what training gives with many digits: the losses of every task and epoch, or, where a solver
fitted the models, the errors along its path, its objective and such numbers of its statistics, as their kinds name
them. Two runs are alike where half of the losses differ by less than NEAR of their size, and the mean of their
logarithms too, or all of what a solver gave by less than SOLVED. Among the committed runs no two of different seeds are
alike with limits eight times (of a solver forty times) as wide. Whoever adds noise beyond the limits to every number is
not found.
"""

import bisect
import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord
from bench.scores import find_kind
from leaderboard.boards.comparability import protocol_text

NEAR, SOLVED = 5e-4, 1e-5


def trace_of(record: ResultRecord) -> np.ndarray:
    """The numbers of a run by which it is known, all positive; empty where it has none."""
    values = [value for task in sorted(record.curves.train_loss) for value in record.curves.train_loss[task]]
    if not values and record.solution:
        values = [*record.solution.errors, abs(record.solution.objective)]
        states = next(iter(record.statistics.values()), {})
        metrics = record.spec.protocol.metrics
        values += [value for task in sorted(states) for value in find_kind(metrics[task]).trace(states[task])]
    known = [value for value in values if isinstance(value, float) and math.isfinite(value) and value > 0]
    return np.array(known)


@dataclass(frozen=True)
class _Known:
    """A run beside its trace, in logarithms, and the mean of it, which is close where runs are alike."""

    mean: float
    logs: np.ndarray
    record: ResultRecord

    @property
    def is_solved(self) -> bool:
        return not self.record.curves.train_loss

    def is_like(self, other: "_Known") -> bool:
        gaps = np.abs(self.logs - other.logs)
        return bool(gaps.max() <= SOLVED if self.is_solved else np.median(gaps) <= NEAR)


def find_copies(
    records: Iterable[ResultRecord], others: Iterable[ResultRecord] = ()
) -> Iterator[tuple[ResultRecord, ...]]:
    """Pairs of a record and an earlier one, or one of `others`, on one suite and protocol, that are alike."""
    known: dict[Hashable, list[_Known]] = defaultdict(list)
    for record in others:
        if entry := _known(record):
            bisect.insort(known[_board(record, entry)], entry, key=lambda each: each.mean)
    for record in records:
        if not (entry := _known(record)):
            continue
        board = known[_board(record, entry)]
        at = bisect.bisect_left(board, entry.mean - NEAR, key=lambda each: each.mean)
        while at < len(board) and board[at].mean <= entry.mean + NEAR:
            if entry.is_like(board[at]):
                yield record, board[at].record
            at += 1
        bisect.insort(board, entry, key=lambda each: each.mean)


def _known(record: ResultRecord) -> _Known | None:
    trace = trace_of(record)
    return _Known(float(np.log(trace).mean()), np.log(trace), record) if len(trace) > 1 else None


def _board(record: ResultRecord, entry: _Known) -> Hashable:
    return record.spec.suite, protocol_text(record), len(entry.logs), entry.is_solved


def find_repeated_seeds(
    records: Sequence[ResultRecord], others: Sequence[ResultRecord] = ()
) -> dict[str, ResultRecord]:
    """run id -> another run, of another seed, that it is alike: one of the two is no run of its own."""
    return {
        record.run_id: other for record, other in find_copies(records, others) if record.spec.seed != other.spec.seed
    }


def count_same_models(records: Sequence[ResultRecord], others: Sequence[ResultRecord]) -> dict[tuple[str, str], int]:
    """(method, another method of `others`) -> at how many seeds the first is alike the second, where at any."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    own = {record.digest for record in records}
    apart = [other for other in others if other.digest not in own]
    for record, other in find_copies(records, apart):
        if record.spec.seed == other.spec.seed and other.method != record.method:
            found[record.method, other.method].add(record.spec.seed)
    return {pair: len(seeds) for pair, seeds in found.items()}
