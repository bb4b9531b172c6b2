"""Runs of a curve: every method at every value of one setting of the protocol, and the best value on fresh seeds.

Which value is best is found by the leaderboard (`leaderboard.boards.curves`), on validation alone.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.catalogue.method import Method
from bench.catalogue.options import write
from bench.errors import UsageError
from bench.planning.plan import override, parse_suite, plan
from bench.records import RunSpec, Tuning
from bench.records.values import SettingGrid


def plan_curve(
    suite_text: str,
    methods: Iterable[str],
    grid: SettingGrid,
    seeds: Iterable[int],
    settings: Mapping[str, str] | None = None,
    device: str = "auto",
    data_dir: Path | None = None,
    version: int | None = None,
) -> list[RunSpec]:
    """One specification per value, method and seed, value by value; every method has the same values and seeds.

    The setting is among the overrides of each, also at the value that the protocol has by itself: a point of a curve
    stands on no board.

    Args:
        suite_text: the suite as written.
        methods: as written.
        grid: the setting and its values.
        seeds: of the runs, each of them at every value.
        settings: what else is changed in the protocol, key -> text.
        device: as in `plan`.
        data_dir, version: as in `plan`.

    Raises:
        UsageError: what the user wrote does not fit; the setting is changed by `settings`, too; or the suite has no
            validation split to choose by.
        DataMissing: the data is not there.
    """
    settings, methods, seeds = dict(settings or {}), list(methods), list(seeds)
    if grid.setting in settings:
        raise UsageError(f"`--set {grid.setting}` should be left out beside `--over {grid.setting}`.")
    _, suite = parse_suite(suite_text, data_dir, version)
    for text in grid.texts:  # what the protocol has to say of the values comes before the data is looked for
        override(suite.protocol, {**settings, grid.setting: text})
    if suite.protocol.selection != "val":
        raise UsageError(f"`{suite_text}` has no validation split, by which the best value of a curve is chosen.")
    specs = []
    for text in grid.texts:
        changed = {**settings, grid.setting: text}
        for spec in plan(suite_text, methods, seeds, changed, device, data_dir, version=version):
            value = write(getattr(spec.protocol, grid.setting))
            specs.append(spec.vary(overrides={**spec.overrides, grid.setting: value}))
    return specs


def plan_best(point: RunSpec, seeds: Iterable[int]) -> list[RunSpec]:
    """The specifications of a method at the value that its curve chose, on seeds that did not choose it.

    They are marked, so that a board can tell them from what somebody ran at the same value with `--set`.

    Args:
        point: the specification of any run at the chosen value.
        seeds: of the runs, such as those of a board.
    """
    tuning = Tuning(of=Method.parse(point.method).short, trial=0, stage="best")
    return [point.vary(seed=seed, tuning=tuning) for seed in seeds]
