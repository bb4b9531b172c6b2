"""Runs that equal others beyond chance: one seed stored as several, or another method's runs under a new name.

The trace of a run is what training gives with many digits: the losses of every task and epoch, or, where a solver
fitted the models, the errors along its path, its objective and such numbers of its statistics, as their kinds name
them. A task whose loss never moved counts for nothing: at chance all models are the same. Two runs are alike where half
of the losses differ by less than NEAR of their size, and the mean of their logarithms too, or all of what a solver gave
by less than SOLVED. Among the committed runs no two of different seeds are alike with limits eight times (of a solver
forty times) as wide. Whoever adds noise beyond the limits to every number is not found.
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

NEAR = 5e-4  # of a loss: the largest median difference of two runs that are alike
LEARNT = 0.02  # of its largest loss: what a task's losses have to span, or nothing was learnt that could be copied
SOLVED = 1e-5  # of a number: the largest difference of two solved runs that are alike, which have no noise of training


def extract_trace(record: ResultRecord) -> np.ndarray:
    """The numbers of a run by which it is known, all positive and finite, [n]; empty where it has none.

    Losses of every task that learnt and every epoch, or of a solved run the errors along its path, its objective and
    the trace of its statistics (`Kind.trace`). Zeros are left out, since the trace is compared in logarithms.
    """
    losses = record.curves.train_loss
    values = [value for task in sorted(losses) if _has_learnt(losses[task]) for value in losses[task]]
    if not losses and record.solution:
        values = [*record.solution.errors, abs(record.solution.objective)]
        states = next(iter(record.statistics.values()), {})
        metrics = record.spec.protocol.metrics
        values += [value for task in sorted(states) for value in find_kind(metrics[task]).trace(states[task])]
    known = [value for value in values if isinstance(value, float) and math.isfinite(value) and value > 0]
    return np.array(known)


def _has_learnt(losses: Sequence[float | None]) -> bool:
    """Whether a task's training losses moved: at too high a rate they stay where a constant prediction has them."""
    known = [loss for loss in losses if isinstance(loss, float) and math.isfinite(loss)]
    return bool(known) and max(known) - min(known) > LEARNT * abs(max(known))


@dataclass(frozen=True)
class _TracedRun:
    """A run with the logarithms of its trace, and their mean, by which runs that may be alike are found fast."""

    mean: float
    logs: np.ndarray
    record: ResultRecord

    @property
    def is_solved(self) -> bool:
        """Whether a solver fitted it: there are no training losses, and no noise of training."""
        return not self.record.curves.train_loss

    def is_like(self, other: "_TracedRun") -> bool:
        """Whether the traces of two runs of one board key are equal beyond chance.

        The median of the differences, since a copy may have a few numbers changed; of solved runs the largest one. Of
        losses those count that moved from the epoch before, in either run: networks that got stuck, or learnt few
        patterns to the last, come to rest at the same few levels whatever the seed.
        """
        gaps = np.abs(self.logs - other.logs)
        if self.is_solved:
            return bool(gaps.max() <= SOLVED)
        moved = np.maximum(np.abs(np.diff(self.logs)), np.abs(np.diff(other.logs))) > NEAR
        return bool(moved.sum() > 1 and np.median(gaps[1:][moved]) <= NEAR)


def find_copies(
    records: Iterable[ResultRecord], others: Iterable[ResultRecord] = ()
) -> Iterator[tuple[ResultRecord, ...]]:
    """Find pairs of runs on one suite and protocol that are alike.

    Every record is compared with those before it and with `others`, as far as their means are close.

    Returns:
        (record, the earlier one that it is like), in the order of `records`.
    """
    known: dict[Hashable, list[_TracedRun]] = defaultdict(list)
    for record in others:
        if entry := _trace_run(record):
            bisect.insort(known[_make_board_key(record, entry)], entry, key=lambda each: each.mean)
    for record in records:
        if not (entry := _trace_run(record)):
            continue
        board = known[_make_board_key(record, entry)]
        # Runs that are alike have means within NEAR, so a window of the sorted means holds all of them.
        at = bisect.bisect_left(board, entry.mean - NEAR, key=lambda each: each.mean)
        while at < len(board) and board[at].mean <= entry.mean + NEAR:
            if entry.is_like(board[at]):
                yield record, board[at].record
            at += 1
        bisect.insort(board, entry, key=lambda each: each.mean)


def _trace_run(record: ResultRecord) -> _TracedRun | None:
    """A run ready to be compared; None where its trace has fewer than two numbers, which may be equal by chance."""
    trace = extract_trace(record)
    return _TracedRun(float(np.log(trace).mean()), np.log(trace), record) if len(trace) > 1 else None


def _make_board_key(record: ResultRecord, entry: _TracedRun) -> Hashable:
    """What runs need to have in common to be compared: suite, protocol, length and kind of trace."""
    return record.spec.suite, protocol_text(record), len(entry.logs), entry.is_solved


def find_repeated_seeds(
    records: Sequence[ResultRecord], others: Sequence[ResultRecord] = ()
) -> dict[str, ResultRecord]:
    """run id -> another run that it is like, of another seed: one of the two was not trained with its own seed.

    Args:
        records: the runs in question, which are compared with each other as well.
        others: runs that they are compared with.
    """
    return {
        record.run_id: other for record, other in find_copies(records, others) if record.spec.seed != other.spec.seed
    }


def count_same_models(records: Sequence[ResultRecord], others: Sequence[ResultRecord]) -> dict[tuple[str, str], int]:
    """Count the seeds at which a method's runs are like those of another method.

    Args:
        records: runs of the methods in question.
        others: runs that they are compared with; records that are among both are left out of these.

    Returns:
        (method, other method) -> number of seeds, for pairs that are alike at one at least.
    """
    seeds_alike: dict[tuple[str, str], set[int]] = defaultdict(set)
    own = {record.digest for record in records}
    foreign = [other for other in others if other.digest not in own]
    for record, other in find_copies(records, foreign):
        if record.spec.seed == other.spec.seed and other.method != record.method:
            seeds_alike[record.method, other.method].add(record.spec.seed)
    return {pair: len(seeds) for pair, seeds in seeds_alike.items()}
