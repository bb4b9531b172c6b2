"""The test of stored numbers against those that came out again on another kind of machine.

Sizes and operations are the same on every machine, and the numbers of a seed differ by rounding that grows during
training, not by a seed's luck. So seeds are paired. With d the stored number less the one that came out again, over n
cells of a method, and s the deviation between seeds, each number is tested against a mean difference of zero by

    t = mean d / sqrt(v / n),   v = (NU (RATIO s)^2 + sum (d - mean d)^2) / (NU + n - 1)

with NU + n - 1 degrees of freedom: a t test whose variance starts from what honest pairs have and goes over to what
these pairs have (Smyth, Linear models and empirical Bayes methods, 2004). Each single cell is held against the others
of its method in the same way. `reruns` corrects all of these p by Holm's procedure, which keeps the chance of a false
alarm at its level of 5 %.

Measured: cells of MultiDigits trained with AVX2 and torch 2.15, and again with AVX512 and torch 2.14, differed by
0.01 s (`hard`), 0.03 s (`single_task`), 0.2 s (`cross_stitch`) and 0.8 s (`mtan`), with a heavy tail where another
epoch was kept; linear models by less than 1e-4 of the number. Where honest pairs differ by as much as 0.75 s, false
alarms stay below that; where they differ by 1.4 s, which is another seed, one comparison in ten is one. What is
found are numbers that were raised by 4.4 s in a cell that is run again alone, 2.9 s in two, 1.9 s in three, 1.1 s in
five, 0.5 s in ten. On MultiDigits s is 1.5 points of accuracy, so that this is 6.6, 4.3, 2.8, 1.6 and 0.75 points.

s is that of the method's own stored seeds, at most twice the median over the methods of its board: it cannot be made
large by whoever made the numbers up.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord
from leaderboard.boards.comparability import protocol_text

RATIO = 0.7  # standard deviation of honest differences over that between seeds, before any is seen
NU = 3  # cells that this is worth, the prior's degrees of freedom
COARSE = 1e-3  # of a number: below this, rows that are counted one by one are all that differs


@dataclass(frozen=True)
class RunPair:
    """A stored run and the same one made again."""

    stored: ResultRecord
    fresh: ResultRecord


@dataclass(frozen=True)
class Test:
    """One comparison of a method's stored numbers with those that came out again.

    `cells` are the records that it speaks about, `p` is two-sided and not yet corrected, and `sentence` names the
    numbers.
    """

    cells: tuple[ResultRecord, ...]
    p: float
    sentence: str


def collect_numbers(record: ResultRecord) -> dict[str, float]:
    """Name -> number of everything that is tested of a run.

    Every score under every rule, every validation error, and of every curve the mean over the epochs where it is
    finite: single epochs vary more between machines than what they add up to.
    """
    numbers = {
        f"{task} {metric} ({rule})": value
        for rule, tasks in record.scores.items()
        for task, metrics in tasks.items()
        for metric, value in metrics.items()
    }
    numbers |= {f"{task} error (validation)": value for task, value in record.validation.items()}
    curves = {f"{task} (training loss)": path for task, path in record.curves.train_loss.items()}
    for task, paths in record.curves.val.items():
        curves |= {f"{task} {metric} (validation curve)": path for metric, path in paths.items()}
    for name, path in curves.items():
        finite = [value for value in path if value is not None]
        numbers |= {name: math.fsum(finite) / len(finite)} if finite else {}
    return numbers


def run_paired_tests(pairs: Sequence[RunPair], known: Iterable[ResultRecord]) -> list[Test]:
    """Test each number of each method: the mean difference over its cells, and each cell against the others.

    Args:
        pairs: the cells, each with its stored and its fresh run.
        known: stored runs from which the deviation between seeds is estimated.

    Returns:
        All tests, p not corrected; NaN where no deviation is known. Numbers that a run lacks are not tested.
    """
    rows: dict[Hashable, list[RunPair]] = defaultdict(list)
    for pair in pairs:
        rows[_make_row_key(pair.stored)].append(pair)
    boards = {_make_board_key(pair.stored) for pair in pairs}
    spreads = estimate_seed_spread(record for record in known if _make_board_key(record) in boards)
    tests = []
    for cells in rows.values():
        spread = spreads(cells[0].stored)
        records = tuple(pair.stored for pair in cells)
        mine = [collect_numbers(pair.stored) for pair in cells]
        theirs = [collect_numbers(pair.fresh) for pair in cells]
        for name in mine[0]:
            if any(name not in numbers for numbers in (*mine, *theirs)):
                continue
            before, after = (np.array([numbers[name] for numbers in side]) for side in (mine, theirs))
            scale = RATIO * max(spread.get(name, math.nan), COARSE * float(np.abs(after).max()))
            tests += list(_test_cells(name, records, before, after, scale))
    return tests


def _test_cells(
    name: str, records: tuple[ResultRecord, ...], before: np.ndarray, after: np.ndarray, scale: float
) -> Iterator[Test]:
    """Tests of one number over n cells: one of the mean difference if n > 1, and one for each cell.

    Args:
        name: the number, for the sentences.
        records: [cell], the stored records.
        before: [cell], the stored numbers.
        after: [cell], those that came out again.
        scale: RATIO times the deviation between seeds, in the unit of the number; NaN if it is not known.
    """
    d, n = before - after, len(records)
    mean, prior = float(d.mean()), NU * scale**2
    if n > 1:
        variance = (prior + float(((d - mean) ** 2).sum())) / (NU + n - 1)
        sentence = f"{name} is stored {mean:+.3g} from what came out again, on average over {n} cells"
        yield Test(records, _compute_p(mean, math.sqrt(variance / n), NU + n - 1), sentence)
    for at, record in enumerate(records):
        others = float((np.delete(d, at) ** 2).sum())
        variance = (prior + others) / (NU + n - 1)
        sentence = f"{name} {before[at]:.4g}, again {after[at]:.4g}"
        yield Test((record,), _compute_p(float(d[at]), math.sqrt(variance), NU + n - 1), sentence)


def _compute_p(difference: float, error: float, freedom: int) -> float:
    """Two-sided p of a Student t with `freedom` degrees of freedom; 1 for no difference, 0 for one that nothing
    explains.
    """
    from scipy.special import stdtr

    if difference == 0:
        return 1.0
    return 2 * float(stdtr(freedom, -abs(difference) / error)) if error else 0.0


def _make_row_key(record: ResultRecord) -> Hashable:
    """What the runs of a method have in common that differ in their seed only."""
    return record.spec.vary(seed=0).run_id


def _make_board_key(record: ResultRecord) -> Hashable:
    """What the rows of one board have in common."""
    return record.spec.suite, record.spec.data, protocol_text(record), record.spec.is_trial


def estimate_seed_spread(known: Iterable[ResultRecord]) -> Callable[[ResultRecord], dict[str, float]]:
    """Estimate the standard deviation between seeds of every number of a run.

    That of the run's own row, yet not below the median over the other rows of its board, and at most twice that. Rows
    of one seed say nothing; where no row has two, there is no number.

    Returns:
        A function: record -> number's name -> deviation.
    """
    rows: dict[Hashable, dict[Hashable, dict[int, ResultRecord]]] = defaultdict(lambda: defaultdict(dict))
    for record in known:
        if record.status == "done":
            rows[_make_board_key(record)][_make_row_key(record)][record.spec.seed] = record

    def look_up(record: ResultRecord) -> dict[str, float]:
        """The deviations for one record, from its row and the others of its board."""
        board = rows.get(_make_board_key(record), {})
        spreads = {row: _compute_deviations(list(runs.values())) for row, runs in board.items() if len(runs) > 1}
        own = spreads.pop(_make_row_key(record), {})
        limited = dict(own)
        for name in collect_numbers(record):
            others = [spread[name] for spread in spreads.values() if name in spread]
            if others:
                middle = float(np.median(others))
                limited[name] = min(max(own.get(name, middle), middle), 2 * middle)
        return limited

    return look_up


def _compute_deviations(runs: Sequence[ResultRecord]) -> dict[str, float]:
    """Name -> standard deviation (ddof 1) over runs of what all of them have."""
    numbers = [collect_numbers(run) for run in runs]
    names = set.intersection(*(set(each) for each in numbers))
    return {name: float(np.std([each[name] for each in numbers], ddof=1)) for name in names}
