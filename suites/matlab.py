"""Suites of linear models whose rows are in a Matlab file that people have."""

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
from bench.errors import make_printable
from bench.system.files import atomic_file, make_folder
from bench.system.regular import open_regular
from suites.linear_models import LinearSuite
from suites.variables import Variables, keep_variables, sha256_of_file, stamp_of, variables_of

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

    `files` are their names, each with the variables that are read of it. `source` says where people have them from, as
    the end of a sentence.
    """

    folder: ClassVar[str]
    files: ClassVar[Mapping[str, tuple[str, ...]]]
    source: ClassVar[str]

    @classmethod
    @abstractmethod
    def accept(cls, content: Variables) -> object:
        """What a file holds, as the suite has it; DataMissing, in one sentence, where it is another file."""

    def paths(self) -> list[Path]:
        """Where the files are. DataMissing, in one sentence, where one is not."""
        found = [(self.data_dir or Path()) / self.folder / name for name in self.files]
        absent = [path.name for path in found if not path.is_file()]
        if absent:
            raise DataMissing(
                f"{' and '.join(absent)} should lie in `{self.folder}` of the data folder; {self.source}. Copy "
                f"{'them' if len(absent) > 1 else 'it'} there with `mtlbench data prepare {self.folder} --source PATH`."
            )
        return found

    def contents(self) -> list[Any]:
        """What `accept` makes of each file. DataMissing, in one sentence, where one is not there or is another."""
        return [accepted(type(self), path, stamp_of(path)) for path in self.paths()]

    def data_status(self) -> dict[str, str]:
        here = (self.data_dir or Path()) / self.folder
        return {name: _state(type(self), here / name) for name in self.files}

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        if source is None:
            self.contents()
            yield f"{self.folder}: ready already"
            return
        for name in self.files:
            if (match := match_of(name, source)) is None:
                yield f"{name}: not under {make_printable(str(source))}"
                continue
            self._copy(name, match)
            yield f"{name}: copied"

    def _copy(self, name: str, match: Path) -> None:
        """Copy a file if it is the one that is wanted; otherwise, and where the disk is full, nothing changes."""
        target = (self.data_dir or Path()) / self.folder / name
        make_folder(target.parent)
        with open_regular(match) as original, atomic_file(target) as copy:
            if os.fstat(original.fileno()).st_size > LARGEST:
                raise DataMissing(
                    f"`{name}` should have at most {LARGEST >> 20:,} MB. `{make_printable(str(match))}` has more."
                )
            shutil.copyfileobj(original, copy)
            copy.flush()
            found = variables_of(Path(copy.name), self.files[name], name)
            self.accept(found)
        keep_variables(target, self.files[name], found.values)

    def checksums(self) -> dict[str, str]:
        self.contents()
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
        """The file's content. DataMissing, in one sentence, where it is another one."""

    @classmethod
    def accept(cls, content: Variables) -> TaskArrays:
        found = cls.read(content)
        _check(found, content.file)
        varies = np.ptp(np.concatenate(found.inputs), axis=0) > 0
        return TaskArrays(tuple(X[:, varies] for X in found.inputs), found.targets)

    def cells(self) -> TaskArrays:
        """What is in the file; DataMissing, in one sentence, where it cannot be read."""
        [found] = self.contents()
        assert isinstance(found, TaskArrays)
        return found

    def size(self) -> FileSize:
        """Of the file that is there; of the official one where there is none, or none that can be read."""
        try:
            found = self.cells()
        except DataMissing:
            return self.official
        parts = _parts(found.targets, self.classes, 0)
        train, test = (sum(len(part[number]) for part in parts) for number in (0, 1))
        return FileSize(len(found.inputs), found.inputs[0].shape[1], train, test)

    def dataset(self, split: Split, seed: int) -> Dataset:
        [path] = self.paths()
        return _dataset(type(self), path, stamp_of(path), tuple(self.names), split, seed)


