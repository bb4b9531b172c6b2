"""`--dry-run` of the commands that train: the plan and an estimate of its cost, and nothing is trained."""

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.execution.execute import Execution
    from bench.execution.plan_status import PlanStatus
    from bench.records import RunSpec


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add --dry-run, which a command answers with `print_plan`."""
    parser.add_argument(
        "--dry-run", action="store_true", help="show the plan, with what past runs say of its cost, and exit"
    )


def print_plan(execution: "Execution", specs: "Iterable[RunSpec]", as_json: bool) -> "PlanStatus":
    """Print the cells of a plan and what past runs say of their cost; returns which of them are stored.

    Args:
        execution: Its store says what is there already, its engine how many cells run at a time (with Ray this
            connects to the cluster).
        specs: The cells.
        as_json: Print one JSON value, that of `run --json` with the key `estimate`, in place of lines.

    Raises:
        OSError: The store cannot be written.
    """
    from bench.execution.forecast import forecast, print_forecast

    outcome = execution.survey(specs)
    cost = forecast(outcome, execution.cell.store, execution.engine)
    if as_json:
        print(json.dumps(outcome.as_json() | {"estimate": cost.as_json()}, indent=1))
    else:
        print_forecast(outcome, cost)
    return outcome
