"""Time the harness against a bare PyTorch loop: same model, data, device and threads, alternately in one process."""

import argparse
import json
import sys

from bench.cli import options

EPILOG = """examples:
  mtlbench perf
  mtlbench perf --all --json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--all", action="store_true", help="every built-in method, not only single_task and hard")
    parser.add_argument("--rounds", type=options.positive, default=9, metavar="N", help="pairs of blocks (default: 9)")
    options.add_data_dir(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print ratios with their spread."""
    from bench.training.perf import layouts, measure

    results = measure(options.data_dir(arguments.data_dir), arguments.all, arguments.rounds)
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
    for row in layouts(options.data_dir(arguments.data_dir), arguments.rounds):
        console.print(
            f"channels_last on {row['suite']}: {row['channels_last_ms']:.2f} ms instead of {row['contiguous_ms']:.2f}, "
            f"ratio {row['ratio']:.3f}",
            highlight=False,
        )
    return 0
