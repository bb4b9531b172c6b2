"""The runs of controls: a method again with one thing changed, such as a longer or a wider one.

A control tells whether what a method gains comes from sharing, or from the time and size that it takes with it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.catalogue.method import Method
from bench.catalogue.registry import list_entries
from bench.errors import UsageError
from bench.planning.plan import list_supported_methods, parse_suite, plan
from bench.records import RunSpec
from leaderboard.boards.controls import Control, ControlRow, ControlSubject, find_controls


def plan_controls(
    suite_text: str,
    names: Sequence[str],
    seeds: Sequence[int],
    device: str = "auto",
    data_dir: Path | None = None,
    methods: Sequence[str] = (),
    version: int | None = None,
) -> list[RunSpec]:
    """Plan the runs of controls on a suite, each once.

    Args:
        suite_text: A suite with options.
        names: Controls, or `all`; of `all` those that do not fit the suite are left out, with a sentence on standard
            error, and so is a row that does not fit where another of its control does.
        seeds: Of each run.
        device: As --device.
        data_dir: Where data sets are.
        methods: Whose twins the controls `muted` and `twin` have, in any form; where there are none, every method that
            supports the suite.
        version: Of the suite's protocol; None for the current one.

    Raises:
        UsageError: A control is not known, does not fit the suite or has no rows, or the suite has a single task.
    """
    _, suite = parse_suite(suite_text, data_dir, version)
    tasks = [task.name for task in suite.tasks]
    if names and len(tasks) < 2:
        raise UsageError(f"Controls should be run on a suite of two tasks or more. Found one (`{tasks[0]}`).")
    specs: dict[str, RunSpec] = {}
    controls = find_controls(names)
    if any(control.of_methods for control in controls) and not methods:
        methods = list_supported_methods(suite_text, data_dir)
    short = [Method.parse(method).short for method in methods]
    subject = ControlSubject(tasks, suite.protocol.epochs, suite.protocol.lr, short, twins=list_twins())
    for control in controls:
        planned, refusals = 0, []
        for row in control.rows(subject):
            try:
                runs = [
                    run
                    for part in row.parts
                    for run in plan(suite_text, [row.method], seeds, part.settings, device, data_dir, version=version)
                ]
            except UsageError as error:
                refusals.append((row, error))
            else:
                planned += 1
                specs |= {run.run_id: run for run in runs}
        _report_refusals(control, planned, refusals, named=control.name in names)
    return list(specs.values())


def list_twins() -> dict[str, str]:
    """Name of each sharing that is registered, those of plug-ins too -> its twin."""
    return {name: entry.cls.twin for name, entry in list_entries("sharing").items()}  # type: ignore[attr-defined]


def _report_refusals(
    control: Control, planned: int, refusals: Sequence[tuple[ControlRow, UsageError]], named: bool
) -> None:
    """Print which rows of a control are left out, and why, one sentence each.

    Args:
        control: Of the rows.
        planned: How many of its rows are run.
        refusals: The other rows, each with the error.
        named: The user asked for this control by its name.

    Raises:
        UsageError: Nothing of a control that was named can be run.
    """
    if planned:
        for row, error in refusals:
            print(f"Control `{control.name}` is left out for `{row.method}`: {error}", file=sys.stderr)
    elif refusals:
        if named:
            raise refusals[0][1]
        print(f"Control `{control.name}` is left out: {refusals[0][1]}", file=sys.stderr)
    elif named:
        raise UsageError(
            f"Control `{control.name}` should be run beside a method that has a twin, as in `cross_stitch`. Found none."
        )
