"""Inverse dynamics of a robot arm: seven torques from positions, velocities and accelerations.

Each row is one moment of the arm in motion: 21 inputs, three for each of seven joints, then seven torques.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch

from bench.api import DataMissing, Dataset, Interval, Split, derive_seed, register
from suites._shared.matlab import FileSuite, load_accepted
from suites._shared.variables import Variables, file_stamp

INPUTS = 21  # positions, velocities and accelerations of seven joints
TASKS = 7  # torques
TEST = 4_449  # rows of the official test file


@register(
    "sarcos",
    title="A robot arm (SARCOS)",
    family="tables and patients",
    paper="Vijayakumar, Schaal, ICML 2000; Rasmussen, Williams, Gaussian Processes for Machine Learning, 2006, 2.5",
)
class Sarcos(FileSuite):
    """Seven torques of a robot arm from 21 positions, velocities and accelerations, which all tasks look at.

    `sarcos_inv.mat` (44,484 rows of 28 numbers) and `sarcos_inv_test.mat` (4,449). The test rows lie inside the
    official training file: every row of it that equals a test row is left out here, so that scores are not comparable
    with those of the literature that trains on them. Inputs and torques are scaled to mean 0 and variance 1 over the
    training rows; each torque is scored by itself.

    train: training rows, drawn anew for each seed from those that are left.
    """

    folder = "sarcos"
    files: ClassVar[dict[str, tuple[str, ...]]] = {f"{name}.mat": (name,) for name in ("sarcos_inv", "sarcos_inv_test")}
    source = "they are on the page of the book Gaussian Processes for Machine Learning (gaussianprocess.org/gpml/data)"

    def __init__(
        self, data_dir: Path | None = None, *, train: Annotated[int, Interval(ge=10, le=35_000)] = 200
    ) -> None:
        """Tasks and protocol; the test rows are counted in the file that is there.

        train: training rows, 10 to 35,000.
        """
        super().__init__(data_dir, [f"torque{t}" for t in range(1, TASKS + 1)], INPUTS)
        # All torques belong to one moment.
        self.own_inputs = False
        self._define(
            "sarcos",
            1,
            {"train": train, "test": self._test_rows()},
            "the official test file; training rows at random from the official training file less the test rows",
            pooled=False,
        )

    def _test_rows(self) -> int:
        """Rows of the test file that is there, or of the official one."""
        try:
            return len(self.tables()[1])
        except DataMissing:
            return TEST

    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Training rows that are no test rows, and test rows, (n, 28) float64: 21 inputs, then 7 torques."""
        paths = self.paths()
        return _tables(*paths, *(file_stamp(path) for path in paths))

    @classmethod
    def accept(cls, content: Variables) -> np.ndarray:
        """The table (n, 28) of a file. DataMissing where it has other columns."""
        [name] = content.values
        table = content.matrix(name)
        if table.shape[1] != INPUTS + TASKS:
            raise DataMissing(
                f"`{name}` of {content.file} should have {INPUTS + TASKS} columns, {INPUTS} inputs and {TASKS} "
                f"torques. Found {table.shape[1]}."
            )
        return table

    def dataset(self, split: Split, seed: int) -> Dataset:
        """Rows drawn for `seed`, or the test rows, scaled by mean and deviation of the training rows, float32."""
        left, test = self.tables()
        wanted = self.protocol.splits["train"]
        if wanted > len(left):
            raise DataMissing(f"sarcos_inv.mat should hold {wanted} rows that are no test rows. Found {len(left)}.")
        generator = np.random.Generator(np.random.PCG64(derive_seed("sarcos", seed)))
        train = left[np.sort(generator.choice(len(left), wanted, replace=False))]
        mean, spread = train.mean(axis=0), train.std(axis=0)
        scaled = ((train if split == "train" else test) - mean) / np.where(spread > 0, spread, 1.0)
        rows = torch.from_numpy(scaled).float()
        inputs = rows[:, :INPUTS].contiguous()
        targets = {name: rows[:, INPUTS + t : INPUTS + t + 1].contiguous() for t, name in enumerate(self.names)}
        return Dataset(dict.fromkeys(self.names, inputs), targets)


@cache
def _tables(train: Path, test: Path, *stamps: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The two tables, kept for the runs that follow; `stamps` are the states of the two files."""
    rows, held = (
        np.asarray(load_accepted(Sarcos, path, stamp)) for path, stamp in zip((train, test), stamps, strict=True)
    )
    single = any(np.array_equal(table, table.astype(np.float32)) for table in (rows, held))
    precision = np.float32 if single else np.float64  # rows of two precisions are equal in the coarser one
    # Rows as bytes: 44,484 look-ups in a set, not 198 million comparisons.
    known = {row.tobytes() for row in np.ascontiguousarray(held, dtype=precision)}
    fresh = np.array([row.tobytes() not in known for row in np.ascontiguousarray(rows, dtype=precision)])
    return rows[fresh], held
