"""What runs that were made again say about the stored ones.

On the same kind of processor with the same versions every number has the same digits, times and memory excepted (and
rounding below LAST_DIGITS, where processors of one name are not quite the same). On another kind of machine sizes and
operations are still equal; what a run learned about sharing may move by NEAR, and all other numbers are tested with
their seeds paired (`paired_tests`).

`mtlbench verify --rerun` trains the cells and passes them to `compare_reruns`. Whole tables, whose seeds need not be
the same ones, are compared in `reproduction`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from bench.records import Packed, ResultRecord
from leaderboard.analysis.statistics import holm
from leaderboard.trust.agreement import ERROR_LEVEL, is_same_kind
from leaderboard.trust.paired_tests import RunPair, run_paired_tests

LAST_DIGITS = 1e-10
# Machines differ, and a busy one is slow; beyond these a claim is no longer explained by that.
FASTER = {"step_ms": 100.0, "train_seconds": 100.0, "peak_memory_mb": 5.0}  # how often a claim may be the better one
# What follows from the specification alone, and so is equal on one kind of machine.
FIELDS = ("data", "tasks", "statistics", "scores", "selection", "validation", "curves", "matrices", "solution")
LATER = ("effective_sharing", "cosines", "correct_rows", "labels")  # which records had not from the first
SIZES = ("parameters", "forward_flops")
NEAR = {"effective_sharing": 0.1, "cosines": 0.2, "matrices": 0.25}  # on another kind of machine


@dataclass(frozen=True)
class RerunResult:
    """What a cell that was run again says about its record; `agrees` is None where nothing can be said."""

    stored: ResultRecord
    agrees: bool | None
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """The entry of `verify --rerun --json`."""
        spec = self.stored.spec
        named = {"run_id": self.stored.run_id, "suite": spec.suite, "method": spec.method, "seed": spec.seed}
        return {**named, "agrees": self.agrees, "found": self.sentence}


def compare_reruns(
    drawn: Sequence[ResultRecord],
    again: Mapping[str, ResultRecord | None],
    errors: Mapping[str, str],
    known: Iterable[ResultRecord],
) -> list[RerunResult]:
    """Judge every cell that was run again.

    Costs and equal digits are looked at first; what was made on another kind of machine is tested last.

    Args:
        drawn: the stored records of the cells.
        again: run id -> the record that came out, None where the run left none.
        errors: run id -> why a run failed, one sentence.
        known: stored runs, also of the board's other methods; they tell how much a seed decides.

    Returns:
        A result for each record of `drawn`: first those that were decided without a test, then the others.
    """
    results: list[RerunResult] = []
    elsewhere: list[RunPair] = []
    for stored in drawn:
        fresh = again.get(stored.run_id)
        if stored.run_id in errors or fresh is None or fresh.status != "done":
            reason = errors.get(stored.run_id, "it left no record")
            results.append(RerunResult(stored, False, f"the run failed: {reason}"))
        elif fresh.digest == stored.digest:  # which covers when it was made and how long it took
            results.append(
                RerunResult(stored, False, "what came back is the stored record itself, which no run can give")
            )
        elif claims := list(find_misstated(stored, fresh)):
            # Before anything else: sizes do not depend on the machine, so no tolerance applies.
            results.append(RerunResult(stored, False, "; ".join(claims)))
        elif not (fields := find_differing(stored, fresh)):
            results.append(RerunResult(stored, True, "equal digit for digit"))
        elif is_same_kind(stored, fresh) and all(
            is_equal_but_rounding(getattr(stored, name), getattr(fresh, name)) for name in fields
        ):
            results.append(RerunResult(stored, True, f"equal but for rounding, below {LAST_DIGITS:g} of every number"))
        elif is_same_kind(stored, fresh):
            sentence = f"differs in {', '.join(fields)} on the same kind of processor and versions"
            results.append(RerunResult(stored, False, sentence))
        elif strays := list(find_straying(stored, fresh)):
            results.append(RerunResult(stored, False, "; ".join(strays)))
        else:
            elsewhere.append(RunPair(stored, fresh))
    return results + _judge_elsewhere(elsewhere, list(known))


def _judge_elsewhere(pairs: Sequence[RunPair], known: Sequence[ResultRecord]) -> list[RerunResult]:
    """Results of cells that ran on another kind of machine, by the paired tests with Holm's correction over all of
    them.

    A cell agrees if at least one number of it was tested and none was rejected.
    """
    tests = run_paired_tests(pairs, known)
    judged = {record.run_id for test in tests if not math.isnan(test.p) for record in test.cells}
    rejected: dict[str, list[str]] = defaultdict(list)
    for test, adjusted in zip(tests, holm(np.array([test.p for test in tests])) if tests else (), strict=True):
        for record in test.cells if adjusted <= ERROR_LEVEL else ():
            rejected[record.run_id].append(test.sentence)
    results = []
    for pair in pairs:
        stored = pair.stored
        if reasons := rejected.get(stored.run_id):
            sentence = f"beyond what another kind of machine changes: {'; '.join(dict.fromkeys(reasons))}"
            results.append(RerunResult(stored, False, sentence))
        elif stored.run_id in judged:
            results.append(RerunResult(stored, True, "within what another kind of machine changes"))
        else:
            results.append(
                RerunResult(stored, None, "not judged: another kind of machine, and no noise known from one seed")
            )
    return results


def find_differing(stored: ResultRecord, fresh: ResultRecord) -> list[str]:
    """The fields in which two runs of one specification differ; of what older records had not, those that are there."""
    stated = [name for name in LATER if getattr(stored, name)]
    return [name for name in (*FIELDS, *stated) if getattr(stored, name) != getattr(fresh, name)]


def is_equal_but_rounding(stored: Any, fresh: Any) -> bool:
    """Whether two values differ in the last digits of floats only, which processors of one name may not share."""
    if isinstance(stored, BaseModel) and isinstance(fresh, BaseModel):
        return is_equal_but_rounding(stored.model_dump(), fresh.model_dump())
    if isinstance(stored, dict) and isinstance(fresh, dict):
        return stored.keys() == fresh.keys() and all(is_equal_but_rounding(stored[key], fresh[key]) for key in stored)
    if isinstance(stored, list) and isinstance(fresh, list):
        return len(stored) == len(fresh) and all(map(is_equal_but_rounding, stored, fresh))
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
    """(name, stored matrix, the one that came out again) for each matrix or number of a field.

    Nothing where the stored record is from before the field; None for what one of the two lacks or cannot be unpacked.
    """
    mine, theirs = getattr(stored, name), getattr(fresh, name)
    if not mine:
        return  # of an older record
    if name == "cosines":
        yield name, _unpack(mine), _unpack(theirs)
        return
    for key in sorted({*mine, *theirs}):
        yield f"{name}.{key}", _unpack(mine.get(key)), _unpack(theirs.get(key))


def _unpack(value: Packed | float | None) -> np.ndarray | None:
    """A matrix or a number as an array; None where there is none, or its bytes do not make one."""
    try:
        return value.unpack() if isinstance(value, Packed) else None if value is None else np.array(value)
    except (ValueError, OverflowError):
        return None
