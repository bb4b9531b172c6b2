"""List, prepare or describe the data of suites, or import a table of your own as one."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

from bench.cli import options
from bench.cli.data_import import add_import_options, run_import
from bench.errors import DataMissing, UsageError, count_nouns, make_printable
from bench.system.regular import NotRegular, open_regular
from bench.system.shortage import explain_shortage

EPILOG = """examples:
  mtlbench data list
  mtlbench data prepare multimnist                      # downloads
  mtlbench data prepare multimnist --source /mnt/usb    # copies from a folder that holds MNIST/raw
  mtlbench data prepare scenes                          # renders
  mtlbench data prepare nyuv2 --source nyu_depth_v2_labeled.mat --size 72x96
  mtlbench data info multimnist:variant=pareto --json
  mtlbench data import photos --name photos --labels labels.csv --targets age,smiles --size 64x64
  mtlbench data import rooms --maps --name rooms --scale depth=0.001 --ignore segmentation=255
  mtlbench data import scores.csv --name scores --targets math,reading   # then: mtlbench run scores single_task hard
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument(
        "action", metavar="ACTION", choices=["list", "prepare", "info", "import"], help="list, prepare, info or import"
    )
    parser.add_argument(
        "suite", metavar="SUITE|FILE", nargs="?", help="a suite for prepare and info, a file or folder for import"
    )
    options.add_data_dir(parser)
    parser.add_argument("--source", metavar="PATH", help="a file or folder to read instead of downloading")
    parser.add_argument("--size", metavar="HxW", help="rows x columns of a suite of images, as in 72x96")
    options.add_plugin(parser)
    options.add_json(parser)
    add_import_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do one of the four actions.

    Errors may quote what files say; they are made printable here.

    Returns:
        The exit code of the action.

    Raises:
        UsageError: The arguments do not fit the suite.
        DataMissing: Data is absent, cannot be prepared, or something is short: memory, open files, room on the disk.
    """
    try:
        actions = {"list": _list, "info": _info, "prepare": _prepare, "import": run_import}
        return actions[arguments.action](arguments)
    except (UsageError, DataMissing) as error:
        raise type(error)(make_printable(str(error))) from error
    except (OSError, MemoryError, ImportError) as error:
        if words := explain_shortage(error):
            raise DataMissing(words) from error
        raise


def _list(arguments: argparse.Namespace) -> int:
    """Print the state of every suite's data, one suite a line or as JSON; returns 0."""
    from bench.catalogue.own_sets import list_own_sets
    from bench.catalogue.registry import list_entries

    options.load_plugins(arguments.plugin)
    root = options.resolve_data_dir(arguments.data_dir)
    states = {name: _describe_state(name, root) for name in (*list_entries("suite"), *list_own_sets(root))}
    print(json.dumps(states, indent=1) if arguments.json else "\n".join(f"{n:14} {s}" for n, s in states.items()))
    return 0


def _describe_state(name: str, root: Path) -> str:
    """The state of a suite's data, or what is wrong with the description of an own data set.

    An own set that is ready is told by its rows and tasks: its files have no names that a user gave them.
    """
    from bench.catalogue.own_sets import list_own_sets
    from bench.planning.plan import parse_suite

    try:
        suite = parse_suite(name, root)[1]
        state = suite.data_status()
        if name in list_own_sets(root) and set(state.values()) == {"ready"}:
            rows = sum(suite.protocol.splits.values())
            return f"ready, {count_nouns(rows, 'row')}, {count_nouns(len(suite.tasks), 'task')}"
        return _format_state(state)
    except DataMissing as error:
        return make_printable(f"damaged ({str(error).rstrip('.')})")


def _info(arguments: argparse.Namespace) -> int:
    """Print the splits of a suite with rows and labels of each task, at seed 0, and SHA-256 of its data; returns 0.

    Raises:
        DataMissing: The data is not prepared.
    """
    choice, suite, root = _choose_suite(arguments)
    splits, sums, metrics = suite.protocol.splits, suite.checksums(), suite.protocol.metrics
    labels = count_split_labels(suite)
    if arguments.json:
        info = {"suite": choice.canonical, "data_dir": str(root), "splits": splits, "sha256": sums}
        print(json.dumps(info | {"tasks": metrics, "labels": labels}, indent=1))
    else:
        print(f"{choice.canonical} in {make_printable(str(root))}")
        print("\n".join(f"{split:16} {count_nouns(rows, 'row')}" for split, rows in splits.items()))
        print(f"{'tasks':16} {', '.join(f'{make_printable(task)} ({kind})' for task, kind in metrics.items())}")
        print("\n".join(write_labels(labels)))
        print("\n".join(f"{part:16} sha-256 {value}" for part, value in sums.items()))
    return 0


