"""The table with which a command that ran cells ends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
