"""Curves: the runs of one method at several values of a setting of the protocol, and the value that validation chooses.

A run is a point of a curve where the setting is among its overrides, also at the value that the protocol has by itself:
what a curve is made of stands on no board.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from types import MappingProxyType

from bench.records import ResultRecord, canonical_json
from bench.records.values import FEWEST_VALUES, GridEnd, SettingGrid, list_numeric_settings, write_setting
from bench.scores import KINDS
from leaderboard.boards.changed import pairs_of
from leaderboard.boards.comparability import keep_largest_group, keep_last_code, keep_newest_methods, keep_newest_suite

Points = dict[float, dict[int, ResultRecord]]  # value -> seed -> its run, finished or failed


@dataclass(frozen=True)
class SettingCurve:
    """The runs of one method at values of one setting, everything else alike.

    suite, method: their short names, as tables list them.
    setting: its name in the protocol.
    settings: what else was changed in the protocol, as sorted pairs.
    points: value, ascending -> seed -> its run.
    finals: value -> seed -> its run on further seeds, of the best values where a budget has them run again.
    """

    suite: str
    method: str
    setting: str
    settings: tuple[tuple[str, str], ...]
    points: Points
    finals: Points = field(default_factory=dict)

    @property
    def grid(self) -> SettingGrid:
        """The values that were run."""
        return SettingGrid(self.setting, tuple(self.points))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that every value was run on: values are compared on the same ones."""
        shared = set.intersection(*(set(runs) for runs in self.points.values())) if self.points else set()
        return tuple(sorted(shared))

    @cached_property
    def objectives(self) -> dict[float, float]:
        """value -> mean over the seeds of `validation_objective`; infinite where a run failed.

        J(v) = 1/S sum_s sum_t log e_ts(v),   e the primary validation error at the epoch kept by `val`
        """
        return {
            value: fmean(validation_objective(runs[seed]) for seed in self.seeds) if self.seeds else math.inf
            for value, runs in self.points.items()
        }

    @cached_property
    def final_objectives(self) -> dict[float, float]:
        """value -> the same mean over the seeds of the curve and the further ones, of the values that have those."""
        first = {value: [self.points[value][seed] for seed in self.seeds] for value in self.finals}
        return {
            value: fmean(map(validation_objective, [*first[value], *again.values()]))
            for value, again in self.finals.items()
        }

    def pick_finalists(self, count: int) -> list[float]:
        """The `count` values with the least objectives, ascending; fewer where others have a failed run."""
        finite = [value for value in self.objectives if math.isfinite(self.objectives[value])]
        return sorted(sorted(finite, key=lambda value: self.objectives[value])[:count])

    @property
    def chosen(self) -> float | None:
        """The value with the least objective, the smaller of equal ones; None where every value has a failed run.

        Where values were run again it is the best of those, over all seeds; one that fails then is none.
        """
        objectives = self.final_objectives or self.objectives
        best = min(objectives, key=lambda value: objectives[value], default=None)
        return best if best is not None and math.isfinite(objectives[best]) else None

    @property
    def edges(self) -> tuple[GridEnd, ...]:
        """At which end of the values the chosen one lies, where a better one may lie beyond; both where it is alone."""
        return self.grid.find_ends(self.chosen)

    @property
    def next_values(self) -> tuple[float, ...]:
        """The value to try beyond each of `edges`; none where the chosen value is the last possible one."""
        steps = (self.grid.next_value(end) for end in self.edges)
        return tuple(step for step in steps if step is not None)


def validation_objective(run: ResultRecord) -> float:
    """Sum over tasks of the log validation error at the epoch kept by `val`; infinite where the run failed.

    Also infinite where a record says nothing of validation, as those of suites without such a split.
    """
    errors = validation_errors(run)
    return sum(map(math.log, errors.values())) if errors else math.inf


def validation_errors(run: ResultRecord) -> dict[str, float]:
    """task -> primary error on validation at the epoch kept by `val`, > 0; empty where the record does not say.

    A record that does not have the errors themselves may have the metrics of every epoch, rounded to six digits, from
    which most kinds of errors follow. A perfect score is taken as half a wrong row.
    """
    if run.status != "done":
        return {}
    if run.validation:
        return dict(run.validation)
    errors, least = {}, 0.5 / run.spec.protocol.splits.get("val", 1)
    for task, epoch in run.selection.get("val", {}).items():
        kind = KINDS.get(run.spec.protocol.metrics.get(task, ""))
        scores = {name: path[epoch - 1] for name, path in run.curves.val.get(task, {}).items() if len(path) >= epoch}
        known = {name: score for name, score in scores.items() if score is not None}
        if kind is None or kind.error_of is None or known.keys() != {metric.name for metric in kind.metrics}:
            return {}
        errors[task] = max(kind.error_of(known), least)
    return errors


