"""Options that several commands share, and the places they fall back to."""

import argparse
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.isolated import Limits


def add_store(parser: argparse.ArgumentParser) -> None:
    """--store DIR."""
    parser.add_argument("--store", metavar="DIR", help="folder of records (default: $MTLBENCH_STORE, then ./runs)")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """--data-dir DIR."""
    parser.add_argument(
        "--data-dir", metavar="DIR", help="folder of data sets (default: $MTLBENCH_DATA, then the user-data folder)"
    )


def add_plugin(parser: argparse.ArgumentParser) -> None:
    """--plugin FILE."""
    parser.add_argument(
        "--plugin", metavar="FILE", action="append", default=[], help="a Python file with methods or suites; repeatable"
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """--seconds, --memory: of a process that imports somebody else's code."""
    parser.add_argument(
        "--seconds", type=positive, default=600, metavar="N", help="time limit of a file's process (default: 600)"
    )
    parser.add_argument(
        "--memory", type=positive, default=8192, metavar="MB", help="memory limit of a file's process (default: 8192)"
    )


def limits(arguments: argparse.Namespace) -> "Limits":
    """What --seconds and --memory were given."""
    from bench.isolated import Limits

    return Limits(arguments.seconds, arguments.memory)


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_execution(parser: argparse.ArgumentParser) -> None:
    """How cells are run: engine, workers, device, mirror."""
    add_store(parser)
    add_data_dir(parser)
    add_plugin(parser)
    parser.add_argument("--engine", choices=["local"], default="local", help="where cells run (default: local)")
    parser.add_argument(
        "--jobs", type=positive, metavar="N", help="cells at a time (default: one per core, or per GPU)"
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: cuda where there is one"
    )
    parser.add_argument(
        "--images", type=positive, default=0, metavar="N", help="keep panels of N test images beside each record"
    )
    parser.add_argument("--wandb", choices=["off", "offline", "online"], default="off", help="mirror records to wandb")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--set KEY=VALUE."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the protocol; keeps the runs off a board",
    )


def settings(pairs: list[str]) -> dict[str, str]:
    """What --set was given, by key."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise UsageError(f"--set should read key=value, as in `--set lr=0.01`. Found `{pair}`.")
        found[key] = value
    return found


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"should be a whole number of at least 1, found `{text}`")
    return int(text)


def store_dir(given: str | None) -> Path:
    """Where records are."""
    return Path(given or os.environ.get("MTLBENCH_STORE") or "runs").expanduser()


def data_dir(given: str | None) -> Path:
    """Where data sets are."""
    if given or os.environ.get("MTLBENCH_DATA"):
        return Path(given or os.environ["MTLBENCH_DATA"]).expanduser().resolve()
    from platformdirs import user_data_path

    return user_data_path("mtlbench", appauthor=False)


def load_plugins(files: list[str]) -> tuple[Path, ...]:
    """Load each plug-in file here; the paths, for the workers to do the same."""
    if not files:
        return ()
    from bench.registry import load_plugin

    paths = tuple(Path(file).resolve() for file in files)
    with redirect_stdout(sys.stderr):  # standard output is the command's answer, whatever a plug-in prints
        for path in paths:
            load_plugin(path)
    return paths
