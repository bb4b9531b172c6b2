"""Run methods along a setting of the protocol, as the learning rate, and tell which value validation chooses for each.

Every method has the same values and seeds. The runs stand on no board, like those of `run --set`.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.cli import execution_options, options
from bench.cli.dry_run import add_dry_run, print_plan
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.execution.execute import Execution
    from bench.execution.plan_status import PlanStatus
    from bench.records import RunSpec
    from bench.records.values import SettingGrid
    from leaderboard.analysis.curves import CurveSummary
    from leaderboard.boards.curves import SettingCurve

EPILOG = """examples:
  mtlbench curve multidigits single_task hard soft+l2 --over lr=0.0005..0.02:6
  mtlbench curve multidigits single_task hard --over lr=0.0005..0.02:6 --extend 3 --final-seeds 0-9
  mtlbench curve multidigits single_task hard --over epochs=10/20/40 --set optimiser=sgd --set lr=0.1 --dry-run

--over SETTING=VALUES: a number of the protocol, as `mtlbench protocol SUITE` names them: lr, trunk_lr, weight_decay,
batch_size, epochs, width (of the backbone) and others. Values are separated by `/`; LOW..HIGH:COUNT stands for COUNT
values between two positive numbers, in equal ratios. The same command again runs only what is missing.
"""
SEEDS = "1000-1002"  # far from the seeds of boards: a value is judged on runs that did not choose it


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multidigits`")
    parser.add_argument("methods", metavar="METHOD", nargs="+", help="as in `soft+l2`")
    parser.add_argument("--over", required=True, metavar="SETTING=VALUES", help="as in `lr=0.0005..0.02:6`")
    parser.add_argument(
        "--seeds", default=SEEDS, metavar="SEEDS", help=f"of each value, the same for all (default: {SEEDS})"
    )
    parser.add_argument(
        "--extend",
        type=options.parse_positive,
        default=0,
        metavar="N",
        help="where the best value is the last one, add up to N more, until it is inside (default: none)",
    )
    parser.add_argument(
        "--final-seeds",
        metavar="SEEDS",
        help="run each method at its best value on these seeds, too, which did not choose it",
    )
    execution_options.add_training(parser)
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan every method at every value, run what is missing, and print the curves with the chosen values.

    The choice is by the error on validation alone. With --extend, a method whose best value lies at an end gets further
    values there; with --final-seeds the best value of each is run on fresh seeds.

    Returns:
        1 where a cell failed, else 0.

    Raises:
        UsageError: --over names no number of the protocol, or --final-seeds has a seed that chooses.
    """
    from bench.execution.plan_status import report
    from bench.planning.curve import plan_best
    from bench.records import parse_seeds
    from bench.records.values import SettingGrid
    from leaderboard.analysis.curves import summarise_curve

    grid, seeds = SettingGrid.parse(arguments.over), parse_seeds(arguments.seeds)
    finals = parse_seeds(arguments.final_seeds) if arguments.final_seeds else []
    if both := sorted(set(seeds) & set(finals)):
        raise UsageError(f"`--final-seeds` should have none of `--seeds`, which choose the value. Found {both[0]}.")
    search = CurveSearch(arguments, execution_options.read_execution(arguments), seeds)
    specs = search.plan(arguments.methods, grid)
    if arguments.dry_run:
        outcome = print_plan(search.execution, specs, arguments.json)
        if later := _explain_later(arguments.extend, len(seeds), len(finals)):
            search.execution.verbosity.tell(later)
        report(outcome, search.execution.verbosity)
        return 0
    outcome = search.run(specs, arguments.extend)
    curves = search.curves(outcome.specs, grid.setting)
    best = {
        method: plan_best(search.point(curve), finals)
        for method, curve in curves.items()
        if finals and curve.chosen is not None
    }
    if best:
        outcome = outcome.join(search.execution.run(spec for cells in best.values() for spec in cells))
    summaries = {method: summarise_curve(curve) for method, curve in curves.items()}
    if arguments.json:
        found = [_as_json(search, summaries[method], best.get(method, [])) for method in curves]
        print(json.dumps(outcome.as_json() | {"curves": found}, indent=1))
    else:
        _print_curves(search, summaries, best)
    report(outcome, search.execution.verbosity)
    return 1 if outcome.count("failed") else 0


