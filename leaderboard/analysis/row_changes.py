"""Changes against the reference with the choice of the test rows in their intervals, from the bits of every row.

A table's intervals are over seeds: they hold for the same test rows. Where records keep which rows are right, each
number of a row and a seed is known, and the two are crossed (`crossed_interval`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.records import ResultRecord
from bench.scores import KINDS
from leaderboard.analysis.results import Results
from leaderboard.analysis.statistics import Interval, crossed_interval, gather_units, interval

ALL_TASKS = ""  # the task of a change in Δ log
Units = Mapping[str, np.ndarray]  # task -> number of what each test row shows, [row], in a numbering of all tasks


@dataclass(frozen=True)
class RowChange:
    """One change of `method` against the reference, over seeds alone and over seeds and rows.

    Args:
        method: of the board.
        task: whose accuracy it is, in points, higher is better; `ALL_TASKS` for Δ log over all of them.
        over_seeds: as in the table, for the same test rows.
        over_both: with seeds and rows, or their units, drawn anew.
        units: how many rows or units there are.
    """

    method: str
    task: str
    over_seeds: Interval
    over_both: Interval
    units: int


def compare_rows(results: Results, units: Units | None = None) -> list[RowChange]:
    """The changes of every method that has bits in the same seeds as the reference: each task, then Δ log over all.

    Empty where records have no bits, under a rule that bits are not of, where test splits differ between seeds, as
    random splits do (rows and seeds are not crossed then, and an interval over seeds covers the rows), and for tasks in
    which runs differ in their number of rows. Δ log is there where all tasks of the board have bits.

    Args:
        results: of a board.
        units: what rows show, where several show one thing; a task that it lacks has rows of their own.
    """
    bits = {
        key: {task: rows.unpack() for task, rows in record.correct_rows.items()}
        for key, record in results.records.items()
        if record.correct_rows and results.rule == _rule_of_bits(record)
    }
    records = list(results.records.values())
    if not bits or results.cells.overlap or not _shares_test_rows(records):
        return []
    changes = []
    aligned = not any("test" in record.labels for record in records)  # else row i of a task is another one's row j
    for method in results.board.methods:
        seeds = [s for s in results.board.seed_list if (method, s) in bits and (results.board.reference, s) in bits]
        if method != results.board.reference and seeds:
            pairs = [(bits[method, seed], bits[results.board.reference, seed]) for seed in seeds]
            own = _compare(method, results.cells.tasks, pairs, units or {})
            changes += [change for change in own if aligned or change.task != ALL_TASKS]
    return changes


Bits = Mapping[str, np.ndarray]  # task -> bool [row], of one run


def _compare(method: str, tasks: list[str], pairs: Sequence[tuple[Bits, Bits]], units: Units) -> list[RowChange]:
    """The changes of one method; `pairs` are its bits and those of the reference, seed by seed."""
    changes, logs = [], []
    count = max((int(each.max()) + 1 for each in units.values()), default=0)
    for task in tasks:
        sizes = {len(one[task]) if task in one else 0 for pair in pairs for one in pair}
        if len(sizes) > 1 or sizes == {0}:
            continue
        own, reference = (np.array([pair[side][task] for pair in pairs], dtype=float) for side in (0, 1))
        shown = units[task] if task in units and sizes == {len(units[task])} else None
        points = gather_units(100 * (own - reference), shown, count)
        changes.append(_estimate(method, task, points))
        logs.append(gather_units(_expand_log(1 - own, 1 - reference), shown, count))
    # What the tasks show of one unit goes together; without units it is a row, which tasks have in common.
    if logs and len(logs) == len(tasks) and len({each.shape for each in logs}) == 1:
        changes.append(_estimate(method, ALL_TASKS, np.mean(logs, axis=0)))
    return changes


def _estimate(method: str, task: str, values: np.ndarray) -> RowChange:
    """The change whose shares are `values` [seed, unit]."""
    return RowChange(method, task, interval(values.mean(axis=1)), crossed_interval(values), values.shape[1])


def _expand_log(own: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Shares of log(mean reference error / mean own error) by rows, [seed, row], whose mean over rows is the logarithm.

        log(r / e) + (r_i - r) / r - (e_i - e) / e

    The logarithm to first order in every row (the delta method). `own` and `reference` are 0 or 1, 1 for a wrong row;
    means are at least half a row, as in `primary_error`.
    """
    shares = []
    for wrong in (own, reference):
        mean = wrong.mean(axis=1, keepdims=True)
        least = np.maximum(mean, 0.5 / wrong.shape[1])
        shares.append(np.log(least) + (wrong - mean) / least)
    difference: np.ndarray = shares[1] - shares[0]
    return difference


def _rule_of_bits(record: ResultRecord) -> str:
    """The rule of selection whose epochs the bits of a record are of."""
    return "val" if "val" in record.statistics else "last"


def _shares_test_rows(records: list[ResultRecord]) -> bool:
    """Whether all runs have as many test labels of each class, as runs on one test split do and others hardly."""
    seen: dict[str, list[list[int]]] = {}
    for record in records:
        metrics, states = record.spec.protocol.metrics, record.statistics.get(_rule_of_bits(record), {})
        for task in record.correct_rows:
            if task in states:
                seen.setdefault(task, []).append(KINDS[metrics[task]].truth(states[task]))
    return all(truth == truths[0] for truths in seen.values() for truth in truths)