def match_of(name: str, source: Path) -> Path | None:
    """The file of this name at `source` or below it; None where there is none. Something else of that name is named."""
    if source.name == name and not source.is_dir():
        return source
    matches = sorted(source.rglob(name))
    return next((path for path in matches if path.is_file()), matches[0] if matches else None)


def _state(suite: type[FileSuite], path: Path) -> str:
    """`missing`, `ready`, or `damaged` and how."""
    if not path.is_file():
        return "missing"
    try:
        accepted(suite, path, stamp_of(path))
    except (DataMissing, OSError) as error:
        return f"damaged ({str(error).rstrip('.')})"
    return "ready"


def accepted(suite: type[FileSuite], path: Path, stamp: tuple[int, int]) -> object:
    """What a suite makes of a file, read once for each state of it. DataMissing, in a sentence, where it is another."""
    found = _outcome(suite, path, stamp)
    if isinstance(found, DataMissing):
        raise DataMissing(str(found))
    return found


@cache
def _outcome(suite: type[FileSuite], path: Path, stamp: tuple[int, int]) -> object:
    try:
        return suite.accept(variables_of(path, suite.files[path.name]))
    except DataMissing as error:  # kept as well: to find out again takes a process
        return DataMissing(str(error))


def _check(cells: TaskArrays, file: str) -> None:
    """As many inputs as targets in every task, two rows or more, and the same columns everywhere."""
    if len(cells.inputs) != len(cells.targets):
        raise DataMissing(
            f"{file} should hold inputs and targets of the same tasks. Found {len(cells.inputs)} tasks with inputs and "
            f"{len(cells.targets)} with targets."
        )
    for task, (X, y) in enumerate(zip(cells.inputs, cells.targets, strict=True), 1):
        if len(X) != len(y) or len(y) < 2:
            raise DataMissing(
                f"Task {task} of {file} should have as many inputs as targets, 2 or more. Found {len(X)} inputs and "
                f"{len(y)} targets."
            )
    columns = [X.shape[1] for X in cells.inputs]
    if other := next((task for task, count in enumerate(columns, 1) if count != columns[0]), None):
        raise DataMissing(
            f"Task {other} of {file} should have as many columns as task 1, {columns[0]}. Found {columns[other - 1]}."
        )


def _parts(targets: Sequence[np.ndarray], classes: bool, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of every task for training and for testing, by one generator, numpy's `default_rng(seed)`, task by task."""
    generator = np.random.default_rng(seed)
    return [_part(y, classes, generator) for y in targets]


def _part(y: np.ndarray, classes: bool, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The first three quarters of a permutation, of each class where there are classes, and the others."""
    groups = [np.flatnonzero(y == label) for label in np.unique(y)] if classes else [np.arange(len(y))]
    train, test = [], []
    for members in groups:
        order = members[generator.permutation(len(members))]
        kept = min(max(1, int(np.floor(TRAIN * len(order) + 0.5))), max(1, len(order) - 1))
        train.append(order[:kept])
        test.append(order[kept:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


@cache
def _dataset(
    suite: type[SplitSuite], path: Path, stamp: tuple[int, int], names: tuple[str, ...], split: str, seed: int
) -> Dataset:
    found = accepted(suite, path, stamp)
    assert isinstance(found, TaskArrays)
    parts = _parts(found.targets, suite.classes, seed)
    known = np.concatenate([X[rows] for X, (rows, _) in zip(found.inputs, parts, strict=True)])
    mean, spread = known.mean(axis=0), known.std(axis=0)
    spread[spread == 0] = 1.0
    inputs, targets = {}, {}
    for name, X, y, part in zip(names, found.inputs, found.targets, parts, strict=True):
        rows = part[split != "train"]
        inputs[name] = torch.from_numpy((X[rows] - mean) / spread).float()
        targets[name] = torch.from_numpy(y[rows]).float()[:, None]
    return Dataset(inputs, targets)
