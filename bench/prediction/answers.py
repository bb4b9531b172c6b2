"""What head outputs say in people's terms: classes by name with a probability, numbers in the unit of the target."""

import csv
import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.core.new_rows import NewRows
from bench.errors import UsageError

PREDICTION, PROBABILITY = "prediction", "probability"
MOST_NUMBERS = 64  # of one prediction that a row of a table holds


def restore_unit(output: Tensor, unit: Mapping[str, float]) -> Tensor:
    """Outputs in the unit of their target, float64 where one is given: `scale` y + `shift`, or y + log `rate`."""
    if not unit:
        return output
    if "rate" in unit:
        return output.double() + math.log(unit["rate"])
    return output.double() * unit["scale"] + unit["shift"]


def describe_outputs(kind: str, output: Tensor, levels: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Column -> values (n) of the outputs of one task: `prediction`, with `probability` where there are classes.

    Args:
        kind: of the task's metric, which says what outputs are.
        output: (n, ...), in the unit of the target.
        levels: names of the classes; numbers from 0 where there are none.

    Raises:
        UsageError: a prediction is more than a row of a table holds.
    """
    flat = output.reshape(len(output), -1)
    if kind == "classification" and output.dim() == 2:
        return _describe_classes(torch.softmax(output.double(), dim=1), levels)
    if kind == "ordinal" and output.dim() == 2:
        above = torch.sigmoid(output.double())
        ends = above.new_ones(len(above), 1), above.new_zeros(len(above), 1)
        shares = (torch.cat([ends[0], above], dim=1) - torch.cat([above, ends[1]], dim=1)).clamp(min=0)
        level = (output > 0).sum(dim=1)  # as the metric counts them
        return _name_classes(level, shares, levels)
    if kind == "ranking" and len(levels) == 2 and flat.shape[1] == 1:
        p = torch.sigmoid(flat.double()[:, 0])
        return _describe_classes(torch.stack([1 - p, p], dim=1), levels)
    if kind == "classification" or flat.shape[1] > MOST_NUMBERS:
        size = " x ".join(map(str, output.shape[1:]))
        raise UsageError(f"Predictions of {size} numbers should go to arrays; give `--out FILE.npz`.")
    values = flat.double().exp() if kind == "counts" else flat
    if values.shape[1] == 1:
        return {PREDICTION: values[:, 0].tolist()}
    return {f"{PREDICTION} {number}": column.tolist() for number, column in enumerate(values.T)}


def _describe_classes(shares: Tensor, levels: Sequence[str]) -> dict[str, list[Any]]:
    """The most probable class of each row of `shares` (n, C), with its probability."""
    return _name_classes(shares.argmax(dim=1), shares, levels)


def _name_classes(chosen: Tensor, shares: Tensor, levels: Sequence[str]) -> dict[str, list[Any]]:
    """Classes (n,) by name, each with its share of `shares` (n, C)."""
    probability = shares.gather(1, chosen[:, None])[:, 0]
    names = [levels[number] if levels else number for number in chosen.tolist()]
    return {PREDICTION: names, PROBABILITY: probability.tolist()}


def tabulate_predictions(rows: NewRows, described: Mapping[str, dict[str, list[Any]]]) -> list[dict[str, Any]]:
    """One dict per row: `row`, its number or its file, and task -> column -> value for the tasks it has inputs of.

    described: task, or its title -> what `describe_outputs` gave; in the order of columns.
    """
    table: list[dict[str, Any]] = [{"row": name} for name in rows.names]
    for task, columns in described.items():
        for number, place in enumerate(rows.places.get(task, range(len(rows.names)))):
            table[place][task] = {name: values[number] for name, values in columns.items()}
    return table


def format_csv(table: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> str:
    """A table of predictions as CSV: a line for each row; numbers with all their digits, nothing where there are none.

    titles: task -> the head of its first column, in the order of columns.
    """
    heads: dict[str, list[str]] = {task: [] for task in titles}
    for row in table:
        for task, known in heads.items():
            known.extend(name for name in row.get(task, ()) if name not in known)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    line = ["row", *(_name_column(titles[task], name) for task, names in heads.items() for name in names)]
    if len(set(line)) < len(line):  # as of targets `c` and `c probability`: names of tasks have no spaces
        line = ["row", *(_name_column(task, name) for task, names in heads.items() for name in names)]
    writer.writerow(line)
    for row in table:
        cells = [row.get(task, {}).get(name, "") for task, names in heads.items() for name in names]
        writer.writerow([row["row"], *(repr(cell) if isinstance(cell, float) else cell for cell in cells)])
    return file.getvalue()


def _name_column(title: str, name: str) -> str:
    """The head of a column: the task for what is predicted, the task and the name for all else."""
    return title if name == PREDICTION else f"{title} {name.removeprefix(f'{PREDICTION} ')}"


def pack_arrays(outputs: Mapping[str, Tensor]) -> bytes:
    """A `.npz` file with the outputs of each task, (n, ...)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # `np.savez` takes no array called `file`, as a task may be
        for task, output in outputs.items():
            with archive.open(f"{task}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, output.numpy(), allow_pickle=False)
    return file.getvalue()
