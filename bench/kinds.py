"""Kinds of statistics: what a kind defines, and the registry of them; the built-in ones are in `bench.scores`.

A kind is all that the harness and the leaderboard know of a metric, so a plug-in adds one with a
single `register_kind`. No torch here: accumulators (`TaskMetric`) gather statistics, a kind reads them.
"""

import math
from collections import UserDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import hint

State = Mapping[str, Any]  # the statistics of one task, as JSON holds them


@dataclass(frozen=True)
class Metric:
    """One number of a table: its name, its direction, its unit, and the range that it lies in."""

    name: str
    higher_is_better: bool
    unit: str = ""
    low: float = 0.0
    high: float = math.inf


@dataclass(frozen=True)
class Kind:
    """All that is known of one kind of statistics. The first metric is the one that stands for the task.

    Statistics are plain JSON values that add up over rows, so that scores can be recomputed from a record.

    metrics: what `compute` gives, in the order of columns.
    compute: statistics -> metric -> value, finite. A ValueError says what is wrong with the statistics.
    error: statistics -> the primary error, lower is better. It is finite and above 0 for a perfect task too, since its
        logarithm is taken.
    rows: statistics -> how many rows of the split they count. Records are then held to count them all, so that every
        row needs a label; leave it out where rows may have none, or many.
    right: statistics -> how many rows are right, where a row is either right or wrong (`TaskMetric.judge_rows`); `rows`
        is given too.
    keys: the names of the statistics, if records should have no others.
    truth: statistics -> the numbers in them that the targets alone decide, such as how often a class occurs; equal for
        every method on the same data.
    error_of: metric -> value -> the primary error, without its lower bound. Curves hold metrics only; by it, the epoch
        that a run kept is checked against them.
    contradictions: statistics -> sentences on numbers in them that exclude each other.
    trace: statistics -> those with many digits, which two runs share only where one is a copy of the other.
    """

    metrics: tuple[Metric, ...]
    compute: Callable[[State], dict[str, float]]
    error: Callable[[State], float]
    rows: Callable[[State], int] | None = None
    right: Callable[[State], int] | None = None
    keys: Collection[str] = ()
    truth: Callable[[State], list[int]] = lambda state: []
    error_of: Callable[[Mapping[str, float]], float] | None = None
    contradictions: Callable[[State], list[str]] = lambda state: []
    trace: Callable[[State], list[float]] = lambda state: []


class Kinds(UserDict[str, Kind]):
    """Registry of name -> kind; none is replaced or taken away, since stored scores follow from them."""

    def __setitem__(self, name: str, kind: Kind) -> None:
        """Add a kind. Raises ValueError where the name is taken or empty, or where metrics share a name."""
        if name in self.data:
            # A kind that a plug-in replaced would score stored statistics in another way.
            by = getattr(self.data[name].compute, "__module__", "another module")
            raise ValueError(f"The kind of metric `{name}` is registered already, by {by}; choose another name.")
        names = [metric.name for metric in kind.metrics]
        if not name or not names or len(set(names)) < len(names):
            raise ValueError(f"A kind should have a name, and metrics of different names. Found `{name}`: {names}.")
        self.data[name] = kind

    def __delitem__(self, name: str) -> None:
        """Always raises ValueError."""
        raise ValueError(f"The kind of metric `{name}` should stay, since stored scores follow from it.")


KINDS = Kinds()  # of this process: built-in kinds, and those of the plug-ins that were loaded


def register_kind(name: str, kind: Kind) -> None:
    """Make a kind of statistics known as `name`, beside the suite that uses it.

    Raises ValueError where the name is taken, or the kind has no metrics or two of one name.
    """
    KINDS[name] = kind


def explain_unknown_kinds(metrics: Mapping[str, str]) -> str:
    """One sentence on the tasks whose kind is not registered here; empty where all are known.

    metrics: task -> name of its kind, as a protocol has it.
    """
    tasks = {task: name for task, name in metrics.items() if name not in KINDS}
    if not tasks:
        return ""
    first = next(iter(tasks.values()))
    of = ", ".join(f"`{task}`" for task in list(tasks)[:3]) + (", ..." if len(tasks) > 3 else "")
    return (
        f"The kind of metric `{first}`, of {of}, should be registered; {hint(first, KINDS)}. Give the file that "
        "registers it with `--plugin`, or do so beside the suite, with `register_kind` of bench.api."
    )


def find_kind(name: str) -> Kind:
    """The kind called `name`. Raises ValueError with the nearest ones."""
    if name not in KINDS:
        raise ValueError(f"There is no kind of metric `{name}`; {hint(name, KINDS)}.")
    return KINDS[name]


def list_metrics(name: str) -> dict[str, Metric]:
    """Name -> metric of a kind, in the order of columns; empty where the kind is not known."""
    return {metric.name: metric for metric in KINDS[name].metrics} if name in KINDS else {}
