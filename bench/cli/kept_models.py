"""What commands on the trained model of a run share: naming the run, and opening its model."""

import argparse
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from bench.cli import options

if TYPE_CHECKING:
    from bench.training.rebuild import RebuiltModel


def add_run(parser: argparse.ArgumentParser, what: str = "a run id, or the beginning of one") -> None:
    """Add RUN, which `open_model` reads."""
    parser.add_argument("run_text", metavar="RUN", help=what)


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add where the model, its data and its plug-ins are, and --json."""
    options.add_store(parser)
    options.add_data_dir(parser)
    options.add_plugin(parser)
    options.add_json(parser)


def open_model(arguments: argparse.Namespace) -> "RebuiltModel":
    """The model of RUN. Says on standard error where it was trained under other packages.

    Raises:
        UsageError: There is no such model, or a part of it is of another version here.
        ValueError: The files of the model are damaged.
    """
    from bench.prediction.find import find_card, read_kept_model

    root = options.require_store(options.resolve_store_dir(arguments.store))
    card_path = find_card(root, arguments.run_text)
    options.load_plugins(arguments.plugin)
    card, weights = read_kept_model(card_path)
    from bench.training.rebuild import explain_other_versions, rebuild_model

    with redirect_stdout(sys.stderr):  # what a plug-in prints
        model = rebuild_model(card, weights, options.resolve_data_dir(arguments.data_dir))
    if told := explain_other_versions(card):
        print(f"mtlbench: {told}", file=sys.stderr)
    return model
