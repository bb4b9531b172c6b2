"""Options that several commands share, and the places they fall back to."""

import argparse
import os
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.catalogue.registry import Plugin
    from bench.engines import Engine
    from bench.judge.limits import Limits

ENGINES = ("local", "ray", "slurm")


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
        "--seconds", type=parse_positive, default=600, metavar="N", help="time limit of a file's process (default: 600)"
    )
    parser.add_argument(
        "--memory",
        type=parse_positive,
        default=8192,
        metavar="MB",
        help="memory limit of a file's process (default: 8192)",
    )


def limits(arguments: argparse.Namespace) -> "Limits":
    """What --seconds and --memory were given."""
    from bench.judge.limits import Limits

    return Limits(arguments.seconds, arguments.memory)


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_execution(parser: argparse.ArgumentParser) -> None:
    """How cells are run: engine, workers, device, panels, mirror."""
    add_store(parser)
    add_data_dir(parser)
    add_plugin(parser)
    parser.add_argument("--engine", choices=ENGINES, default="local", help="where cells run (default: local)")
    parser.add_argument(
        "--address",
        metavar="A",
        help="ray: HOST:PORT of the cluster (default: the one this machine is in); slurm: `local` tries jobs here",
    )
    parser.add_argument(
        "--sbatch",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="slurm: an option of sbatch, as `partition=gpu`, `time=120`, `cpus-per-task=8`; repeatable",
    )
    parser.add_argument(
        "--jobs",
        type=parse_positive,
        metavar="N",
        help="cells at a time (default: one per core, or per GPU; ray: of the cluster; slurm: in 16 jobs)",
    )
    parser.add_argument(
        "--stack",
        type=parse_positive,
        default=1,
        metavar="N",
        help="train up to N seeds of a method as one (default: 1)",
    )
    parser.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda"],
        default="auto",
        help="auto: cuda where this machine has one, also for ray and slurm",
    )
    parser.add_argument(
        "--images", type=parse_positive, default=0, metavar="N", help="keep panels of N test images beside each record"
    )
    parser.add_argument(
        "--checkpoint",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="between two checkpoints of a long cell, at least; inf for none (default: 60)",
    )
    parser.add_argument("--wandb", choices=["off", "offline", "online"], default="off", help="mirror records to wandb")


def engine(arguments: argparse.Namespace) -> "Engine":
    """Where cells are to run. Raises UsageError where that is not installed or not at hand."""
    if arguments.sbatch and arguments.engine != "slurm":
        raise UsageError("`--sbatch` should be given with `--engine slurm`: it is for Slurm's jobs.")
    if arguments.address and arguments.engine == "local":
        raise UsageError("`--address` should be given with `--engine ray` or `slurm`: it says which cluster.")
    if arguments.stack > 1 and arguments.engine != "local":
        raise UsageError("`--stack` should be given with `--engine local`: a cluster is given cells one by one.")
    if arguments.engine == "ray":
        _require("ray", "ray")
        from bench.engines.ray import Ray

        return Ray(arguments.address, arguments.jobs)
    if arguments.engine == "slurm":
        from bench.engines.slurm import Slurm

        folder = store_dir(arguments.store).absolute() / f".jobs-{os.getuid()}"  # each user's own
        return Slurm(folder, arguments.jobs, pairs("--sbatch", arguments.sbatch), arguments.address)
    from bench.engines import Local

    if arguments.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("`--device cuda` should be used on a machine with a GPU that torch can see. Found none.")
    return Local(arguments.jobs)


def _require(package: str, extra: str) -> None:
    if find_spec(package) is None:
        raise UsageError(f"`--engine {extra}` needs {package}; `pip install 'mtlbench[{extra}]'` brings it.")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--set KEY=VALUE."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the protocol; keeps the runs off a board",
    )


def parse_settings(given: list[str]) -> dict[str, str]:
    """What --set was given, by key."""
    return pairs("--set", given, "lr=0.01")


def pairs(option: str, given: list[str], example: str = "partition=gpu") -> dict[str, str]:
    """What an option of the form KEY=VALUE was given, by key."""
    found = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise UsageError(f"{option} should read key=value, as in `{option} {example}`. Found `{pair}`.")
        found[key] = value
    return found


def parse_positive(text: str) -> int:
    """A whole number of at least 1."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"should be a whole number of at least 1, found `{text}`")
    return int(text)


def port(text: str) -> int:
    """A number of a port."""
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"should be a port in [1, 65535], found `{text}`")
    return int(text)


def seconds(text: str) -> float:
    """A number of at least 0, or inf."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"should be a number of seconds of at least 0, or inf, found `{text}`")
    return value


def store_dir(given: str | None) -> Path:
    """Where records are."""
    return Path(given or os.environ.get("MTLBENCH_STORE") or "runs").expanduser()


def data_dir(given: str | None) -> Path:
    """Where data sets are."""
    if given or os.environ.get("MTLBENCH_DATA"):
        return Path(given or os.environ["MTLBENCH_DATA"]).expanduser().resolve()
    from platformdirs import user_data_path

    return user_data_path("mtlbench", appauthor=False)


def load_plugins(files: list[str]) -> "tuple[Plugin, ...]":
    """Load each plug-in file here; what workers need to do the same."""
    if not files:
        return ()
    from bench.catalogue.registry import read_plugin

    with redirect_stdout(sys.stderr):  # standard output is the command's answer, whatever a plug-in prints
        return tuple(read_plugin(Path(file)) for file in dict.fromkeys(files))
