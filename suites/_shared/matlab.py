"""Suites of linear models whose rows are in a Matlab file that people have.

A file is read once for each state of it (`variables.file_stamp`), in a process of its own, and checked; what
the suite makes of it is kept for the runs that follow.
"""

import os
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from bench.api import DataMissing, Dataset, Split
from bench.errors import count_nouns, make_printable
from bench.system.files import atomic_file, make_folder
from bench.system.regular import open_regular
from suites._shared.linear_models import LinearSuite
from suites._shared.variables import Variables, file_stamp, keep_variables, load_variables, sha256_of_file

# Far above SARCOS, the largest of these files.
LARGEST = 1 << 30  # bytes of a file
TRAIN = 0.75  # of the rows of a task, rounded half up


@dataclass(frozen=True)
class TaskArrays:
    """What a file holds: inputs (n_t, d) and targets (n_t,) of every task, float64."""

    inputs: tuple[np.ndarray, ...]
    targets: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class FileSize:
    """Tasks, columns, and rows of the two parts: of the official file, or of the one that is there."""

    tasks: int
    features: int
    train: int
    test: int


class FileSuite(LinearSuite):
    """A suite with its rows in files, in the folder of its name under the data folder.

    folder: the suite's name, and the folder's.
    files: their names, each with the variables that are read of it.
    source: where people have them from, as the end of a sentence.
    """

    folder: ClassVar[str]
    files: ClassVar[Mapping[str, tuple[str, ...]]]
    source: ClassVar[str]

    @classmethod
    @abstractmethod
    def accept(cls, content: Variables) -> object:
        """What a file holds, as the suite has it; DataMissing, in one sentence, where it is another file.

        content: the variables that `files` names.
        """

    def paths(self) -> list[Path]:
        """Where the files are. DataMissing, in one sentence, where one is not."""
        paths = [(self.data_dir or Path()) / self.folder / name for name in self.files]
        absent = [path.name for path in paths if not path.is_file()]
        if absent:
            raise DataMissing(
                f"{' and '.join(absent)} should lie in `{self.folder}` of the data folder; {self.source}. Copy "
                f"{'them' if len(absent) > 1 else 'it'} there with `mtlbench data prepare {self.folder} --source PATH`."
            )
        return paths

    def load_contents(self) -> list[Any]:
        """What `accept` makes of each file, in the order of `files`. DataMissing, in one sentence, where
        one is not there or is another.
        """
        return [load_accepted(type(self), path, file_stamp(path)) for path in self.paths()]

    def data_status(self) -> dict[str, str]:
        """File -> `missing`, `ready`, or `damaged` and how."""
        here = (self.data_dir or Path()) / self.folder
        return {name: _state(type(self), here / name) for name in self.files}

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        """Copy the files from `source`, yielding a sentence for each; without one, check those that are there."""
        if source is None:
            self.load_contents()
            yield f"{self.folder}: ready already"
            return
        for name in self.files:
            if (match := find_file(name, source)) is None:
                yield f"{name}: not under {make_printable(str(source))}"
                continue
            self._copy(name, match)
            yield f"{name}: copied"

    def _copy(self, name: str, match: Path) -> None:
        """Copy a file if it is the one that is wanted; otherwise, and where the disk is full, nothing changes.

        name: what it is called here. match: where it is now.
        """
        target = (self.data_dir or Path()) / self.folder / name
        make_folder(target.parent)
        with open_regular(match) as original, atomic_file(target) as copy:
            if os.fstat(original.fileno()).st_size > LARGEST:
                raise DataMissing(
                    f"`{name}` should have at most {LARGEST >> 20:,} MB. `{make_printable(str(match))}` has more."
                )
            shutil.copyfileobj(original, copy)
            copy.flush()
            variables = load_variables(Path(copy.name), self.files[name], name)
            # Inside: where it is refused, the copy is never renamed into place.
            self.accept(variables)
        keep_variables(target, self.files[name], variables.values)

    def checksums(self) -> dict[str, str]:
        self.load_contents()
        return {path.name: sha256_of_file(path) for path in self.paths()}


class SplitSuite(FileSuite):
    """Every task's rows in two parts at random, 75 % and 25 %, anew for each seed and the same for every method.

    Of task after task, the first floor(0.75 n + 1/2) entries of `default_rng(seed).permutation(n)` are for training.
    Columns are scaled to mean 0 and variance 1 over the training rows of all tasks; a column that never changes is left
    out, since the intercepts stand for it. With `classes` both are dealt out apart.
    """

    classes: ClassVar[bool] = False
    official: ClassVar[FileSize]

    @staticmethod
    @abstractmethod
    def read(content: Variables) -> TaskArrays:
        """The file's inputs and targets, as they are stored. DataMissing, in one sentence, where it is another one."""

    @classmethod
    def accept(cls, content: Variables) -> TaskArrays:
        """As `read`, checked, without columns that never change."""
        tables = cls.read(content)
        _check_tasks(tables, content.file)
        varies = np.ptp(np.concatenate(tables.inputs), axis=0) > 0
        return TaskArrays(tuple(X[:, varies] for X in tables.inputs), tables.targets)

    def load_arrays(self) -> TaskArrays:
        """What is in the file, all rows; DataMissing, in one sentence, where it cannot be read."""
        [tables] = self.load_contents()
        assert isinstance(tables, TaskArrays)
        return tables

    def size(self) -> FileSize:
        """Tasks, columns and rows of the file that is there; of the official one where there is none, or
        none that can be read.
        """
        try:
            tables = self.load_arrays()
        except DataMissing:
            return self.official
        # Of seed 0: the parts have the same size with every seed.
        parts = _split_tasks(tables.targets, self.classes, 0)
        train, test = (sum(len(part[number]) for part in parts) for number in (0, 1))
        return FileSize(len(tables.inputs), tables.inputs[0].shape[1], train, test)

    def dataset(self, split: Split, seed: int) -> Dataset:
        [path] = self.paths()
        return _load_dataset(type(self), path, file_stamp(path), tuple(self.names), split, seed)


