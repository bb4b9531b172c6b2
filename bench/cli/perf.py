"""Time the harness against a bare PyTorch loop: same model, data, device and threads, alternately in one process."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.cli import options
from bench.cli.terminal import text_cell
from bench.errors import UsageError, hint

EPILOG = """examples:
  mtlbench perf
  mtlbench perf hard mtan hard@pcgrad --suite multimnist
  mtlbench perf --all --json
  mtlbench perf --effects
  mtlbench perf --linear --data-dir ~/data
  mtlbench perf --loop --rounds 5
  mtlbench perf --site                           # seconds to build the leaderboard's pages for 10,000 records
  mtlbench perf --board scenes_1                 # on a quiet machine: tables then show each method's step time
"""
# Many towers and one trunk: the longest and the shortest update of the simple methods.
DEFAULT = ["single_task", "hard"]
SITE_RECORDS = 10_000


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"default: {' and '.join(DEFAULT)}")
    parser.add_argument("--all", action="store_true", help="the reference methods: a trunk, towers, towers that meet")
    parser.add_argument("--all-methods", action="store_true", help="every built-in method that a suite supports")
    parser.add_argument("--effects", action="store_true", help="what each thing that makes a run fast is worth")
    parser.add_argument("--linear", action="store_true", help="the solver of linear models instead")
    parser.add_argument("--loop", action="store_true", help="a step of `mtlbench.share` beside loops of others instead")
    parser.add_argument("--site", action="store_true", help="the build of the leaderboard's pages instead")
    parser.add_argument("--board", metavar="NAME", help="every method of a board beside its reference, into a file")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="of the file of --board (default: where tables look for it)"
    )
    parser.add_argument("--suite", action="append", metavar="SUITE", help="only this suite; repeatable")
    parser.add_argument(
        "--rounds", type=options.parse_positive, default=9, metavar="N", help="pairs of blocks (default: 9)"
    )
    options.add_data_dir(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Time updates, speedups or the linear solver, and print ratios with their quartiles.

    Each row is told on standard error as soon as it is measured, since all of them take minutes. Returns 0; a slow
    harness is no failure of the command.

    Raises:
        UsageError: Options exclude each other, or no size of a block is known for a suite.
    """
    if arguments.linear:
        return _time_linear_solver(arguments)
    if arguments.loop:
        return _time_own_loop(arguments)
    if arguments.site:
        return _time_site(arguments)
    if arguments.out and not arguments.board:
        raise UsageError("`--out` should be given with `--board`, whose file it places.")
    from bench.perf.harness import BLOCK_UPDATES, REFERENCE, measure

    # Each names what is measured; two of them would contradict each other.
    asked = [bool(arguments.methods), arguments.all, arguments.all_methods, arguments.effects, bool(arguments.board)]
    if sum(asked) > 1:
        raise UsageError("Give methods or `--all`, `--all-methods`, `--effects` or `--board`, one of them.")
    if (arguments.effects or arguments.board) and arguments.suite:
        option = "--effects" if arguments.effects else "--board"
        raise UsageError(f"`{option}` should be given without `--suite`: it has its own.")
    for suite in arguments.suite or ():
        if (name := suite.partition(":")[0]) not in BLOCK_UPDATES:
            raise UsageError(f"Updates of `{name}` are not timed; {hint(name, BLOCK_UPDATES)}.")
    data_dir = options.resolve_data_dir(arguments.data_dir)
    if arguments.board:
        return _time_board(data_dir, arguments)
    if arguments.effects:
        return _time_speedups(data_dir, arguments)
    methods = () if arguments.all_methods else REFERENCE if arguments.all else arguments.methods or DEFAULT
    results = []
    for row in measure(data_dir, methods, arguments.suite or tuple(BLOCK_UPDATES), arguments.rounds):
        results.append(row)
        print(f"{row['suite']} {row['method']}: {row['ratio']:.3f}", file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps(results, indent=1))
        return 0
    lines = [
        (
            row["suite"],
            row["method"],
            f"{row['bare_ms']:.3f}",
            f"{row['harness_ms']:.3f}",
            f"{row['harness_ms'] - row['bare_ms']:+.3f}",
            _format_ratio(row),
        )
        for row in results
    ]
    headings = ("suite", "method", "bare", "harness", "difference", "ratio [quartiles]")
    _print_table("One update, milliseconds (medians of alternating blocks)", headings, 2, lines)
    return 0