def count_split_labels(suite: Any) -> dict[str, dict[str, int]]:
    """split -> task, as it is reported -> labels at seed 0. Raises DataMissing where the data is not there."""
    from bench.training.rows import count_labels_of_tasks

    return {split: count_labels_of_tasks(suite.dataset(split, 0), suite.tasks) for split in suite.protocol.splits}


def write_labels(labels: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Labels of each split as text, a line for each split."""
    for split, counts in labels.items():
        listed = ", ".join(f"{make_printable(task)} {count}" for task, count in counts.items())
        yield f"{'labels ' + split:16} {listed}"


def _prepare(arguments: argparse.Namespace) -> int:
    """Download, copy or render the data of a suite, and tell its state.

    Returns:
        1 where data was prepared that the suite, with these options, does not take; 130 where the user interrupted it;
        else 0.

    Raises:
        UsageError: --source is given for a suite that needs no data, or names nothing that can be read.
        DataMissing: Preparing failed.
    """
    from bench.planning.plan import parse_suite

    choice, suite, root = _choose_suite(arguments)
    name = choice.entry.name
    source = Path(arguments.source).expanduser() if arguments.source else None
    # Before anything is written: a mistake in --source should not leave half of the data behind.
    if source is not None:
        _check_source(source)
        if not suite.data_status():
            raise UsageError(f"`{name}` needs no data: `--source` should be left out.")
    try:
        for line in suite.prepare_data(source):
            # Line by line, since a download or a rendering takes minutes.
            print(make_printable(line), flush=True)
    except KeyboardInterrupt:
        print("Interrupted; what was prepared is kept, and the same command continues.", file=sys.stderr)
        return 130
    except OSError as error:
        if explain_shortage(error):
            raise
        # Without a network the same files can be brought by other means.
        hint = "; --source takes a local folder" if isinstance(error, URLError) and source is None else ""
        told = f"{error.strerror}: `{error.filename}`" if error.strerror and error.filename else error
        raise DataMissing(f"The data of `{name}` could not be prepared ({told}){hint}.") from error
    _, suite = parse_suite(choice.canonical, root)  # anew: what was prepared may decide about it
    state = suite.data_status()
    print(f"{name}: {_format_state(state)} in {make_printable(str(root))}")
    try:
        suite.checksums()
    except DataMissing as error:  # something else is there, as measured normals where derived ones were asked for
        print(f"mtlbench: {make_printable(str(error))}", file=sys.stderr)
        return 0 if "ready" in state.values() else 1
    return 0


def _choose_suite(arguments: argparse.Namespace) -> tuple[Any, Any, Path]:
    """(the suite's name and options, the suite, the data folder), from the arguments.

    Raises:
        UsageError: No suite is named, or it does not parse.
    """
    from bench.planning.plan import parse_suite

    options.load_plugins(arguments.plugin)
    root = options.resolve_data_dir(arguments.data_dir)
    if arguments.suite is None:
        raise UsageError(f"`mtlbench data {arguments.action}` should be given a SUITE, as in `multimnist`.")
    return *parse_suite(_add_size(arguments.suite, arguments.size), root), root


def _check_source(source: Path) -> None:
    """Raise UsageError where --source is absent, or neither a folder nor a plain file.

    A pipe or a device would be read for ever, or wait for a writer that never comes.
    """
    name = make_printable(str(source))
    if not source.exists():
        raise UsageError(f"--source should be a file or a folder. Found nothing at `{name}`.")
    if not source.is_dir():
        try:
            open_regular(source).close()
        except NotRegular as error:
            what = str(error).partition("Found ")[2].rstrip(".")
            raise UsageError(f"--source should be a file or a folder. Found {what} at `{name}`.") from error


def _add_size(suite: str, size: str | None) -> str:
    """`suite` with the option `size`, where --size is given.

    --size is short for the option that suites of images have; a suite without it refuses the option by itself.
    """
    if size is None:
        return suite
    return f"{suite},size={size}" if ":" in suite else f"{suite}:size={size}"


def _format_state(parts: dict[str, str]) -> str:
    """The states of the parts of a suite's data as text, `needs no data` where it has none.

    `parts` maps a part, such as `images`, to a state, such as `ready`.
    """
    return make_printable(", ".join(f"{part} {state}" for part, state in parts.items())) or "needs no data"
