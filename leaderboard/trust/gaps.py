"""Test errors far below validation errors: what a run that was trained as it says hardly gives.

A model is kept for its validation error, so that its test error is larger, or, where the test split is easier,
smaller by about the same factor for every method of a board. Over all committed runs the test error is at least 0.69
of that on validation at the epoch kept (`synthetic`, whose validation rows are few), at least 0.73 on NYUv2.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from bench.records import ResultRecord
from bench.scores import KINDS

FAR = 0.5  # of the validation error, whatever the board
BESIDE = 0.8  # of the least ratio on the board: remarkable
# (rule, task) -> test error over validation error.
Ratios = dict[tuple[str, str], float]
ErrorOf = Callable[[Mapping[str, float]], float]


def compute_ratios(record: ResultRecord) -> Ratios:
    """(rule, task) -> test error over the validation error of the epoch kept, where the record's curves have it.

    Empty for failed runs, trials and ensembles; tasks whose error does not follow from their metrics are left out.
    """
    protocol = record.spec.protocol
    if record.status != "done" or record.spec.is_trial or protocol.members > 1:
        return {}  # curves of an ensemble are those of its first member
    ratios = {}
    for rule, tasks in record.scores.items():
        for task, scores in tasks.items():
            kind = KINDS.get(protocol.metrics[task])
            error_of = kind.error_of if kind else None
            error = _find_validation_error(record, task, record.selection[rule][task], error_of) if error_of else None
            if error_of and error and error > 0:
                ratios[rule, task] = max(error_of(scores), 0.0) / error
    return ratios


def _find_validation_error(record: ResultRecord, task: str, epoch: int, error_of: ErrorOf) -> float | None:
    """The validation error of a task at an epoch, counted from 1; None where the curves do not have it."""
    try:
        scores = {name: path[epoch - 1] for name, path in record.curves.val[task].items()}
        known = {name: value for name, value in scores.items() if value is not None}
        return error_of(known) if len(known) == len(scores) else None
    except (IndexError, KeyError):
        return None


def find_too_good(
    records: Iterable[ResultRecord], board: Iterable[ResultRecord] = (), share: float = BESIDE
) -> Iterator[str]:
    """Find methods whose test error is far below their validation error, on the mean over their runs.

        mean over runs of (test error / validation error) < limit

    The limit is FAR without runs of a board, else `share` times the least ratio on the board, which is taken as at most
    1.

    Args:
        records: runs of the methods in question.
        board: runs that are taken as usual, of the same suites.
        share: how far below the board's least ratio is too far; BESIDE is remarkable, FAR refused.

    Returns:
        A sentence for each method and task, once, with the first rule for which it holds.
    """
    least: dict[tuple[str, ...], float] = defaultdict(lambda: math.inf)
    for record in board:
        for key, ratio in compute_ratios(record).items():
            least[record.spec.suite, *key] = min(least[record.spec.suite, *key], ratio)
    rows: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for record in records:
        for (rule, task), ratio in compute_ratios(record).items():
            rows[record.spec.suite, rule, task, record.method] += [ratio]
    # Rules mostly agree; one sentence about a task is enough.
    said = set()
    for (suite, rule, task, method), values in rows.items():
        mean = math.fsum(values) / len(values)
        lowest = least.get((suite, rule, task))
        limit = FAR if lowest is None else share * min(lowest, 1.0)
        if mean < limit and (suite, task, method) not in said:
            said.add((suite, task, method))
            known = "" if lowest is None else f", on the board's own runs at least {lowest:.2f}"
            yield f"`{method}`: the test error of {task} ({rule}) is {mean:.2f} of that on validation{known}"
