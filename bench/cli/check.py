"""Hold a method, a suite, or a file that registers some, against the contract of plug-ins."""

import argparse
import json
import sys
from dataclasses import asdict

from bench.cli import options
from bench.errors import UsageError

EPILOG = """examples:
  mtlbench check cross_stitch
  mtlbench check my_method.py
  mtlbench check --all --json

A file is imported, so that its code runs with your rights: check only what you trust.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("subject", metavar="NAME|FILE", nargs="?", help="a registered name, or a Python file")
    parser.add_argument("--all", action="store_true", help="everything that is registered")
    options.add_plugin(parser)
    options.add_data_dir(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run every rule; exit code 1 where one failed."""
    import torch

    from bench.check import check, subjects
    from bench.registry import PACKAGES, entries

    if bool(arguments.subject) == arguments.all:
        raise UsageError("`mtlbench check` should be given a NAME or a FILE, or --all.")
    options.load_plugins(arguments.plugin)
    chosen = (
        [(kind, name) for kind in PACKAGES for name in entries(kind)] if arguments.all else subjects(arguments.subject)
    )
    data = options.data_dir(arguments.data_dir)
    torch.set_num_threads(1)  # the models are tiny: a second thread only waits for the first
    outcomes = []
    for number, (kind, name) in enumerate(chosen, 1):
        found = list(check(kind, name, data))
        outcomes += found
        if arguments.all:
            bad = sum(not outcome.passed for outcome in found)
            print(
                f"{number}/{len(chosen)} {kind} {name}: {len(found)} rules, {bad} failed", file=sys.stderr, flush=True
            )
    failed = sum(not outcome.passed for outcome in outcomes)
    if arguments.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
        return 1 if failed else 0
    for outcome in outcomes:
        if not outcome.passed or not arguments.all:
            word = "ok  " if outcome.passed else "FAIL"
            print(f"{word} {outcome.subject}: {outcome.rule}{': ' if outcome.advice else ''}{outcome.advice}")
    print(f"{len(outcomes)} rules checked on {len(chosen)} part{'s' * (len(chosen) != 1)}, {failed} failed.")
    return 1 if failed else 0
