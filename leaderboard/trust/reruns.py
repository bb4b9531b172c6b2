"""What runs that were made again say about the stored ones.

On the same kind of processor with the same versions every number has the same digits, times and memory excepted (and
rounding below LAST_DIGITS, where processors of one name are not quite the same).
Elsewhere sizes and operations are still the same, and the numbers of a seed differ by rounding that grows during
training, not by a seed's luck. So seeds are paired. With d the stored number less the one that came out again, over n
cells of a method, and s the deviation between seeds, each number is tested against a mean difference of zero by

    t = mean d / sqrt(v / n),   v = (NU (RATIO s)^2 + sum (d - mean d)^2) / (NU + n - 1)

with NU + n - 1 degrees of freedom: a t test whose variance starts from what honest pairs have and goes over to what
these pairs have (Smyth, Linear models and empirical Bayes methods, 2004). Each single cell is held against the others
of its method in the same way. Holm's procedure, over all of these, keeps the chance of a false alarm at LEVEL.

Measured: cells of MultiDigits trained with AVX2 and torch 2.15, and again with AVX512 and torch 2.14, differed by
0.01 s (`hard`), 0.03 s (`single_task`), 0.2 s (`cross_stitch`) and 0.8 s (`mtan`), with a heavy tail where another
epoch was kept; linear models by less than 1e-4 of the number. Where honest pairs differ by as much as 0.75 s, false
alarms stay below LEVEL; where they differ by 1.4 s, which is another seed, one comparison in ten is one. What is
found are numbers that were raised by 4.4 s in a cell that is run again alone, 2.9 s in two, 1.9 s in three, 1.1 s in
five, 0.5 s in ten. On MultiDigits s is 1.5 points of accuracy, so that this is 6.6, 4.3, 2.8, 1.6 and 0.75 points.

s is that of the method's own stored seeds, at most twice the median over the methods of its board: it cannot be made
large by whoever made the numbers up.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from bench.records import Packed, ResultRecord
from leaderboard.analysis.statistics import holm
from leaderboard.boards.comparability import protocol_text
from leaderboard.trust.agreement import ERROR_LEVEL, is_same_kind

RATIO, NU = 0.7, 3  # of a difference to the deviation between seeds, and how many cells that is worth
COARSE = 1e-3  # of a number: below this, rows that are counted one by one are all that differs
LAST_DIGITS = 1e-10
FASTER = {"step_ms": 100.0, "train_seconds": 100.0, "peak_memory_mb": 5.0}  # how often a claim may be the better one
FIELDS = ("data", "tasks", "statistics", "scores", "selection", "validation", "curves", "matrices", "solution")
EFFECTS = ("effective_sharing", "cosines")  # which records had not from the first
SIZES = ("parameters", "forward_flops")
NEAR = {"effective_sharing": 0.1, "cosines": 0.2, "matrices": 0.25}  # on another kind of machine


@dataclass(frozen=True)
class RerunResult:
    """One cell that was run again; `agrees` is None where nothing can be said."""

    stored: ResultRecord
    agrees: bool | None
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        spec = self.stored.spec
        named = {"run_id": self.stored.run_id, "suite": spec.suite, "method": spec.method, "seed": spec.seed}
        return {**named, "agrees": self.agrees, "found": self.sentence}


@dataclass(frozen=True)
class RunPair:
    """A stored run and the same one made again."""

    stored: ResultRecord
    fresh: ResultRecord


@dataclass(frozen=True)
class Test:
    """One number of some cells of a method: what the difference is, its p, and a sentence about it."""

    cells: tuple[ResultRecord, ...]
    p: float
    sentence: str


def compare_reruns(
    drawn: Sequence[ResultRecord],
    again: Mapping[str, ResultRecord | None],
    errors: Mapping[str, str],
    known: Iterable[ResultRecord],
) -> list[RerunResult]:
    """What is to be said of each cell of `drawn`: `again` and `errors` hold, by run id, what came out or why not.

    `known` are stored runs, of the board's other methods too: they tell what a seed decides.
    """
    found: list[RerunResult] = []
    elsewhere: list[RunPair] = []
    for stored in drawn:
        fresh = again.get(stored.run_id)
        if stored.run_id in errors or fresh is None or fresh.status != "done":
            reason = errors.get(stored.run_id, "it left no record")
            found.append(RerunResult(stored, False, f"the run failed: {reason}"))
        elif fresh.digest == stored.digest:  # which covers when it was made and how long it took
            found.append(
                RerunResult(stored, False, "what came back is the stored record itself, which no run can give")
            )
        elif claims := list(find_misstated(stored, fresh)):
            found.append(RerunResult(stored, False, "; ".join(claims)))
        elif not (fields := find_differing(stored, fresh)):
            found.append(RerunResult(stored, True, "equal digit for digit"))
        elif is_same_kind(stored, fresh) and all(
            equal_but_rounding(getattr(stored, name), getattr(fresh, name)) for name in fields
        ):
            found.append(RerunResult(stored, True, f"equal but for rounding, below {LAST_DIGITS:g} of every number"))
        elif is_same_kind(stored, fresh):
            sentence = f"differs in {', '.join(fields)} on the same kind of processor and versions"
            found.append(RerunResult(stored, False, sentence))
        elif strays := list(find_straying(stored, fresh)):
            found.append(RerunResult(stored, False, "; ".join(strays)))
        else:
            elsewhere.append(RunPair(stored, fresh))
    return found + _judge_elsewhere(elsewhere, list(known))


def _judge_elsewhere(pairs: Sequence[RunPair], known: Sequence[ResultRecord]) -> list[RerunResult]:
    tests = paired_tests(pairs, known)
    judged = {record.run_id for test in tests if not math.isnan(test.p) for record in test.cells}
    rejected: dict[str, list[str]] = defaultdict(list)
    for test, adjusted in zip(tests, holm(np.array([test.p for test in tests])) if tests else (), strict=True):
        for record in test.cells if adjusted <= ERROR_LEVEL else ():
            rejected[record.run_id].append(test.sentence)
    found = []
    for pair in pairs:
        stored = pair.stored
        if reasons := rejected.get(stored.run_id):
            sentence = f"beyond what another kind of machine changes: {'; '.join(dict.fromkeys(reasons))}"
            found.append(RerunResult(stored, False, sentence))
        elif stored.run_id in judged:
            found.append(RerunResult(stored, True, "within what another kind of machine changes"))
        else:
            found.append(
                RerunResult(stored, None, "not judged: another kind of machine, and no noise known from one seed")
            )
    return found


def find_differing(stored: ResultRecord, fresh: ResultRecord) -> list[str]:
    """The fields in which two runs of one specification differ; of what older records had not, those that are there."""
    stated = [name for name in EFFECTS if getattr(stored, name)]
    return [name for name in (*FIELDS, *stated) if getattr(stored, name) != getattr(fresh, name)]


def equal_but_rounding(stored: Any, fresh: Any) -> bool:
    """Whether two values differ in the last digits of floats only, which processors of one name may not share."""
    if isinstance(stored, BaseModel) and isinstance(fresh, BaseModel):
        return equal_but_rounding(stored.model_dump(), fresh.model_dump())
    if isinstance(stored, dict) and isinstance(fresh, dict):
        return stored.keys() == fresh.keys() and all(equal_but_rounding(stored[key], fresh[key]) for key in stored)
    if isinstance(stored, list) and isinstance(fresh, list):
        return len(stored) == len(fresh) and all(map(equal_but_rounding, stored, fresh))
    if isinstance(stored, float) and isinstance(fresh, float):
        return math.isclose(stored, fresh, rel_tol=LAST_DIGITS)
    return bool(stored == fresh)


def find_misstated(stored: ResultRecord, fresh: ResultRecord) -> Iterator[str]:
    """What is the same on every machine and is not: sizes and operations; and costs far below those that were measured.

    Between honest runs of one cell on busy and idle machines times differed by a factor of up to 24, memory by 1.7.
    """
    if stored.cost is None or fresh.cost is None:
        return
    for name in SIZES:
        claimed, counted = getattr(stored.cost, name), getattr(fresh.cost, name)
        if claimed != counted:
            yield f"cost.{name}: stored {claimed:,}, again {counted:,}"
    for name, factor in FASTER.items():
        claimed, measured = getattr(stored.cost, name), getattr(fresh.cost, name)
        if claimed < measured / factor:
            yield f"cost.{name}: stored {claimed:.3g}, again {measured:.3g}, more than {factor:g} times as much"


def find_straying(stored: ResultRecord, fresh: ResultRecord) -> Iterator[str]:
    """What a run learned about sharing, where it is further from what came out again than rounding moves it.

    Entries of `effective_sharing` and `cosines` may differ by NEAR in absolute value; a matrix by NEAR of its norm.
    """
    for name, limit in NEAR.items():
        for label, mine, theirs in _compare_learned(name, stored, fresh):
            if mine is None or theirs is None or mine.shape != theirs.shape:
                yield f"{label}: stored and again have other shapes"
                continue
            gap = np.abs(mine - theirs).max(initial=0)
            if name == "matrices":
                size = max(float(np.linalg.norm(theirs)), float(np.finfo(np.float16).tiny))
                gap = float(np.linalg.norm(mine - theirs)) / size
            if not gap <= limit:
                yield f"{label}: differs by {gap:.2g} from what came out again, more than {limit:g}"


def _compare_learned(
    name: str, stored: ResultRecord, fresh: ResultRecord
) -> Iterator[tuple[str, np.ndarray | None, np.ndarray | None]]:
    mine, theirs = getattr(stored, name), getattr(fresh, name)
    if not mine:
        return  # of an older record
    if name == "cosines":
        yield name, _unpack(mine), _unpack(theirs)
        return
    for key in sorted({*mine, *theirs}):
        yield f"{name}.{key}", _unpack(mine.get(key)), _unpack(theirs.get(key))


def _unpack(value: Packed | float | None) -> np.ndarray | None:
    try:
        return value.unpack() if isinstance(value, Packed) else None if value is None else np.array(value)
    except (ValueError, OverflowError):
        return None


def numbers_of(record: ResultRecord) -> dict[str, float]:
    """What is tested of a run: every score under every rule, and of every curve the mean over the epochs."""
    found = {
        f"{task} {metric} ({rule})": value
        for rule, tasks in record.scores.items()
        for task, metrics in tasks.items()
        for metric, value in metrics.items()
    }
    found |= {f"{task} error (validation)": value for task, value in record.validation.items()}
    curves = {f"{task} (training loss)": path for task, path in record.curves.train_loss.items()}
    for task, paths in record.curves.val.items():
        curves |= {f"{task} {metric} (validation curve)": path for metric, path in paths.items()}
    for name, path in curves.items():
        finite = [value for value in path if value is not None]
        found |= {name: math.fsum(finite) / len(finite)} if finite else {}
    return found


def paired_tests(pairs: Sequence[RunPair], known: Iterable[ResultRecord]) -> list[Test]:
    """For every method and number: the mean difference over its cells, and each cell against the others."""
    rows: dict[Hashable, list[RunPair]] = defaultdict(list)
    for pair in pairs:
        rows[_row(pair.stored)].append(pair)
    boards = {_peers(pair.stored) for pair in pairs}
    spreads = spread_between_seeds(record for record in known if _peers(record) in boards)
    found = []
    for cells in rows.values():
        spread = spreads(cells[0].stored)
        records = tuple(pair.stored for pair in cells)
        mine = [numbers_of(pair.stored) for pair in cells]
        theirs = [numbers_of(pair.fresh) for pair in cells]
        for name in mine[0]:
            if any(name not in numbers for numbers in (*mine, *theirs)):
                continue
            before, after = (np.array([numbers[name] for numbers in side]) for side in (mine, theirs))
            scale = RATIO * max(spread.get(name, math.nan), COARSE * float(np.abs(after).max()))
            found += list(_tests_of(name, records, before, after, scale))
    return found


def _tests_of(
    name: str, records: tuple[ResultRecord, ...], before: np.ndarray, after: np.ndarray, scale: float
) -> Iterator[Test]:
    """Of n cells: one test of their mean difference, and, where there are several, n of a cell against the others."""
    d, n = before - after, len(records)
    mean, prior = float(d.mean()), NU * scale**2
    if n > 1:
        variance = (prior + float(((d - mean) ** 2).sum())) / (NU + n - 1)
        sentence = f"{name} is stored {mean:+.3g} from what came out again, on average over {n} cells"
        yield Test(records, _p(mean, math.sqrt(variance / n), NU + n - 1), sentence)
    for at, record in enumerate(records):
        others = float((np.delete(d, at) ** 2).sum())
        variance = (prior + others) / (NU + n - 1)
        sentence = f"{name} {before[at]:.4g}, again {after[at]:.4g}"
        yield Test((record,), _p(float(d[at]), math.sqrt(variance), NU + n - 1), sentence)


def _p(difference: float, error: float, freedom: int) -> float:
    from scipy.special import stdtr

    if difference == 0:
        return 1.0
    return 2 * float(stdtr(freedom, -abs(difference) / error)) if error else 0.0


def _row(record: ResultRecord) -> Hashable:
    """What the runs of a method that differ in their seed only have in common."""
    return record.spec.vary(seed=0).run_id


def _peers(record: ResultRecord) -> Hashable:
    """What the rows of one board have in common."""
    return record.spec.suite, record.spec.data, protocol_text(record), record.spec.is_trial


def spread_between_seeds(known: Iterable[ResultRecord]) -> Callable[[ResultRecord], dict[str, float]]:
    """A function that gives the deviation between seeds of every number of a run: of its row, or of its board.

    That of the row, yet not below the median over the rows of its board and at most twice that. Rows of one seed say
    nothing; where there is no other, there is no number.
    """
    rows: dict[Hashable, dict[Hashable, dict[int, ResultRecord]]] = defaultdict(lambda: defaultdict(dict))
    for record in known:
        if record.status == "done":
            rows[_peers(record)][_row(record)][record.spec.seed] = record

    def of(record: ResultRecord) -> dict[str, float]:
        board = rows.get(_peers(record), {})
        spreads = {row: _deviations(list(runs.values())) for row, runs in board.items() if len(runs) > 1}
        own = spreads.pop(_row(record), {})
        found = dict(own)
        for name in numbers_of(record):
            others = [spread[name] for spread in spreads.values() if name in spread]
            if others:
                middle = float(np.median(others))
                found[name] = min(max(own.get(name, middle), middle), 2 * middle)
        return found

    return of


def _deviations(runs: Sequence[ResultRecord]) -> dict[str, float]:
    numbers = [numbers_of(run) for run in runs]
    names = set.intersection(*(set(each) for each in numbers))
    return {name: float(np.std([each[name] for each in numbers], ddof=1)) for name in names}
