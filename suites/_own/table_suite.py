"""An imported table as a suite: rows divided anew for each seed, or once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.api import Affine, Dataset, LogRate, NewRows, Split
from suites._own.columns import Encoder, Feature
from suites._own.description import OwnDescription, OwnTask
from suites._own.division import SPLITS, divide
from suites._own.suite import OwnSuite, map_array

TargetUnit = Affine | LogRate


@dataclass(frozen=True)
class StoredTable:
    """A table as it lies in its folder; equal where all of its bytes are."""

    folder: Path
    sums: tuple[tuple[str, str], ...]
    description: OwnDescription = field(compare=False)

    def map(self, name: str) -> np.ndarray:
        """The array `name`, mapped from its file."""
        return map_array(self.folder, self.description, f"{name}.npy")


class TableSuite(OwnSuite):
    """A table of the user's own: several targets of one row, or tasks with rows of their own.

    Tables of up to 20,000 rows are divided anew for each seed, so that seeds differ by which rows were tested, too;
    larger ones, and those divided by group or time, once. Encoders and the units of targets are found in the training
    rows of each division.

    backbone: name and options of a network, as `mlp:hidden=64/64`; by default that of the description.
    """

    @property
    def stored(self) -> StoredTable:
        """The table in its folder."""
        return StoredTable(self.folder, tuple(sorted(self.description.sha256.items())), self.description)

    def dataset(self, split: Split, seed: int) -> Dataset:
        if self.description.details["redrawn"]:
            return divide_stored(self.stored, seed)[0][split]
        return _map_split(self.stored, split)

    def find_encoder(self, seed: int) -> Encoder:
        """What turns rows into inputs in runs of `seed`, found in their training rows."""
        if self.description.details["redrawn"]:
            return divide_stored(self.stored, seed)[1]
        return Encoder.model_validate(self.description.details["encoder"])

    def describe_for_predictions(self, seed: int) -> dict[str, Any]:
        """As of every own set, with the encoder and the units of the training rows of `seed`."""
        units = self.dataset("train", seed).units
        return super().describe_for_predictions(seed) | {
            "encoder": self.find_encoder(seed).model_dump(mode="json"),
            "units": {task: write_unit(unit) for task, unit in units.items()},
        }

    def read_new_rows(self, path: Path, kept: Mapping[str, Any]) -> NewRows:
        """The rows of a CSV, Parquet or other table, encoded as the training rows of the run were."""
        from suites._own.new_rows import read_table_rows  # which reads files by an optional library

        return read_table_rows(path, self.description, Encoder.model_validate(kept["encoder"]))


def _map_split(table: StoredTable, split: Split) -> Dataset:
    """A split of a table that was divided once: slices of files, of which no process holds a copy."""
    own = table.description
    every = torch.from_numpy(table.map("inputs"))
    bounds: dict[str, list[int]] = own.details["bounds"][split]  # task -> first row and last; "" for all tasks
    slices: dict[tuple[int, ...], torch.Tensor] = {}
    inputs, targets = {}, {}
    for task in own.tasks:
        start, stop = bounds.get(task.name) or bounds[""]
        # By identity a trunk knows that tasks share their rows.
        inputs[task.name] = slices.setdefault((start, stop), every[start:stop])
        file = "target" if own.own_inputs else f"target_{task.name}"
        targets[task.name] = torch.from_numpy(table.map(file))[start:stop]
    units = {name: read_unit(unit) for name, unit in own.details["units"].items()}
    return Dataset(inputs, targets, units=units)


@lru_cache(maxsize=8)
def divide_stored(table: StoredTable, seed: int) -> tuple[dict[str, Dataset], Encoder]:
    """(split -> its rows, the encoder of the training rows) of a table that is divided anew for each seed.

    Kept for the runs that follow, which have the same seed or one of few.
    """
    own = table.description
    numbers, codes, targets = (table.map(name) for name in ("numbers", "codes", "targets"))
    shares, needs, titles = own.details["shares"], find_needs(own.tasks), [task.title for task in own.tasks]
    owners = table.map("owners") if own.own_inputs else None
    parts: dict[str, dict[str, np.ndarray]] = {}  # task, or "" for all -> split -> rows
    if owners is None:
        parts[""] = divide(targets, needs, titles, shares, seed)
    else:
        for t, task in enumerate(own.tasks):
            rows = np.flatnonzero(owners == t)
            found = divide(targets[rows], needs[t : t + 1], titles[t : t + 1], shares, seed, t)
            parts[task.name] = {split: rows[part] for split, part in found.items()}
    known = np.concatenate([part["train"] for part in parts.values()])
    encoder = Encoder.fit(make_features(own), numbers[known], codes[known])
    columns = {task.name: 0 if own.own_inputs else t for t, task in enumerate(own.tasks)}
    units = {task.name: unit for task in own.tasks if (unit := measure_unit(task, targets[known, columns[task.name]]))}
    splits = {}
    for split in SPLITS:
        inputs = {
            name: torch.from_numpy(encoder.apply(numbers[part[split]], codes[part[split]]))
            for name, part in parts.items()
        }
        labels = {
            task.name: torch.from_numpy(
                encode_target(
                    task,
                    targets[parts.get(task.name, parts.get("", {}))[split], columns[task.name]],
                    units.get(task.name),
                )
            )
            for task in own.tasks
        }
        splits[split] = Dataset(
            {task.name: inputs.get(task.name, inputs.get("")) for task in own.tasks},  # type: ignore[misc]
            labels,
            units=units,
        )
    return splits, encoder


def make_features(description: OwnDescription) -> tuple[Feature, ...]:
    """The features of a table's description."""
    return tuple(Feature.model_validate(each) for each in description.details["features"])


def measure_unit(task: OwnTask, labels: np.ndarray) -> TargetUnit | None:
    """The unit in which a target is learnt, from its training labels (n,), NaN where missing; None for its own."""
    there = labels[~np.isnan(labels)]
    if task.kind == "real":
        deviation = float(there.std())
        return Affine(float(there.mean()), deviation if deviation > 0 else 1.0)
    if task.kind == "count":
        return LogRate(float(there.mean()) or 1.0)
    return None


def write_unit(unit: TargetUnit) -> dict[str, float]:
    """A unit as JSON values, which `read_unit` reads."""
    return {"rate": unit.rate} if isinstance(unit, LogRate) else {"shift": unit.shift, "scale": unit.scale}


def read_unit(values: Mapping[str, float]) -> TargetUnit:
    """The unit that `write_unit` wrote."""
    return LogRate(**values) if "rate" in values else Affine(**values)


def encode_target(task: OwnTask, labels: np.ndarray, unit: TargetUnit | None) -> np.ndarray:
    """A target as it is learnt: int64 (n,) of classes and levels, -1 where missing; float32 (n, 1) of all others.

    labels: (n,) float64 as stored, NaN where missing.
    """
    if task.kind in ("class", "ordinal"):
        return np.where(np.isnan(labels), -1, labels).astype(np.int64)
    if isinstance(unit, Affine):
        labels = (labels - unit.shift) / unit.scale
    elif isinstance(unit, LogRate):
        labels = labels / unit.rate
    return labels.astype(np.float32)[:, None]


def find_needs(tasks: Sequence[OwnTask]) -> list[str]:
    """Kind of each task for `divide`; tasks that are scored together need no spread of their own."""
    return ["pooled" if task.pool else task.kind for task in tasks]