def collect_curves(records: Iterable[ResultRecord]) -> list[SettingCurve]:
    """The curves that a store holds, of three values or more, by suite, method and setting.

    Of a value that was run on seeds of its own only, nothing can be compared: a curve has the seeds on which most
    values were run, and the values that have them all.
    """
    runs = [run for run in records if run.spec.overrides and run.spec.tuning is None]
    by_suite: dict[str, list[ResultRecord]] = {}
    for run in runs:
        by_suite.setdefault(run.spec.suite, []).append(run)
    found: dict[tuple[str, ...], Points] = {}
    for own in by_suite.values():
        kept = keep_newest_suite(keep_last_code(own))
        for run in keep_newest_methods(kept, lambda record: record.method):
            for setting in sorted({*run.spec.overrides} & {*list_numeric_settings()}):
                points = found.setdefault(_conditions(run, setting), {})
                points.setdefault(_value(run, setting), {})[run.spec.seed] = run
    curves = [_keep_shared_seeds(points, key[-1]) for key, points in sorted(found.items())]
    return [curve for curve in curves if curve and len(curve.points) >= FEWEST_VALUES]


def curve_of_runs(runs: Collection[ResultRecord], setting: str) -> SettingCurve | None:
    """The curve of runs that differ in the setting and the seed alone; None where there are none."""
    points: Points = {}
    for run in runs:
        points.setdefault(_value(run, setting), {})[run.spec.seed] = run
    return _curve(points, setting) if points else None


def curves_on_grid(
    records: Iterable[ResultRecord], grid: SettingGrid, seeds: Collection[int]
) -> dict[str, SettingCurve]:
    """method -> its curve over exactly the values of a grid and these seeds, of records of one suite.

    Args:
        records: of the suite; the setting is the only one that differs from its protocol.
        grid: whose values count; others that were run do not.
        seeds: likewise.

    Returns:
        Also curves that lack runs: values without any are no points of them.
    """
    runs: dict[str, list[ResultRecord]] = {}
    own = [r for r in records if r.spec.tuning is None and set(r.spec.overrides) == {grid.setting}]
    own = keep_newest_suite(keep_last_code(own))
    # Of one protocol, so that methods were given the same device too.
    own = keep_largest_group(own, lambda run: _conditions(run, grid.setting)[2])
    for run in keep_newest_methods(own, lambda record: record.method):
        if run.spec.seed in seeds and _value(run, grid.setting) in grid.values:
            runs.setdefault(run.method, []).append(run)
    curves = {method: curve_of_runs(each, grid.setting) for method, each in runs.items()}
    return {method: curve for method, curve in curves.items() if curve}


def write_value(curve: SettingCurve, value: float) -> str:
    """A value of the curve's setting with its name, as `lr=0.005`."""
    return f"{curve.setting}={write_setting(curve.setting, value)}"


def explain_edges(curves: Iterable[SettingCurve], labels: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """A sentence for the curves whose chosen value is the same end of their values, with the values to try.

    curves: of one setting.
    labels: method -> its name for people; its own where there is none.
    """
    ends: dict[tuple[str, str, str], list[str]] = {}
    for curve in curves:
        if curve.chosen is not None and curve.edges and len(curve.points) > 1:  # one value alone was not chosen
            key = curve.setting, write_value(curve, curve.chosen), _advise(curve)
            ends.setdefault(key, []).append(f"`{labels.get(curve.method, curve.method)}`")
    return [
        f"The best {setting} of {', '.join(names)} lies at the edge of its grid, {value}; {advice}."
        for (setting, value, advice), names in ends.items()
    ]


def _advise(curve: SettingCurve) -> str:
    """Which values to try beyond the end of a curve."""
    beyond = "/".join(write_setting(curve.setting, value) for value in curve.next_values)
    return f"try {curve.setting}={beyond}" if beyond else "there is no value beyond"


def _value(run: ResultRecord, setting: str) -> float:
    """The value of a setting in a run's protocol."""
    return float(getattr(run.spec.protocol, setting))


def _conditions(run: ResultRecord, setting: str) -> tuple[str, ...]:
    """What the points of a curve have in common; suite and method first, so that curves are in their order."""
    spec = run.spec
    protocol = spec.protocol.model_dump(mode="json", exclude={setting})
    others: Mapping[str, object] = {key: value for key, value in spec.overrides.items() if key != setting}
    return run.suite, spec.method, canonical_json([protocol, pairs_of(others), spec.data]), setting


def _keep_shared_seeds(points: Points, setting: str) -> SettingCurve | None:
    """The curve over the values that have all of the seeds that most values have; of as many values, the most seeds."""
    groups = {frozenset(runs) for runs in points.values()}
    sizes = {seeds: sum(seeds <= set(runs) for runs in points.values()) for seeds in groups}
    seeds = max(groups, key=lambda group: (sizes[group], len(group), sorted(group)))
    whole = {value: {seed: runs[seed] for seed in seeds} for value, runs in points.items() if seeds <= set(runs)}
    return _curve(whole, setting)


def _curve(points: Points, setting: str) -> SettingCurve:
    """A curve of points, of which there is one at least."""
    first = next(run for runs in points.values() for run in runs.values())
    others = {key: value for key, value in first.spec.overrides.items() if key != setting}
    ordered = {value: dict(sorted(points[value].items())) for value in sorted(points)}
    return SettingCurve(first.suite, first.method, setting, pairs_of(others), ordered)
