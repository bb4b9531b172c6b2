"""The table with which a command that ran cells ends."""

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.cli import options

if TYPE_CHECKING:
    from bench.execution.execute import Execution
    from bench.records import RunSpec
    from leaderboard.report.table import Table


def print_last_table(tables: "Sequence[Table]", metrics: str, more: str) -> None:
    """Print a table as `mtlbench table` does, in brief unless all `metrics` are asked for.

    Args:
        tables: Its parts.
        metrics: What --metrics was given.
        more: The command that shows how sure the numbers are.
    """
    from leaderboard.report.brief import write_brief
    from leaderboard.report.formats import render_parts

    read_on = f"`--metrics all` shows every metric, `{more} --details` how sure all of it is."
    print(render_parts(tables) if metrics == "all" else write_brief(tables, read_on=read_on))


def print_run_table(execution: "Execution", specs: "Sequence[RunSpec]", arguments: argparse.Namespace) -> None:
    """Print the table of cells of `mtlbench run`, and, for those under changed settings, what shows them again.

    Nothing is printed of cells of which none is done, nor with --json.

    Args:
        execution: Has the store, and says how much is told.
        specs: The cells, of which there is one at least.
        arguments: Those of the command.
    """
    from leaderboard.boards.changed import options_text
    from leaderboard.report.run_table import tabulate_runs

    where = options_text("--where", specs[0].overrides.items()) if arguments.set else ""
    words = filter(None, ("mtlbench table", shlex.quote(arguments.suite), where))
    shows = f"{' '.join(words)}{options.repeat_places(arguments)}"
    if not arguments.json:
        records = execution.store.read(specs[0].suite.partition(":")[0]).records
        table = tabulate_runs(specs, records, arguments.control)
        if table:
            print_last_table([table], arguments.metrics, shows)
    if where:
        execution.verbosity.tell(f"`{shows}` shows them.")
