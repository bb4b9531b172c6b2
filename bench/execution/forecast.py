"""Run-time estimates for planned cells, from the recorded cost of similar runs.

`mtlbench run --dry-run` prints them, and cells are started in their order. An estimate is a median: it knows nothing of
a faster machine or a busier one.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

from bench.engines import Engine
from bench.errors import count_nouns
from bench.execution.plan_status import PlanStatus
from bench.records import RunSpec, parse_method
from leaderboard.store import Store
from leaderboard.store.committed import COMMITTED

# What runs have in common so that their times are comparable: the device, then the method, its parts, or nothing more.
Key = tuple[str, ...]


class Estimates:
    """Seconds of training, from the records of a store and the committed ones.

    The median over past runs of seconds per update, times the updates: of the same suite and method, else of a method
    with the same parts under other options, else of any method on the suite. The store's own runs come first, since
    times are comparable inside one hardware class only, and the committed ones are from other machines.

    Records are read once per suite, at the first question about it.
    """

    def __init__(self, store: Path) -> None:
        self._stores = (store, COMMITTED)
        self._known: dict[str, list[Mapping[Key, float]]] = {}

    def seconds(self, spec: RunSpec) -> float | None:
        """Estimated seconds of one cell; None where the suite was never run on this kind of device."""
        if spec.suite not in self._known:
            self._known[spec.suite] = [_read_paces(store, spec.suite) for store in self._stores]
        # The most similar runs first, and among equally similar ones those of this store before the committed ones.
        for key in _similarity_keys(spec):
            for paces in self._known[spec.suite]:
                if key in paces:
                    return paces[key] * _count_updates(spec)
        return None

    def longest_first(self, specs: Iterable[RunSpec]) -> list[RunSpec]:
        """Specifications by falling estimate, so that no long cell runs last, alone.

        Those without an estimate come first: they may be long.
        """

        def length(spec: RunSpec) -> float:
            seconds = self.seconds(spec)
            return math.inf if seconds is None else seconds

        return sorted(specs, key=length, reverse=True)


@dataclass(frozen=True)
class Forecast:
    """Estimated training time of planned cells.

    `cells` maps run id -> seconds, None where no past run is similar; `workers` is how many run at a time.
    """

    cells: dict[str, float | None]
    workers: int

    @property
    def known(self) -> list[float]:
        """Estimated seconds of the cells that have an estimate."""
        return [seconds for seconds in self.cells.values() if seconds is not None]

    @property
    def wall(self) -> float:
        """Seconds until the last worker is free, where each takes the longest cell that is left.

        Training only: imports, evaluation and cells without an estimate are not in it.
        """
        # When each worker will be free, as a heap: the next cell goes to the first.
        free = [0.0] * max(1, self.workers)
        for seconds in sorted(self.known, reverse=True):
            heapq.heapreplace(free, free[0] + seconds)
        return max(free)

    def as_json(self) -> dict[str, object]:
        """The value of the key `estimate` of `run --dry-run --json`; seconds are rounded to tenths."""
        return {
            "train_seconds": round(sum(self.known), 1),
            "wall_seconds": round(self.wall, 1),
            "workers": self.workers,
            "unknown": len(self.cells) - len(self.known),
            "cells": {run_id: seconds and round(seconds, 1) for run_id, seconds in self.cells.items()},
        }

    def lines(self, specs: Sequence[RunSpec]) -> list[str]:
        """A line per method, with the mean and the sum of its cells, and one for all."""
        methods: dict[str, list[float | None]] = {}
        for spec in specs:
            methods.setdefault(spec.method, []).append(self.cells[spec.run_id])
        lines = []
        for method, cells in methods.items():
            known = [seconds for seconds in cells if seconds is not None]
            cost = (
                f"{format_duration(sum(known) / len(known))} each, {format_duration(sum(known))} in all"
                if known
                else "no past run"
            )
            lines.append(f"estimate {len(cells):4} x {method}: {cost}")
        unknown = len(self.cells) - len(self.known)
        training, wall = format_duration(sum(self.known)), format_duration(self.wall)
        total = f"{training} of training, about {wall} with {self.workers} at a time"
        verb = "is" if unknown == 1 else "are"
        more = f"; {count_nouns(unknown, 'cell')} without a similar past run {verb} not counted" if unknown else ""
        noun = "cell" if len(self.cells) == 1 else "cells"
        return [*lines, f"estimate {len(self.cells):4} {noun}: {total}{more}"]


def forecast(outcome: PlanStatus, store: Path, engine: Engine) -> Forecast:
    """Estimate the time of the missing cells with the workers of `engine`; nothing is started."""
    missing = outcome.missing
    if not missing:
        return Forecast({}, 0)
    estimates = Estimates(store)
    return Forecast({spec.run_id: estimates.seconds(spec) for spec in missing}, count_workers(engine, missing))


def count_workers(engine: Engine, specs: Sequence[RunSpec]) -> int:
    """How many of `specs`, of which there is one at least, an engine runs at a time. It is entered to be asked."""
    with engine:
        return engine.width(specs)


def print_forecast(outcome: PlanStatus, cost: Forecast) -> None:
    """Print a line per cell, with its estimated time, then the estimate per method and for all.

    Args:
        outcome: The plan. Cells that are stored are listed too.
        cost: Its estimate; cells that no past run is like have no time.
    """
    for spec in outcome.specs:
        settings = "".join(f" --set {key}={value}" for key, value in spec.overrides.items())
        seconds = cost.cells.get(spec.run_id)
        about = f"  (about {format_duration(seconds)})" if seconds is not None else ""
        print(f"{outcome.status[spec.run_id]:8} {spec.run_id} {spec.method} seed {spec.seed}{settings}{about}")
    for line in cost.lines(outcome.missing) if outcome.missing else []:
        print(line)


def format_duration(seconds: float) -> str:
    """Seconds as H:MM:SS, with days where there are some."""
    return str(timedelta(seconds=round(seconds)))


def _similarity_keys(spec: RunSpec) -> list[Key]:
    """Groups of similar runs that a cell belongs to, the most similar first."""
    method = parse_method(spec.method)
    parts = [part.name for part in (method.sharing, method.constraint, method.weighting) if part]
    device = spec.protocol.device
    return [(device, "method", spec.method), (device, "parts", *parts), (device, "suite")]


def _count_updates(spec: RunSpec) -> int:
    """Updates of a cell, over all members of an ensemble."""
    return spec.protocol.updates * spec.protocol.members


def _read_paces(root: Path, suite: str) -> dict[Key, float]:
    """key -> median seconds per update, from the records of a suite, by its canonical name, in one store.

    Scores are not checked, which takes longer than all the rest; what is no record is skipped.
    """
    paces: dict[Key, list[float]] = {}
    for record in Store(root).read(suite.partition(":")[0], check=False).records:
        if record.spec.suite == suite and record.status == "done" and record.cost:
            for key in _similarity_keys(record.spec):
                paces.setdefault(key, []).append(record.cost.train_seconds / _count_updates(record.spec))
    return {key: median(values) for key, values in paces.items()}
