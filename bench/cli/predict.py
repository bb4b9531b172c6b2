"""Predict new rows by the trained model of a run, as `mtlbench run --keep-model` stored it."""

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

from bench.cli import kept_models
from bench.errors import UsageError, make_printable

EPILOG = """examples:
  mtlbench run mine hard --keep-model
  mtlbench predict 3f1c new_rows.csv --out predictions.csv
  mtlbench predict 3f1c new_photos --out predictions.csv
  mtlbench predict 3f1c inputs.npy --json

RUN is a run id, or as much of its beginning as tells it from others. FILE is, for an imported table, a file with the
columns of its features; for imported images a folder of them, or one; for other suites an array of inputs, .npy or
.npz. The answer has a line for each row and a column for each task, classes with their probability; `--out FILE.npz`
has all outputs, of images in the order of their paths.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    kept_models.add_run(parser)
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="new rows: a table, a folder of images, or arrays of inputs"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="where to (.csv, .json or .npz; default: print CSV)")
    kept_models.add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    """Find the model, read the rows, predict, and print or write the answer.

    Raises:
        UsageError: There is no such model, the file does not fit it, or a part of it is of another version here.
        ValueError: The files of the model are damaged.
        OSError: The answer cannot be written.
    """
    out = arguments.out
    if out and out.suffix not in (".csv", ".json", ".npz"):
        raise UsageError(f"`--out` should end in .csv, .json or .npz. Found `{make_printable(str(out))}`.")
    if not (arguments.file.is_file() or arguments.file.is_dir()):  # a pipe would be waited for
        shown = make_printable(str(arguments.file))
        raise UsageError(f"FILE should be a file of new rows, or a folder of images. Found none at `{shown}`.")
    model = kept_models.open_model(arguments)
    from bench.prediction.answers import describe_outputs, format_csv, pack_arrays, restore_unit, tabulate_predictions
    from bench.prediction.arrays import read_arrays

    card = model.card
    with redirect_stdout(sys.stderr):  # what a plug-in prints
        rows = model.suite.read_new_rows(arguments.file, card.suite) or read_arrays(arguments.file, model.suite)
        units, levels = card.suite.get("units", {}), card.suite.get("levels", {})
        outputs = {task: restore_unit(each, units.get(task, {})) for task, each in model.predict(rows).items()}
    if out and out.suffix == ".npz":
        _write(out, pack_arrays(outputs))
        return 0
    reported = {task.name: task.reported for task in model.suite.tasks}
    described = {
        task: describe_outputs(card.spec.protocol.metrics[reported[task]], output, levels.get(task, ()))
        for task, output in outputs.items()
    }
    table = tabulate_predictions(rows, described)
    if arguments.json or (out and out.suffix == ".json"):
        text = json.dumps(table, indent=1) + "\n"
    else:
        titles = card.suite.get("titles", {})
        text = format_csv(table, {task: titles.get(task, task) for task in outputs})
    if out:
        _write(out, text.encode())
    else:
        print(text, end="")
    return 0


def _write(path: Path, content: bytes) -> None:
    """Put the answer at `path` in one step, and say so."""
    from bench.system.files import make_folder, write_whole

    make_folder(path.parent)
    write_whole(path, content)
    print(f"{make_printable(str(path))} holds the predictions.", file=sys.stderr)
