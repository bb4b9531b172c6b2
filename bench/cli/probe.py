"""Look into networks: whose features are alike, which ones tasks use, and who owns which weights.

Of one run, whose model was kept; or of all runs of a suite that were probed as they trained.
"""

import argparse
import json
import re
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from bench.cli import kept_models, options
from bench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from bench.training.probes import Probes

EPILOG = """examples:
  mtlbench run multidigits cross_stitch --keep-model
  mtlbench probe 3f1c
  mtlbench probe 3f1c --rows 200 --json
  mtlbench run mechanisms:bias single_task hard --seeds 0-9 --probe
  mtlbench probe mechanisms:bias

RUN is a run id, or as much of its beginning as tells it from others; a suite stands for all of its runs that were
probed as they trained, methods side by side. Features are read on validation rows, or on test
rows where the suite has no others. Likeness is linear CKA. Use is how much a task's prediction changes with a feature;
its rank correlation says whether two tasks use the same ones. The owners of a parameter are counted by the squared
gradients of the losses: 1 where one task has all the say, T where all have the same. Weights are of the epoch that the
first task keeps. docs/why.md has the equations.
"""
ROWS = 512


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    kept_models.add_run(parser, "a run id, or the beginning of one; or a suite")
    parser.add_argument(
        "--rows", type=options.parse_positive, default=ROWS, metavar="N", help=f"of each input (default: {ROWS})"
    )
    kept_models.add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what probes say of a suite's runs; or find the model of one, read rows of its suite, and probe it.

    Raises:
        UsageError: There is no such model, it is not trained by descent, or a part of it is of another version here.
        DataMissing: The data of the suite is not there.
        ValueError: The files of the model are damaged.
    """
    if not re.fullmatch(r"[0-9a-f]{1,16}", arguments.run_text.lower()) or _names_suite(arguments):
        return _show_suite(arguments)
    rebuilt = kept_models.open_model(arguments)
    from bench.training.probes import probe
    from bench.training.rows import read_split

    card = rebuilt.card
    if card.spec.protocol.fit != "descent":
        raise UsageError(f"Run `{card.run_id}` should be of a network. Found linear models, whose weights say it all.")
    with redirect_stdout(sys.stderr):  # what a plug-in prints
        split = "val" if "val" in card.spec.protocol.splits else "test"
        rows = read_split(rebuilt.suite, card.spec, split)
        # Separate models keep epochs of their own: the weights are of one moment, the first task's.
        [(model, state), *_] = rebuilt.predictors[card.epochs[rebuilt.suite.tasks[0].reported]]
        found = probe(model, state, rows, arguments.rows)
    if arguments.json:
        print(json.dumps(_as_json(card.run_id, model.names, found), indent=1))
    else:
        print(_draw(model.names, found), end="")
    return 0


def _names_suite(arguments: argparse.Namespace) -> bool:
    """Whether there is a suite of this name: one of a user's own may look like the beginning of a run id."""
    from bench.planning.plan import parse_suite

    options.load_plugins(arguments.plugin)
    try:
        parse_suite(arguments.run_text, options.resolve_data_dir(arguments.data_dir))
    except UsageError:
        return False
    return True


def _show_suite(arguments: argparse.Namespace) -> int:
    """Print what was found in the runs of a suite that were probed as they trained.

    Raises UsageError where there is no such suite, or no such run of it.
    """
    from bench.planning.plan import parse_suite
    from leaderboard.report.probed import draw_probes, encode_probes, group_probed
    from leaderboard.store import Store

    options.load_plugins(arguments.plugin)
    root = options.require_store(options.resolve_store_dir(arguments.store))
    choice, _ = parse_suite(arguments.run_text, options.resolve_data_dir(arguments.data_dir))
    records = [record for record in Store(root).read(check=False).records if record.suite == choice.short]
    methods = group_probed(records)
    if not methods:
        raise UsageError(
            f"`{root}` holds no probed run of `{arguments.run_text}`; `mtlbench run {arguments.run_text} METHOD "
            "--probe` makes one."
        )
    if arguments.json:
        print(json.dumps(encode_probes(arguments.run_text, methods), indent=1))
    else:
        print(draw_probes(arguments.run_text, methods), end="")
    return 0


def _draw(tasks: list[str], found: "Probes") -> str:
    """The matrices, then the owners of each parameter."""
    from leaderboard.report.terminal import draw_texts

    parts = []
    for title, matrices in (
        ("Likeness of features", found.similarity),
        ("Use of the same features", found.sensitivity),
    ):
        for depth, matrix in matrices.items():
            lines = [
                [task, *(_write(value) for value in row)] for task, row in zip(tasks, matrix.tolist(), strict=True)
            ]
            parts.append(draw_texts(f"{title}, {depth}", ["task", *tasks], lines, [], ["task"]))
    lines = [
        [each.name, f"{each.size:,}", *(f"{100 * each.shares[task]:.1f}" for task in tasks), f"{each.owners:.2f}"]
        for each in found.ownership
    ]
    head = ["parameter", "numbers", *(f"{task} %" for task in tasks), "owners"]
    parts.append(draw_texts("Who owns which parameters", head, lines, [], ["parameter"]))
    return "\n".join(parts)


def _write(value: float) -> str:
    """Two digits; nothing for what is not defined."""
    return "" if value != value else f"{value:+.2f}"


def _as_json(run_id: str, tasks: list[str], found: "Probes") -> dict[str, object]:
    """What was found as JSON values; what is not defined is null."""

    def write(matrices: "dict[str, Tensor]") -> dict[str, list[list[float | None]]]:
        return {
            depth: [[value if value == value else None for value in row] for row in matrix.tolist()]
            for depth, matrix in matrices.items()
        }

    return {
        "run": run_id,
        "tasks": tasks,
        "similarity": write(dict(found.similarity)),
        "sensitivity": write(dict(found.sensitivity)),
        "ownership": [
            {"parameter": each.name, "numbers": each.size, "shares": dict(each.shares), "owners": each.owners}
            for each in found.ownership
        ],
    }
