"""Options of the commands that train: how cells are run, under which protocol, and whether the plan is only printed."""

import argparse
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench.cli import options
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.engines import Engine
    from bench.execution.execute import Execution
    from bench.execution.verbosity import Verbosity

# Choices of --engine. Ray and Slurm are imported only when they are chosen.
ENGINES = ("local", "ray", "slurm")


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add what commands that train what a user writes have in common: execution, --set, --protocol and --json."""
    add_execution(parser)
    options.add_settings(parser)
    options.add_protocol(parser)
    options.add_json(parser)


def add_execution(parser: argparse.ArgumentParser) -> None:
    """Add all options about how cells are run, read by `read_execution`, with --store, --data-dir and --plugin.

    Commands that train have them.
    """
    options.add_store(parser)
    options.add_data_dir(parser)
    options.add_plugin(parser)
    _add_places(parser)
    _add_kept(parser)
    add_verbosity(parser)


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Add --quiet and --verbose, read by `read_verbosity`; errors are said whatever is asked for."""
    either = parser.add_argument_group("how much is said").add_mutually_exclusive_group()
    either.add_argument("-q", "--quiet", action="store_true", help="only the result, and errors")
    either.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="also the scores of each cell when it ends, and where they lie",
    )


def read_verbosity(arguments: argparse.Namespace) -> "Verbosity":
    """How much is said, from the options of `add_verbosity`."""
    from bench.execution.verbosity import Verbosity

    return Verbosity.QUIET if arguments.quiet else Verbosity.VERBOSE if arguments.verbose else Verbosity.NORMAL


def _add_places(parser: argparse.ArgumentParser) -> None:
    """Add the options about where cells run, read by `choose_engine`, and how many at a time."""
    group = parser.add_argument_group("where cells run")
    group.add_argument("--engine", choices=ENGINES, default="local", help="what runs them (default: local)")
    group.add_argument(
        "--address",
        metavar="A",
        help="ray: HOST:PORT of the cluster (default: the one this machine is in); slurm: `local` tries jobs here",
    )
    group.add_argument(
        "--sbatch",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="slurm: an option of sbatch, as `partition=gpu`, `time=120`, `cpus-per-task=8`; repeatable",
    )
    group.add_argument(
        "--jobs",
        type=options.parse_positive,
        metavar="N",
        help="cells at a time (default: one per core, or per GPU; ray: of the cluster; slurm: in 16 jobs)",
    )
    group.add_argument(
        "--stack",
        type=options.parse_positive,
        default=1,
        metavar="N",
        help="train up to N seeds of a method as one (default: 1)",
    )
    group.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda"],
        default="auto",
        help="auto: cuda where this machine has one, also for ray and slurm",
    )


def _add_kept(parser: argparse.ArgumentParser) -> None:
    """Add the options about what is kept of a cell beside its record."""
    group = parser.add_argument_group("what is kept beside records")
    group.add_argument(
        "--images",
        type=options.parse_positive,
        default=0,
        metavar="N",
        help="keep panels of N test images beside each record",
    )
    group.add_argument(
        "--keep-model",
        action="store_true",
        help="keep the trained model beside each record, for `mtlbench predict`",
    )
    group.add_argument(
        "--probe",
        action="store_true",
        help="look at networks as they train: who shares what; `mtlbench probe SUITE` shows it",
    )
    group.add_argument(
        "--checkpoint",
        type=options.parse_seconds,
        default=60.0,
        metavar="SECONDS",
        help="between two checkpoints of a long cell, at least; inf for none (default: 60)",
    )
    group.add_argument("--wandb", choices=["off", "offline", "online"], default="off", help="mirror records to wandb")


def choose_engine(arguments: argparse.Namespace) -> "Engine":
    """The engine that --engine names, with its options; nothing is connected or started yet.

    Raises:
        UsageError: An option belongs to another engine, the engine's package is not installed, or `--device cuda` is
            given on a machine without a GPU.
    """
    # An option that would be ignored is an error: the user meant something by it.
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

        # In the store, which every node sees; hidden, and for this user only.
        folder = options.resolve_store_dir(arguments.store).absolute() / f".jobs-{os.getuid()}"  # each user's own
        return Slurm(folder, arguments.jobs, options.parse_pairs("--sbatch", arguments.sbatch), arguments.address)
    from bench.engines import Local

    # Only here: on a cluster the nodes have the GPUs, not the machine that plans.
    if arguments.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("`--device cuda` should be used on a machine with a GPU that torch can see. Found none.")
    return Local(arguments.jobs)


def _require(package: str, extra: str) -> None:
    """Raise UsageError where an engine's package is absent, with the command that installs it.

    `extra` is both the engine's name and that of the extra of this project that brings the package.
    """
    if find_spec(package) is None:
        raise UsageError(f"`--engine {extra}` needs {package}; `pip install 'mtlbench[{extra}]'` brings it.")


def read_execution(arguments: argparse.Namespace) -> "Execution":
    """How cells are run, from the options of `add_execution`; plug-ins are loaded here.

    Nothing is trained, and no cluster is connected, before its `run` is called.
    """
    from bench.execution.cell import StoredCell
    from bench.execution.execute import Execution

    # The engine first: a wrong option is said before plug-ins are imported, which may take long.
    where, plugins = choose_engine(arguments), options.load_plugins(arguments.plugin)
    store, data = options.resolve_store_dir(arguments.store), options.resolve_data_dir(arguments.data_dir)
    cell = StoredCell(
        *(store, data, plugins, arguments.wandb, arguments.images, arguments.checkpoint),
        keep_model=arguments.keep_model,
        probed=arguments.probe,
    )
    return Execution(cell, where, arguments.stack, read_verbosity(arguments))
