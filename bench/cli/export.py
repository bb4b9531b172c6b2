"""Write all runs as one table: CSV, JSON or Parquet, one row for each run, task and metric."""

import argparse
import sys
from pathlib import Path

from bench.cli import options
from bench.cli.stored_runs import read_stored_runs
from bench.errors import UsageError, count_nouns, make_printable

EPILOG = """examples:
  mtlbench export runs.csv
  mtlbench export runs.parquet --store runs                  # Parquet: pip install 'mtlbench[tables]'
  mtlbench export scenes.csv.gz --suite scenes --method single_task hard
  mtlbench export - --suite multidigits | head               # CSV on standard output

The rows and columns are those of `mtlbench.load_results`; docs/python.md describes them. Without --store, and without
a folder `runs` here, these are the committed results. pandas reads the CSV to the last digit with
`pd.read_csv(FILE, float_precision="round_trip")`.
"""

STDOUT = "-"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="what to write, by its ending: .csv, .csv.gz, .json, .json.gz or .parquet; `-` is CSV on standard output",
    )
    options.add_store(parser)
    parser.add_argument("--suite", metavar="SUITE", help="only the runs of this one")
    parser.add_argument(
        "--method", metavar="METHOD", nargs="+", action="extend", default=[], help="only the runs of these"
    )
    parser.add_argument(
        "--selection",
        choices=["val", "per_task", "last", "all"],
        default="val",
        help="which epoch of a run counts; all: a row for each rule (default: val)",
    )
    options.add_plugin(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the store, and write each file whole; a file that is there is replaced.

    Returns:
        0.

    Raises:
        UsageError: A file has another ending or is a folder, pyarrow is missing, or no run is of the suite or method.
        OSError: A file cannot be written.
    """
    from bench.system.files import write_whole
    from leaderboard.analysis.run_rows import list_run_rows
    from leaderboard.export.run_choice import choose_runs
    from leaderboard.export.run_files import find_run_writer, format_runs_csv, require_parquet
    from leaderboard.store.problem import describe_problems

    # Before the store is read, which may take half a minute.
    writers = {name: format_runs_csv if name == STDOUT else find_run_writer(name) for name in arguments.files}
    for name in filter(lambda name: name != STDOUT, writers):
        if Path(name).is_dir() or not Path(name).absolute().parent.is_dir():
            found = "a folder" if Path(name).is_dir() else "no folder to hold it"
            raise UsageError(f"`{make_printable(name)}` should be a file that can be written. Found {found}.")
        if name.lower().endswith(".parquet"):
            require_parquet()
    options.load_plugins(arguments.plugin)
    suite = arguments.suite
    contents = read_stored_runs(arguments.store, suite.partition(":")[0] if suite else None)
    own, references = choose_runs(
        contents.records,
        suite,
        arguments.method,
        lambda: read_stored_runs(arguments.store, silent=True).records,
        "mtlbench list",
    )
    rows = list(list_run_rows(own, None if arguments.selection == "all" else arguments.selection, references))
    for name, write in writers.items():
        content = write(rows)
        if name == STDOUT:
            sys.stdout.write(content.decode())
        else:
            write_whole(Path(name), content)
            options.tell(f"{name}: {count_nouns(len(own), 'run')}, {count_nouns(len(rows), 'row')}")
    for sentence in describe_problems(contents.problems):
        print(f"mtlbench: {sentence}", file=sys.stderr)
    return 0
