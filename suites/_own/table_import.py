"""Writing an imported table: how its rows are divided, how it is trained, its arrays and its card."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UsageError, count_nouns, make_printable
from suites._own.card import write_card
from suites._own.columns import Encoder, dump_features
from suites._own.description import OwnDescription
from suites._own.division import SPLITS, RowsBySplit, divide, divide_by_group, divide_by_time, find_lack, take_parts
from suites._own.folders import write_own_set
from suites._own.table_plan import TablePlan
from suites._own.table_suite import TargetUnit, encode_target, find_needs, measure_unit, write_unit

REDRAWN = 20_000  # rows up to which a table is divided anew for each seed: beyond, a test part hardly depends on it
CHUNK = 50_000  # rows that are encoded at a time
SHARES = (0.6, 0.2, 0.2)  # of training, validation and test
EPOCHS = 60
FEW = 10_000  # training rows below which the learning rate is lower


@dataclass(frozen=True)
class Division:
    """How rows are divided: the rule in words, and rows by split where it is done once.

    parts: task, or "" for all -> split -> rows; None where each seed divides anew.
    rows: split -> rows over all inputs.
    seeded: whether the seed of the import decides about it.
    """

    rule: str
    parts: dict[str, RowsBySplit] | None
    rows: dict[str, int]
    seeded: bool


def import_plan(
    plan: TablePlan,
    division: Division,
    description: OwnDescription,
    data_dir: Path | None = None,
    replace: bool = False,
) -> Path:
    """Write a table as an own data set; returns its folder.

    Args:
        plan: of the table.
        division: of its rows.
        description: from `describe_plan`, of the same plan and division.
        data_dir: the folder of data sets; None for the default one.
        replace: whether it may take the place of a set of this name.

    Raises UsageError where the name is taken.
    """
    with write_own_set(data_dir, description.name, replace) as (folder, publish):
        if division.parts is None:
            arrays = {"numbers": plan.numbers, "codes": plan.codes, "targets": plan.targets}
            arrays |= {"owners": plan.owners} if plan.owners is not None else {}
            for file, array in arrays.items():
                np.save(folder / f"{file}.npy", np.ascontiguousarray(array))
        else:
            description = _write_divided(folder, plan, division.parts, description)
        (folder / "README.md").write_text(write_card(description, plan), encoding="utf-8")
        return publish(description)


def divide_plan(plan: TablePlan, shares: Sequence[float], seed: int) -> Division:
    """How the rows of a plan are divided.

    Raises UsageError where a split would lack what the scores of a target need.
    """
    needs, titles = find_needs(plan.tasks), [task.title for task in plan.tasks]
    owners = plan.owners
    asked = [("", np.arange(plan.rows), needs, titles)]  # task, or "" for all; its rows; what their scores need
    if owners is not None:
        each = [(task.name, np.flatnonzero(owners == t)) for t, task in enumerate(plan.tasks)]
        asked = [(*one, [need], [title]) for one, need, title in zip(each, needs, titles, strict=True)]
    percent = "/".join(f"{100 * share:g}" for share in shares)
    parts: dict[str, RowsBySplit] = {}
    whole: RowsBySplit | None = None
    once = seeded = plan.rows > REDRAWN
    rule = f"{percent} % at random, {'once' if once else 'anew for each seed'}" + (
        ", task by task" if owners is not None else ""
    )

    def divide_tasks(whole: RowsBySplit) -> dict[str, RowsBySplit]:
        """Of a division of all rows, those of each task."""
        return {task: {split: np.intersect1d(part, rows) for split, part in whole.items()} for task, rows, *_ in asked}

    def find(whole: RowsBySplit) -> str:
        """What a division of all rows lacks for some task."""
        divided = divide_tasks(whole)
        lacks = (find_lack(plan.targets, need, title, divided[task]) for task, _, need, title in asked)
        return next(filter(None, lacks), "")

    try:
        if plan.groups is not None:
            whole, seeded = divide_by_group(plan.groups, shares, seed, find), True
            rule = f"{percent} % at random, no `{plan.divided_by}` in two splits"
        elif plan.parts is not None:
            whole, rule, seeded = take_parts(plan.parts, shares, seed), "as the file says", "val" not in plan.parts
        elif plan.times is not None:
            whole, rule, seeded = divide_by_time(plan.times, shares), f"{percent} %, by `{plan.divided_by}`", False
        if whole is not None:
            if lack := find(whole):
                raise ValueError(lack)
            parts = divide_tasks(whole)
        else:
            for t, (task, rows, need, title) in enumerate(asked):
                found = divide(plan.targets[rows], need, title, shares, seed, *([t] if task else []))
                parts[task] = {split: rows[part] for split, part in found.items()}
    except ValueError as error:
        raise UsageError(
            f"Every split should have labels of every target, two different ones of real and binary targets, and the "
            f"training split every class. Found "
            f"{make_printable(str(error))}, of {count_nouns(plan.rows, 'row')}; change `--split`, or leave the "
            f"target out."
        ) from error
    counts = {split: sum(len(part[split]) for part in parts.values()) for split in SPLITS}
    return Division(rule, parts if once or whole is not None else None, counts, seeded)


def describe_plan(
    plan: TablePlan,
    name: str,
    division: Division,
    shares: Sequence[float],
    file: str = "",
    missing: Sequence[str] = (),
) -> OwnDescription:
    """The description of a set, before its files are there.

    file: that it came from; empty for arrays of a program.
    missing: texts that the user named for missing values beside the usual ones; new rows have them, too.
    """
    redrawn = division.parts is None
    width = sum(feature.width for feature in plan.features)
    return OwnDescription(
        name=name,
        kind="table",
        tasks=tuple(plan.tasks),
        rows=division.rows,
        input_shape=(width,),
        own_inputs=plan.owners is not None,
        backbone="mlp:hidden=64/64" if division.rows["train"] < REDRAWN else "mlp:hidden=128/128",
        protocol=choose_protocol(division.rows["train"], len(plan.tasks) if plan.owners is not None else 1)
        | {"split_rule": division.rule, "overlapping": redrawn},
        details={"features": dump_features(plan.features), "redrawn": redrawn, "shares": list(shares)}
        | ({"missing": list(missing)} if missing else {}),
        provenance={"file": file, "imported": datetime.now(UTC).date().isoformat()},
    )


def choose_protocol(train: int, inputs: int = 1) -> dict[str, Any]:
    """Settings of the protocol for `train` training rows of `inputs` distinct inputs.

    Batches grow as the root of the rows, and hold 4 rows of each input. An epoch, between two looks at validation, is
    one pass through the data but 10 updates at least and 300 at most. Few rows are learnt at a lower rate: the best
    epoch would otherwise be one of the first three, and validation too coarse to see where.
    """
    batch = max(1, min(train, max(4 * inputs, min(512, max(16, 2 ** round(math.log2(2 * math.sqrt(train))))))))
    return {
        "epochs": EPOCHS,
        "steps_per_epoch": min(300, max(10, train // batch)),
        "batch_size": batch,
        "optimiser": "adam",
        "lr": 1e-3 if train < FEW else 3e-3,
        "weight_decay": 3e-4,
        "schedule": "cosine",
        "coordinates": "mean",
    }


def _write_divided(
    folder: Path, plan: TablePlan, parts: Mapping[str, Mapping[str, np.ndarray]], described: OwnDescription
) -> OwnDescription:
    """Write inputs and targets in the order of the splits, ready to be mapped; returns the completed description."""
    known = np.concatenate([part["train"] for part in parts.values()])
    encoder = Encoder.fit(plan.features, plan.numbers[known], plan.codes[known])
    order: list[np.ndarray] = []
    bounds: dict[str, dict[str, list[int]]] = {split: {} for split in SPLITS}
    at = 0
    for split in SPLITS:
        for owner, part in parts.items():
            order.append(part[split])
            bounds[split][owner] = [at, at + len(part[split])]
            at += len(part[split])
    rows = np.concatenate(order)
    inputs = np.lib.format.open_memmap(
        folder / "inputs.npy", mode="w+", dtype=np.float32, shape=(len(rows), described.input_shape[0])
    )
    for start in range(0, len(rows), CHUNK):
        piece = rows[start : start + CHUNK]
        inputs[start : start + CHUNK] = encoder.apply(plan.numbers[piece], plan.codes[piece])
    inputs.flush()
    units: dict[str, dict[str, float]] = {}
    columns = {task.name: 0 if described.own_inputs else t for t, task in enumerate(plan.tasks)}
    for task in plan.tasks:
        unit: TargetUnit | None = measure_unit(task, plan.targets[known, columns[task.name]])
        if unit:
            units[task.name] = write_unit(unit)
        if not described.own_inputs or task is plan.tasks[0]:  # tasks with rows of their own share one column
            file = "target" if described.own_inputs else f"target_{task.name}"
            np.save(folder / f"{file}.npy", encode_target(task, plan.targets[rows, columns[task.name]], unit))
    details = described.details | {"bounds": bounds, "units": units, "encoder": encoder.model_dump(mode="json")}
    return described.model_copy(update={"details": details})