def _refuse_others(arguments: argparse.Namespace, sentence: str) -> None:
    """Raise UsageError with the sentence where methods, a suite or another thing to measure are named too."""
    asked = (arguments.methods, arguments.all, arguments.all_methods, arguments.effects, arguments.suite)
    if any((*asked, arguments.board, arguments.out)):
        raise UsageError(sentence)


def _time_own_loop(arguments: argparse.Namespace) -> int:
    """Time steps in a loop of one's own beside loops of others, and print a table of them; returns 0.

    Raises:
        UsageError: Methods, a suite or another thing to measure are named too.
    """
    from bench.perf.own_loop import measure_own_loop

    _refuse_others(arguments, "`--loop` times its own network: leave out methods, suites and what else is measured.")
    results = list(measure_own_loop(arguments.rounds))
    if arguments.json:
        print(json.dumps(results, indent=1))
        return 0
    lines = [
        (
            row["step"],
            row["beside"],
            f"{row['step_ms']:.1f}",
            f"{row['beside_ms']:.1f}",
            _format_ratio(row),
            f"{row['step_mb'] / row['beside_mb']:.2f}",
        )
        for row in results
    ]
    headings = ("step", "beside", "step, ms", "beside, ms", "ratio [quartiles]", "memory")
    _print_table("One update of a ResNet-18 at 72x96, 32 rows, 3 tasks; times of the processor", headings, 2, lines)
    return 0


