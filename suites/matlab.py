"""Suites of linear models whose rows are in a Matlab file that people have."""

import hashlib
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from bench.api import DataMissing, Dataset, Split
from suites.linear_models import LinearSuite

TRAIN = 0.75  # of the rows of a task, rounded half up


@dataclass(frozen=True)
class Cells:
    """What a file holds: inputs (n_t, d) and targets (n_t,) of every task, float64."""

    inputs: tuple[np.ndarray, ...]
    targets: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Size:
    """Tasks, columns, and rows of the two parts: of the official file, or of the one that is there."""

    tasks: int
    features: int
    train: int
    test: int


class FileSuite(LinearSuite):
    """A suite with its rows in `files`, in the folder of its name under the data folder.

    `source` says where people have the files from, as the end of a sentence.
    """

    folder: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    source: ClassVar[str]

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

    def data_status(self) -> dict[str, str]:
        here = (self.data_dir or Path()) / self.folder
        return {name: "ready" if (here / name).is_file() else "missing" for name in self.files}

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        if source is None:
            self.paths()
            yield f"{self.folder}: ready already"
            return
        here = (self.data_dir or Path()) / self.folder
        for name in self.files:
            matches = [source] if source.is_file() and source.name == name else sorted(source.rglob(name))
            if not matches:
                yield f"{name}: not under {source}"
                continue
            here.mkdir(parents=True, exist_ok=True)
            temporary = here / f".{name}"
            shutil.copyfile(matches[0], temporary)
            temporary.replace(here / name)
            yield f"{name}: copied"

    def checksums(self) -> dict[str, str]:
        return {path.name: _sha256(path, stamp_of(path)) for path in self.paths()}


class SplitSuite(FileSuite):
    """Every task's rows in two parts at random, 75 % and 25 %, anew for each seed and the same for every method.

    Of task after task, the first floor(0.75 n + 1/2) entries of `default_rng(seed).permutation(n)` are for training.
    Columns are scaled to mean 0 and variance 1 over the training rows of all tasks; a column that never changes is left
    out, since the intercepts stand for it. With `classes` both are dealt out apart.
    """

    classes: ClassVar[bool] = False
    official: ClassVar[Size]

    @staticmethod
    @abstractmethod
    def read(path: Path) -> Cells:
        """The file's content. KeyError or ValueError where it is another one."""

    def cells(self) -> Cells:
        """What is in the file; DataMissing, in one sentence, where it cannot be read."""
        [path] = self.paths()
        return _cells(type(self), path, stamp_of(path))

    def size(self) -> Size:
        """Of the file that is there; of the official one where there is none, or none that can be read."""
        try:
            found = self.cells()
        except DataMissing:
            return self.official
        parts = _parts(found.targets, self.classes, 0)
        train, test = (sum(len(part[number]) for part in parts) for number in (0, 1))
        return Size(len(found.inputs), found.inputs[0].shape[1], train, test)

    def dataset(self, split: Split, seed: int) -> Dataset:
        [path] = self.paths()
        self.cells()
        return _dataset(type(self), path, stamp_of(path), tuple(self.names), split, seed)


def load(path: Path, *names: str) -> list[Any]:
    """Variables of a Matlab file. DataMissing, in one sentence, where it is another file."""
    from scipy.io import loadmat

    try:
        content = loadmat(path)
        return [content[name] for name in names]
    except (KeyError, ValueError, TypeError, NotImplementedError, OSError) as error:
        wanted = " and ".join(f"`{name}`" for name in names)
        raise DataMissing(f"{path.name} should be a Matlab file with {wanted}. Found another ({error}).") from error


def matrix(values: Any) -> np.ndarray:
    """A matrix of finite numbers, float64; ValueError otherwise."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        raise ValueError(f"a matrix of finite numbers is expected, found shape {found.shape}")
    return found


def stamp_of(path: Path) -> tuple[int, int]:
    """What tells that a file is still the one that was read."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@cache
def _sha256(path: Path, stamp: tuple[int, int]) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _cells(suite: type[SplitSuite], path: Path, stamp: tuple[int, int]) -> Cells:
    try:
        found = suite.read(path)
        columns = {X.shape[1] for X in found.inputs}
        if len(columns) != 1:
            raise ValueError(f"tasks have {sorted(columns)} columns")
        for number, (X, y) in enumerate(zip(found.inputs, found.targets, strict=True), 1):
            if len(X) != len(y) or len(y) < 2:
                raise ValueError(f"task {number} has {len(X)} inputs and {len(y)} targets")
    except (ValueError, TypeError, IndexError) as error:
        raise DataMissing(f"{path.name} cannot be read as {suite.folder}: {error}.") from error
    varies = np.ptp(np.concatenate(found.inputs), axis=0) > 0
    return Cells(tuple(X[:, varies] for X in found.inputs), found.targets)


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
    found = _cells(suite, path, stamp)
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
