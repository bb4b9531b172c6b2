"""Run-time estimates for planned cells, from the recorded cost of similar runs."""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

from bench.engines import Engine
from bench.execution.plan_status import PlanStatus
from bench.records import RunSpec, parse_method
from leaderboard.store import Store
from leaderboard.store.committed import COMMITTED

Key = tuple[str, ...]


class Estimates:
    """Seconds of training, from the records of a store and the committed ones.

    The median over past runs of seconds per update, times the updates: of the same suite and method, else of a
    method with the same parts under other options, else of any method on the suite. The store's own runs come first,
    since times are comparable inside one hardware class only, and the committed ones are from other machines.
    """

    def __init__(self, store: Path) -> None:
        self._stores = (store, COMMITTED)
        self._known: dict[str, list[Mapping[Key, float]]] = {}

    def seconds(self, spec: RunSpec) -> float | None:
        """Of one cell; None where the suite was never run on this kind of device."""
        if spec.suite not in self._known:
            self._known[spec.suite] = [_paces(store, spec.suite) for store in self._stores]
        for key in _keys(spec):
            for paces in self._known[spec.suite]:
                if key in paces:
                    return paces[key] * _updates(spec)
        return None

    def longest_first(self, specs: Iterable[RunSpec]) -> list[RunSpec]:
        """Specifications by falling estimate, so that no long cell runs last; those without an estimate come first."""

        def length(spec: RunSpec) -> float:
            seconds = self.seconds(spec)
            return math.inf if seconds is None else seconds

        return sorted(specs, key=length, reverse=True)


@dataclass(frozen=True)
class Forecast:
    """Estimated training time of planned cells with `workers` at a time: run id -> seconds, None if unknown."""

    cells: dict[str, float | None]
    workers: int

    @property
    def known(self) -> list[float]:
        """Estimated seconds of the cells that have an estimate."""
        return [seconds for seconds in self.cells.values() if seconds is not None]

    @property
    def wall(self) -> float:
        """Seconds until the last worker is free, where each takes the longest cell that is left."""
        free = [0.0] * max(1, self.workers)
        for seconds in sorted(self.known, reverse=True):
            heapq.heapreplace(free, free[0] + seconds)
        return max(free)

    def as_json(self) -> dict[str, object]:
        """The key `estimate` of `run --dry-run --json`."""
        return {
            "train_seconds": round(sum(self.known), 1),
            "wall_seconds": round(self.wall, 1),
            "workers": self.workers,
            "unknown": len(self.cells) - len(self.known),
            "cells": {run_id: seconds and round(seconds, 1) for run_id, seconds in self.cells.items()},
        }

    def lines(self, specs: Sequence[RunSpec]) -> list[str]:
        """A line per method, and one for all."""
        methods: dict[str, list[float | None]] = {}
        for spec in specs:
            methods.setdefault(spec.method, []).append(self.cells[spec.run_id])
        found = []
        for method, cells in methods.items():
            known = [seconds for seconds in cells if seconds is not None]
            cost = f"{clock(sum(known) / len(known))} each, {clock(sum(known))} in all" if known else "no past run"
            found.append(f"estimate {len(cells):4} x {method}: {cost}")
        unknown = len(self.cells) - len(self.known)
        total = f"{clock(sum(self.known))} of training, about {clock(self.wall)} with {self.workers} at a time"
        more = f"; not counted are {unknown} that no past run is like" if unknown else ""
        return [*found, f"estimate {len(self.cells):4} cells: {total}{more}"]


def forecast(outcome: PlanStatus, store: Path, engine: Engine) -> Forecast:
    """Estimate the time of the missing cells with the workers of `engine`."""
    missing = outcome.missing
    if not missing:
        return Forecast({}, 0)
    estimates = Estimates(store)
    with engine:
        workers = engine.width(missing)
    return Forecast({spec.run_id: estimates.seconds(spec) for spec in missing}, workers)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def _keys(spec: RunSpec) -> list[Key]:
    """Groups of similar runs that a cell belongs to, the most similar first."""
    method = parse_method(spec.method)
    parts = [part.name for part in (method.sharing, method.constraint, method.weighting) if part]
    device = spec.protocol.device
    return [(device, "method", spec.method), (device, "parts", *parts), (device, "suite")]


def _updates(spec: RunSpec) -> int:
    return spec.protocol.updates * spec.protocol.members


def _paces(root: Path, suite: str) -> dict[Key, float]:
    """Likeness -> median seconds per update, from the records of a suite, by its canonical name, in one store.

    Their scores are not checked, which takes longer than all the rest; what is no record is passed over.
    """
    groups: dict[Key, list[float]] = {}
    for record in Store(root).read(suite.partition(":")[0], check=False).records:
        if record.spec.suite == suite and record.status == "done" and record.cost:
            for key in _keys(record.spec):
                groups.setdefault(key, []).append(record.cost.train_seconds / _updates(record.spec))
    return {key: median(paces) for key, paces in groups.items()}
