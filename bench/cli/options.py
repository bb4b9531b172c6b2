"""Options that several commands share, what they mean, and the folders that they fall back to.

`add_...` put options into a parser; the other functions read them from the parsed arguments or check one value. A word
on the command line wins over an environment variable, which wins over the default:

MTLBENCH_STORE    --store, else ./runs
MTLBENCH_DATA     --data-dir, else the folder that the system keeps for data of applications
"""

import argparse
import os
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError, make_printable
from bench.system.data_folder import find_data_folder

if TYPE_CHECKING:
    from bench.catalogue.plugin_files import Plugin
    from bench.judge.limits import Limits


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add --store DIR, read by `resolve_store_dir`.

    It has no default in the parser, so that the environment variable is looked up when the command runs.
    """
    parser.add_argument("--store", metavar="DIR", help="folder of records (default: $MTLBENCH_STORE, then ./runs)")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Add --data-dir DIR, read by `resolve_data_dir`.

    Without the option and the environment variable it is the folder that the system keeps for data of applications.
    """
    parser.add_argument(
        "--data-dir", metavar="DIR", help="folder of data sets (default: $MTLBENCH_DATA, then the user-data folder)"
    )


def add_plugin(parser: argparse.ArgumentParser) -> None:
    """Add --plugin FILE, repeatable, read by `load_plugins`.

    Files are imported in the order given, so that a later one may use what an earlier one registers.
    """
    parser.add_argument(
        "--plugin",
        metavar="FILE",
        action="append",
        default=[],
        help="a Python file with methods, suites or kinds of metrics; repeatable",
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add --seconds and --memory, read by `read_limits`.

    They bound the process that imports somebody else's code, and all that it starts.
    """
    parser.add_argument(
        "--seconds", type=parse_positive, default=600, metavar="N", help="time limit of a file's process (default: 600)"
    )
    parser.add_argument(
        "--memory",
        type=parse_positive,
        default=8192,
        metavar="MB",
        help="memory limit of a file's process (default: 8192)",
    )


def read_limits(arguments: argparse.Namespace) -> "Limits":
    """The bounds that --seconds and --memory give.

    Those of output and processes keep their defaults, see `bench.judge.limits.Limits`.
    """
    from bench.judge.limits import Limits

    return Limits(arguments.seconds, arguments.memory)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json: standard output is then one JSON value, for scripts.

    Its keys are part of the interface: they may be added to, and are not renamed.
    """
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add --metrics {main,all}: what a table of text shows."""
    parser.add_argument(
        "--metrics",
        choices=["main", "all"],
        default="main",
        help="text: rank, change of error and verdict, or every metric with its interval (default: main)",
    )


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """Add --protocol VERSION: an earlier version of the suite's protocol, under which its older boards were run."""
    parser.add_argument(
        "--protocol", type=parse_positive, metavar="VERSION", help="of the suite's protocol (default: the current one)"
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add --set KEY=VALUE, repeatable, read by `parse_settings`.

    Runs with changed settings have names of their own and are not shown on boards.
    """
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the protocol; keeps the runs off a board",
    )


def parse_settings(given: list[str]) -> dict[str, str]:
    """Changes of the protocol by key, from the uses of --set.

    Whether the protocol has such a setting is checked when cells are planned.

    Raises:
        UsageError: A text is not of the form KEY=VALUE.
    """
    return parse_pairs("--set", given, "lr=0.01")


def parse_pairs(option: str, given: list[str], example: str = "partition=gpu") -> dict[str, str]:
    """Values by key, of an option of the form KEY=VALUE; of a key that is given twice the last value.

    Args:
        option: The option's name, for the error.
        given: What the user wrote, one text for each use of the option.
        example: A pair that would be right, for the error.

    Raises:
        UsageError: A text has no `=`, or nothing on one side of it.
    """
    values = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise UsageError(f"`{option}` should read key=value, as in `{option} {example}`. Found `{pair}`.")
        values[key] = value
    return values


def parse_positive(text: str) -> int:
    """A whole number of at least 1; a `type` for argparse.

    Raises:
        ArgumentTypeError: The text is something else, such as `0`, `1.5` or `1e3`.
    """
    # `isdigit` alone also takes digits of other scripts and superscripts, which `int` may refuse.
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"should be a whole number of at least 1. Found `{text}`")
    return int(text)


def parse_port(text: str) -> int:
    """A port number in [1, 65535]; a `type` for argparse.

    Raises:
        ArgumentTypeError: The text is something else; 0, which would mean any port, too.
    """
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"should be a port in [1, 65535]. Found `{text}`")
    return int(text)


def parse_seconds(text: str) -> float:
    """A number of seconds of at least 0, or inf; a `type` for argparse.

    Raises:
        ArgumentTypeError: The text is something else, NaN among them.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    # Written so that NaN is refused too.
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"should be a number of seconds of at least 0, or inf. Found `{text}`")
    return value


def resolve_store_dir(given: str | None) -> Path:
    """The store: `given` by --store, then $MTLBENCH_STORE, then ./runs.

    `~` is expanded. The folder need not exist: commands that write make it.
    """
    return Path(given or os.environ.get("MTLBENCH_STORE") or "runs").expanduser()


def repeat_places(arguments: argparse.Namespace) -> str:
    """--store, --data-dir and --plugin as they were given, with a space before each: a command that is proposed finds
    what this one made."""
    given = [
        ("--store", getattr(arguments, "store", None)),
        ("--data-dir", getattr(arguments, "data_dir", None)),
        *(("--plugin", file) for file in getattr(arguments, "plugin", [])),
    ]
    return "".join(f" {option} {shlex.quote(str(place))}" for option, place in given if place)


def require_store(root: Path) -> Path:
    """`root`, for commands that read a store and make none.

    Raises:
        UsageError: It is no folder.
    """
    if not root.is_dir():
        remedy = "; `mtlbench run` makes one" if root == Path("runs") else ""
        what = "a file" if os.path.lexists(root) else "none"
        raise UsageError(f"`{root}` should be a folder of records. Found {what}{remedy}.")
    return root


def require_file(path: Path) -> None:
    """Raise UsageError where nothing lies at `path`."""
    if not os.path.lexists(path):
        raise UsageError(f"There is no file `{make_printable(str(path))}`.")


def make_out_folder(given: str | None) -> Path | None:
    """The folder of --out, made before anything is run, so that no answer is lost for want of a place; None for none.

    Raises:
        UsageError: It cannot be made, or not be written.
    """
    if not given:
        return None
    from bench.system.files import make_folder

    folder = Path(given).expanduser()
    try:
        make_folder(folder)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise UsageError(f"`--out` should be a folder that can be written. Found `{make_printable(given)}`.")
    return folder


def resolve_data_dir(given: str | None) -> Path:
    """The folder of data sets: --data-dir, then $MTLBENCH_DATA, then the user-data folder of the system.

    The path is absolute, since workers may have another current folder.
    """
    return find_data_folder(given)


def load_plugins(files: list[str]) -> "tuple[Plugin, ...]":
    """Load each plug-in file into this process; a file that is named twice is loaded once.

    What files print on import goes to standard error: standard output is the command's answer.

    Returns:
        What workers need to load the same text again, in the order of the files.
    """
    if not files:
        return ()
    from bench.catalogue.plugin_files import read_plugin

    with redirect_stdout(sys.stderr):  # standard output is the command's answer, whatever a plug-in prints
        return tuple(read_plugin(Path(file)) for file in dict.fromkeys(files))


def tell(sentence: str) -> None:
    """A sentence about the work, on standard error: standard output is the answer."""
    print(sentence, file=sys.stderr, flush=True)
