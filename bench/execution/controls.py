"""The runs of controls: a method again with one thing changed, as a longer or wider one."""

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
    """The runs of controls on a suite, each once; what `all` holds and the suite has not is said and left out.

    Raises UsageError for what the user wrote.
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
