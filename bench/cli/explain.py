"""What a gain is made of: a method's change on one task in parts that need no other task, and what is left."""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import execution_options, options
from bench.cli.dry_run import add_dry_run, print_plan
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.execution.verbosity import Verbosity
    from leaderboard.report.explained import GainAccount

EPILOG = """examples:
  mtlbench explain deep_synthetic:tasks=4 hard --main task00
  mtlbench explain multidigits cross_stitch --main left --seeds 0-4 --dry-run
  mtlbench explain mine hard --main price --out why

The main task is learnt alone, with the method, and under conditions that hold no label of another task: copies of the
task, other rates of the trunk, the method with its path between tasks cut, other sizes, longer training, restarts,
gradients that are noise, labels that are dealt out anew. Each has the same learning rates to choose from. What the
method gives beyond itself beside shuffled labels is information. The same command goes on from what is stored.
"""
FILES = ("explained.json", "explained.md", "explained.svg")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("suite", metavar="SUITE", help="as in `multidigits` or `deep_synthetic:tasks=4`")
    parser.add_argument("method", metavar="METHOD", help="as in `hard` or `cross_stitch`")
    parser.add_argument("--main", required=True, metavar="TASK", help="whose gain is explained")
    parser.add_argument("--seeds", default="0-9", metavar="SEEDS", help="that judge, three or more (default: 0-9)")
    parser.add_argument("--out", metavar="DIR", help=f"write {', '.join(FILES)} there")
    execution_options.add_training(parser)
    parser.set_defaults(stack=0)  # as many as pay, which depends on the suite
    add_dry_run(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, round by round, and print the parts of the gain.

    Returns:
        1 where a run failed, else 0.

    Raises:
        UsageError: The suite has one task, --main is none of them, the method cannot be run on it, there are fewer
            than three seeds, or --out cannot be written.
    """
    from bench.execution.ask.book import RunBook
    from bench.execution.ask.budget import Budget
    from bench.execution.explain import Explaining, find_twin
    from bench.planning.explanation import Explanation
    from bench.planning.question import Question
    from bench.records import parse_seeds
    from leaderboard.analysis.statistics import LEAST_SEEDS

    seeds = parse_seeds(arguments.seeds)
    if len(seeds) < LEAST_SEEDS:
        raise UsageError(f"`--seeds` should be {LEAST_SEEDS} or more: fewer have no interval. Found {len(seeds)}.")
    execution = execution_options.read_execution(arguments)
    settings = options.parse_settings(arguments.set)
    for setting in ("shuffled", "smoothed", "noised", "replica", "restart"):
        if setting in settings:
            raise UsageError(f"`--set {setting}` should be left out: `mtlbench explain` sets it by itself.")
    question = Question(
        arguments.suite,
        arguments.main,
        settings,
        arguments.device,
        execution.cell.data_dir,
        pairs=False,
        candidates=(arguments.method,),
        version=arguments.protocol,
    )
    if not arguments.stack and not execution.engine.remote:
        execution = replace(execution, stack=question.stack)
    explanation = Explanation(question, find_twin(arguments.method))
    explaining = Explaining(explanation, RunBook(execution, Budget(math.inf)), seeds, tell=execution.verbosity.tell)
    if arguments.dry_run:
        specs = {spec.run_id: spec for _, runs in explaining.list_rounds() for spec in runs}
        print_plan(execution, list(specs.values()), arguments.json)
        return 0
    folder = options.make_out_folder(arguments.out)
    explaining.run()
    _write(explaining.read(), folder, arguments.json, execution.verbosity)
    return 1 if explaining.book.errors else 0


def _write(found: "GainAccount", folder: Path | None, as_json: bool, verbosity: "Verbosity") -> None:
    """Print what was found, and write its files into a folder."""
    from leaderboard.report.explained import draw_explained, format_explained

    value = json.dumps(found.as_json(), indent=1)
    if folder:
        from leaderboard.figures.waterfall import draw_waterfall_svg
        from leaderboard.store.json_text import write_whole

        texts = (value + "\n", format_explained(found), draw_waterfall_svg(found))
        written = {
            folder / name: text for name, text in zip(FILES, texts, strict=True) if text
        }  # not each has a figure
        for path, text in written.items():
            write_whole(path, text)
        verbosity.tell(f"Written: {', '.join(map(str, written))}")
    print(value if as_json else draw_explained(found), end="\n" if as_json else "")