def find_file(name: str, source: Path) -> Path | None:
    """The file of this name at `source` or below it; None where there is none. Something else of that name is named."""
    if source.name == name and not source.is_dir():
        return source
    matches = sorted(source.rglob(name))
    # A folder or a pipe of that name is given too: the copy then says what it is.
    return next((path for path in matches if path.is_file()), matches[0] if matches else None)


def _state(suite: type[FileSuite], path: Path) -> str:
    """`missing`, `ready`, or `damaged` and how."""
    if not path.is_file():
        return "missing"
    try:
        load_accepted(suite, path, file_stamp(path))
    except (DataMissing, OSError) as error:
        return f"damaged ({str(error).rstrip('.')})"
    return "ready"


def load_accepted(suite: type[FileSuite], path: Path, stamp: tuple[int, int]) -> object:
    """What a suite makes of a file, read once for each state of it.

    suite: whose `accept` is asked.
    path: of the file.
    stamp: its state, part of the key: a file that changed is read again.

    Raises DataMissing, in a sentence, where it is another.
    """
    content = _read_or_refuse(suite, path, stamp)
    if isinstance(content, DataMissing):
        raise DataMissing(str(content))
    return content


@cache
def _read_or_refuse(suite: type[FileSuite], path: Path, stamp: tuple[int, int]) -> object:
    """What a suite makes of a file, or the DataMissing that it has for it."""
    try:
        return suite.accept(load_variables(path, suite.files[path.name]))
    except DataMissing as error:  # kept as well: to find out again takes a process
        return DataMissing(str(error))


def _check_tasks(cells: TaskArrays, file: str) -> None:
    """As many inputs as targets in every task, two rows or more, and the same columns everywhere; else DataMissing."""
    if len(cells.inputs) != len(cells.targets):
        raise DataMissing(
            f"{file} should hold inputs and targets of the same tasks. Found "
            f"{count_nouns(len(cells.inputs), 'task')} with inputs and {len(cells.targets)} with targets."
        )
    for task, (X, y) in enumerate(zip(cells.inputs, cells.targets, strict=True), 1):
        if len(X) != len(y) or len(y) < 2:
            raise DataMissing(
                f"Task {task} of {file} should have as many inputs as targets, 2 or more. Found "
                f"{count_nouns(len(X), 'input')} and {count_nouns(len(y), 'target')}."
            )
    columns = [X.shape[1] for X in cells.inputs]
    if other := next((task for task, count in enumerate(columns, 1) if count != columns[0]), None):
        raise DataMissing(
            f"Task {other} of {file} should have as many columns as task 1, {columns[0]}. Found {columns[other - 1]}."
        )


def _split_tasks(targets: Sequence[np.ndarray], classes: bool, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows (training, testing) of every task, ascending.

    targets: (n_t,) of every task.
    classes: whether both classes are dealt out apart.
    seed: of one generator, numpy's `default_rng(seed)`, which takes task by task.
    """
    generator = np.random.default_rng(seed)
    return [_split_task(y, classes, generator) for y in targets]


def _split_task(y: np.ndarray, classes: bool, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one task for training and for testing, both ascending.

    The first three quarters of a permutation, of each class where there are classes, and the others.
    """
    groups = [np.flatnonzero(y == label) for label in np.unique(y)] if classes else [np.arange(len(y))]
    train, test = [], []
    for members in groups:
        order = members[generator.permutation(len(members))]
        # At least one row of each group on either side, where it has two: a part without a class has no ROC
        # curve.
        kept = min(max(1, int(np.floor(TRAIN * len(order) + 0.5))), max(1, len(order) - 1))
        train.append(order[:kept])
        test.append(order[kept:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


@cache
def _load_dataset(
    suite: type[SplitSuite], path: Path, stamp: tuple[int, int], names: tuple[str, ...], split: str, seed: int
) -> Dataset:
    """A split of a seed: inputs scaled by what is known at training, targets as they are, float32."""
    rows_of_tasks = load_accepted(suite, path, stamp)
    assert isinstance(rows_of_tasks, TaskArrays)
    parts = _split_tasks(rows_of_tasks.targets, suite.classes, seed)
    known = np.concatenate([X[rows] for X, (rows, _) in zip(rows_of_tasks.inputs, parts, strict=True)])
    mean, spread = known.mean(axis=0), known.std(axis=0)
    # A column may stand still in the training rows of one seed; it stays 0 then.
    spread[spread == 0] = 1.0
    inputs, targets = {}, {}
    for name, X, y, part in zip(names, rows_of_tasks.inputs, rows_of_tasks.targets, parts, strict=True):
        rows = part[split != "train"]
        inputs[name] = torch.from_numpy((X[rows] - mean) / spread).float()
        targets[name] = torch.from_numpy(y[rows]).float()[:, None]
    return Dataset(inputs, targets)