@dataclass(frozen=True)
class CurveSearch:
    """The runs of curves: planned, run, extended, and read from the store.

    arguments: those of the command.
    execution: how cells are run.
    seeds: of every value.
    """

    arguments: argparse.Namespace
    execution: "Execution"
    seeds: list[int]

    def plan(self, methods: Iterable[str], grid: "SettingGrid") -> "list[RunSpec]":
        """The cells of methods over the values of a grid. Raises UsageError where a method or a value does not fit."""
        from bench.planning.curve import plan_curve

        settings = options.parse_settings(self.arguments.set)
        how = self.arguments.device, self.execution.cell.data_dir, self.arguments.protocol
        return plan_curve(self.arguments.suite, methods, grid, self.seeds, settings, *how)

    def run(self, specs: "list[RunSpec]", steps: int) -> "PlanStatus":
        """Run cells, and further ones at the ends where the best values lie, `steps` times at most.

        Methods whose best value is inside get none; the status has the cells of all steps.
        """
        outcome = self.execution.run(specs)
        setting = self.arguments.over.partition("=")[0]
        for _ in range(steps):
            further = [spec for curve in self.curves(outcome.specs, setting).items() for spec in self._beyond(*curve)]
            if not further:
                break
            outcome = outcome.join(self.execution.run(further))
        return outcome

    def _beyond(self, method: str, curve: "SettingCurve") -> "Iterator[RunSpec]":
        """The cells of one more value at each end where the best one lies; none that the protocol does not take."""
        from bench.records.values import SettingGrid

        for value in curve.next_values:
            try:
                yield from self.plan([method], SettingGrid(curve.setting, (value,)))
            except UsageError as error:  # such as a momentum of 1
                self.execution.verbosity.tell(f"The curve of {curve.method} ends here: {error}")

    def curves(self, specs: "Iterable[RunSpec]", setting: str) -> "dict[str, SettingCurve]":
        """Canonical method -> its curve over the values of which every cell left a record."""
        from leaderboard.boards.curves import curve_of_runs

        cells: dict[str, dict[float, list[RunSpec]]] = {}
        for spec in specs:
            by_value = cells.setdefault(spec.method, {})
            by_value.setdefault(getattr(spec.protocol, setting), []).append(spec)
        curves = {}
        for method, by_value in cells.items():
            runs = []
            for each in by_value.values():
                stored = [self.execution.store.get(spec) for spec in each]
                # A cell whose process died has none: its value cannot be compared, and is named as failed.
                known = [record for record in stored if record]
                runs += known if len(known) == len(stored) else []
            if curve := curve_of_runs(runs, setting):
                curves[method] = curve
        return curves

    def point(self, curve: "SettingCurve") -> "RunSpec":
        """The specification of a run at the value that was chosen, of which there is one."""
        assert curve.chosen is not None
        return next(iter(curve.points[curve.chosen].values())).spec


def _explain_later(steps: int, seeds: int, finals: int) -> str:
    """What may come after the cells of a dry run; empty where nothing does."""
    more = [f"up to {steps * seeds} cells of each method at an edge of its values"] if steps else []
    more += [f"{finals} of each method at its best value"] if finals else []
    return f"Then {' and '.join(more)}." if more else ""


def _as_json(search: CurveSearch, each: "CurveSummary", best: "list[RunSpec]") -> dict[str, Any]:
    """A curve as `--json` prints it; `best` has the test error of the chosen value on fresh seeds."""
    from leaderboard.analysis.curves import average_test_error
    from leaderboard.report.curves import curve_as_json, interval_as_json

    value = curve_as_json(each)
    if best:
        error = average_test_error([record for spec in best if (record := search.execution.store.get(spec))])
        value["best"] = {"seeds": [spec.seed for spec in best], "test": interval_as_json(error)}
    return value


def _print_curves(search: CurveSearch, summaries: "dict[str, CurveSummary]", best: "dict[str, list[RunSpec]]") -> None:
    """Print the curves, then each method at its best value on fresh seeds, where it was run there.

    Args:
        search: Whose store has the runs.
        summaries: Canonical method -> its curve.
        best: Canonical method -> the cells at its best value.
    """
    from leaderboard.analysis.curves import average_test_error
    from leaderboard.boards.curves import write_value
    from leaderboard.report.curves import write_curves, write_error
    from leaderboard.report.terminal import draw_texts

    print(write_curves(list(summaries.values())), end="")
    lines = []
    for method, specs in best.items():
        records = [record for spec in specs if (record := search.execution.store.get(spec))]
        curve, error = summaries[method].curve, average_test_error(records)
        chosen = write_value(curve, curve.chosen) if curve.chosen is not None else ""
        lines.append([curve.method, chosen, write_error(error), str(error.n)])
    if lines:
        head = ["method", "best value", "test error ↓", "seeds"]
        print(draw_texts("At its best value, on seeds that did not choose it", head, lines, [], ("method",)), end="")
