"""The runs of controls: a method again with one thing changed, such as a longer or a wider one.

A control tells whether what a method gains comes from sharing, or from the time and size that it takes with it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan
from bench.records import RunSpec
from leaderboard.boards.controls import find_controls


def plan_controls(
    suite_text: str, names: Sequence[str], seeds: Sequence[int], device: str = "auto", data_dir: Path | None = None
) -> list[RunSpec]:
    """Plan the runs of controls on a suite, each once.

    Args:
        suite_text: A suite with options.
        names: Controls, or `all`; of `all` those that do not fit the suite are left out, with a sentence on standard
            error.
        seeds: Of each run.
        device: As --device.
        data_dir: Where data sets are.

    Raises:
        UsageError: A control is not known or does not fit the suite, or the suite has a single task.
    """
    _, suite = parse_suite(suite_text, data_dir)
    tasks = [task.name for task in suite.tasks]
    if names and len(tasks) < 2:
        raise UsageError(f"Controls should be run on a suite of two tasks or more. Found one (`{tasks[0]}`).")
    specs: dict[str, RunSpec] = {}
    for control in find_controls(names):
        rows = control.rows(tasks, suite.protocol.epochs)
        parts = [(row.method, part.settings) for row in rows for part in row.parts]
        try:
            runs = [run for method, set_ in parts for run in plan(suite_text, [method], seeds, set_, device, data_dir)]
        except UsageError as error:
            if control.name in names:
                raise
            print(f"Control `{control.name}` is left out: {error}", file=sys.stderr)
        else:
            specs |= {run.run_id: run for run in runs}
    return list(specs.values())