def _time_site(arguments: argparse.Namespace) -> int:
    """Build the site of SITE_RECORDS committed records into a temporary folder, and print what it took; returns 0.

    Raises:
        UsageError: Methods, a suite or another thing to measure are named too.
    """
    from leaderboard.boards.board import boards
    from leaderboard.site.build_time import time_build
    from leaderboard.store import Store, StoreContents
    from leaderboard.store.committed import COMMITTED

    _refuse_others(
        arguments, "`--site` times the build of the pages: leave out methods, suites and what else is measured."
    )
    start = time.process_time()
    records = Store(options.require_store(COMMITTED)).read().records
    reading = (time.process_time() - start) * min(1.0, SITE_RECORDS / max(1, len(records)))
    # Evenly, so that every suite has its share.
    count = min(SITE_RECORDS, len(records))
    kept = [records[at * len(records) // count] for at in range(count)]
    with tempfile.TemporaryDirectory(prefix="mtlbench-site-") as folder:
        taken = time_build(StoreContents(kept), list(boards().values()), Path(folder))
    if arguments.json:
        print(json.dumps({**vars(taken), "reading_processor_seconds": reading}, indent=1))
        return 0
    print(
        f"{taken.records:,} records: {taken.seconds:.1f} s ({taken.processor_seconds:.1f} s of the processor) for "
        f"{taken.pages:,} pages, and {reading:.1f} s of the processor to read them"
    )
    print(f"The heaviest page loads {taken.bytes_loaded:,} bytes: {taken.heaviest}")
    return 0


def _time_linear_solver(arguments: argparse.Namespace) -> int:
    """Time the solver on School and on common inputs, and print both; returns 0.

    Raises:
        UsageError: Methods, a suite or another thing to measure are named too.
    """
    from bench.perf.linear_solver import measure_linear

    asked = (arguments.methods, arguments.all, arguments.all_methods, arguments.effects, arguments.suite)
    if any((*asked, arguments.board, arguments.out)):
        raise UsageError(
            "`--linear` times the solver: leave out methods, `--all`, `--effects`, `--suite` and `--board`."
        )
    school, common = measure_linear(options.resolve_data_dir(arguments.data_dir), arguments.rounds)
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


def _time_speedups(data_dir: Path, arguments: argparse.Namespace) -> int:
    """Time every speedup, without and with it, and print a table of them; returns 0."""
    from bench.perf.speedups import measure_speedups

    results = []
    for row in measure_speedups(data_dir, arguments.rounds):
        results.append(row)
        print(f"{row['suite']} {row['effect']}: {row['ratio']:.3f}", file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps(results, indent=1))
        return 0
    lines = [
        (
            row["effect"],
            row["suite"],
            row["work"],
            f"{row['without_ms']:.3f}",
            f"{row['with_ms']:.3f}",
            _format_ratio(row),
        )
        for row in results
    ]
    headings = ("effect", "suite", "work", "without", "with", "ratio [quartiles]")
    _print_table("The same work without and with it, milliseconds", headings, 3, lines)
    return 0


def _time_board(data_dir: Path, arguments: argparse.Namespace) -> int:
    """Time every method of a board, write the file that its tables read, and print its path; returns 0.

    On a machine that was not quiet the file says so, and no table shows it; a sentence on standard error tells.

    Raises:
        UsageError: there is no such board, or updates of one of its suites are not timed.
    """
    import torch

    from bench.perf.board_times import time_methods
    from bench.perf.harness import BLOCK_UPDATES
    from bench.planning.plan import plan
    from bench.training.environment import hardware, versions
    from leaderboard.boards import step_times
    from leaderboard.boards.board import load_board
    from leaderboard.store.json_text import format_json, write_whole

    board = load_board(arguments.board)
    for part in board.parts:
        if (name := part.suite.partition(":")[0]) not in BLOCK_UPDATES:
            raise UsageError(f"Updates of `{name}` are not timed, so that `{board.name}` has no step times.")
    suites, processor, clock = {}, 0.0, 0.0
    for part in board.parts:
        times = {}
        rows = time_methods(part.suite, part.methods, board.reference, data_dir, arguments.rounds, part.protocol)
        for row in rows:
            times[row.method] = step_times.StepTime(ms=row.ms, ratio=row.ratio, low=row.low, high=row.high)
            processor, clock = processor + row.processor, clock + row.clock
            print(f"{part.suite} {row.method}: {row.ratio:.3f}", file=sys.stderr, flush=True)
        [spec] = plan(part.suite, [board.reference], [0], {}, "cpu", data_dir, version=part.protocol)
        settings = step_times.settings_of_updates(spec.protocol)
        suites[part.suite] = step_times.PartTimes(settings=settings, methods=times)
    found = step_times.BoardTimes(
        board=board.name,
        reference=board.reference,
        machine=hardware(torch.device("cpu")),
        versions=versions(),
        created=datetime.now(UTC).date().isoformat(),
        rounds=arguments.rounds,
        share=processor / clock,
        suites=suites,
    )
    folder = arguments.out or step_times.STEP_TIMES
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{board.name}.json", format_json(found.model_dump(mode="json")) + "\n")
    print(folder / f"{board.name}.json")
    if not found.quiet:
        print(
            f"mtlbench: The machine was busy: the measurement had {found.share:.0%} of a processor, and tables show "
            f"times of {step_times.QUIET:.0%} or more. Measure again while nothing else runs.",
            file=sys.stderr,
        )
    return 0


def _format_ratio(row: Mapping[str, Any]) -> str:
    """A ratio with its quartiles, as text.

    A reader should see from them whether the difference is more than noise of the machine.
    """
    return f"{row['ratio']:.3f} [{row['ratio_low']:.3f}, {row['ratio_high']:.3f}]"


def _print_table(title: str, headings: Sequence[str], words: int, lines: Sequence[Sequence[str]]) -> None:
    """Print a table that keeps its rows whole in a file.

    Args:
        title: Above the table.
        headings: Of the columns.
        words: How many columns at the left hold words; the others hold numbers and are aligned to the right.
        lines: The cells, row by row.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < words else "right")
    for line in lines:
        table.add_row(*map(text_cell, line))
    # In a file rows should not be broken at the 80 columns that rich assumes.
    Console(width=None if sys.stdout.isatty() else 140).print(table)
