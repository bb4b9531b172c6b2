"""Time the harness against a bare PyTorch loop: same model, data, device and threads, alternately in one process."""

import argparse
import json
import sys

from bench.cli import options
from bench.errors import UsageError, nearest

EPILOG = """examples:
  mtlbench perf
  mtlbench perf hard mtan hard@pcgrad --suite multimnist
  mtlbench perf --all --json
  mtlbench perf --linear --data-dir ~/data
"""
DEFAULT = ["single_task", "hard"]


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"default: {' and '.join(DEFAULT)}")
    parser.add_argument("--all", action="store_true", help="every built-in method that a suite supports")
    parser.add_argument("--linear", action="store_true", help="the solver of linear models instead")
    parser.add_argument("--suite", action="append", metavar="SUITE", help="only this suite; repeatable")
    parser.add_argument("--rounds", type=options.positive, default=9, metavar="N", help="pairs of blocks (default: 9)")
    options.add_data_dir(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print ratios with their spread."""
    if arguments.linear:
        return _linear(arguments)
    from bench.training.perf import SUITES, layouts, measure

    if arguments.all and arguments.methods:
        raise UsageError("Give methods or `--all`, not both.")
    for suite in arguments.suite or ():
        if suite not in SUITES:
            raise UsageError(f"Updates of `{suite}` are not timed; the nearest that are: {nearest(suite, SUITES)}.")
    methods = [] if arguments.all else arguments.methods or DEFAULT
    data_dir = options.data_dir(arguments.data_dir)
    results = []
    for row in measure(data_dir, methods, arguments.suite or tuple(SUITES), arguments.rounds):
        results.append(row)
        print(f"{row['suite'].partition(':')[0]} {row['method']}: {row['ratio']:.3f}", file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps(results, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(title="One update, milliseconds (medians of alternating blocks)", title_justify="left", box=None)
    for heading in ("suite", "method", "bare", "harness", "difference", "ratio [quartiles]"):
        table.add_column(heading, justify="left" if heading in ("suite", "method") else "right")
    for row in results:
        table.add_row(
            row["suite"].partition(":")[0],
            row["method"],
            f"{row['bare_ms']:.3f}",
            f"{row['harness_ms']:.3f}",
            f"{row['harness_ms'] - row['bare_ms']:+.3f}",
            f"{row['ratio']:.3f} [{row['ratio_low']:.3f}, {row['ratio_high']:.3f}]",
        )
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for row in [] if arguments.suite else layouts(data_dir, arguments.rounds):
        console.print(
            f"channels_last on {row['suite']}: {row['channels_last_ms']:.2f} ms instead of {row['contiguous_ms']:.2f}, "
            f"ratio {row['ratio']:.3f}",
            highlight=False,
        )
    return 0


def _linear(arguments: argparse.Namespace) -> int:
    """The solver on School and on common inputs."""
    from bench.training.perf_linear import measure_linear

    if arguments.methods or arguments.all or arguments.suite:
        raise UsageError("`--linear` times the solver: leave out methods, `--all` and `--suite`.")
    school, common = measure_linear(options.data_dir(arguments.data_dir), arguments.rounds)
    if arguments.json:
        print(json.dumps([school, common], indent=1))
        return 0
    print(
        f"{school['what']}, on {school['on']}: {school['seconds']:.2f} s ({school['processor_seconds']:.2f} s of the "
        f"processor), {school['iterations']} iterations, largest gap {school['gap']:.1e}"
    )
    line = f"{common['what']}, on {common['on']}: {common['ours_ms']:.0f} ms"
    if common["celer_ms"] is None:
        print(f"{line}; celer, to compare with, is installed by `pip install 'mtlbench[dev]'`")
    else:
        print(
            f"{line} to a gap of {common['gap']:.1e}; celer {common['celer_ms']:.0f} ms to {common['celer_gap']:.1e}; "
            f"ratio {common['ratio']:.2f} [{common['ratio_low']:.2f}, {common['ratio_high']:.2f}]"
        )
    return 0
