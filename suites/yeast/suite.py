"""Sets of labels of genes: the yeast data of Elisseeff and Weston, or another table of the same form."""

import shutil
from collections.abc import Iterator
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.api import (
    DataMissing,
    Dataset,
    MultiLabel,
    Protocol,
    Split,
    Suite,
    Task,
    UsageError,
    bce_loss,
    derive_seed,
    register,
)
from bench.backbones.mlp import mlp
from bench.errors import make_printable
from bench.system.files import atomic_file, make_folder
from bench.system.regular import NotRegular, TooLarge, open_regular
from suites._shared.heads import make_linear_head
from suites._shared.variables import file_stamp, sha256_of_file
from suites.yeast.reading import LARGEST_TABLE, LabelTable, read_label_table

FILE = "yeast.csv.gz"
PACKAGE, INSIDE = "river", "river/datasets/yeast.csv.gz"  # the extra that carries the file, and where
GENES, FEATURES, LABELS = 2417, 103, 14
TRAIN, VALIDATION = 0.5, 0.2  # shares of the rows, rounded half up; the rest are the test rows
HIDDEN = (64, 64)  # units of the network
POOL = "labels"  # the name that tasks are scored together under
BATCH = 64


@register(
    "yeast",
    title="Functions of yeast genes",
    family="tables and patients",
    paper="Elisseeff, Weston, A kernel method for multi-labelled classification, NeurIPS 2001",
)
class LabelTableSuite(Suite):
    """Which of 14 functions a yeast gene has, from 103 features of its expression and phylogeny: 2,417 genes.

    The file is `yeast.csv.gz` of the package `river` (extra `river`), which `mtlbench data prepare yeast` copies; or a
    table of that form with `--source FILE`, CSV, plain or packed by gzip: columns `Class...` are labels, 0 or 1, all
    others features. 50 % of the rows train and 20 % validate, anew for each seed. Features are scaled to mean 0 and
    variance 1 over the training rows. Scored as `multilabel`, all labels of a row together.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        """Tasks and rows of the file that is there, or of the yeast data."""
        super().__init__(data_dir)
        rows, features, labels = GENES, FEATURES, [f"Class{t}" for t in range(1, LABELS + 1)]
        try:
            table = self.load_table()
            rows, features, labels = len(table.inputs), len(table.features), list(table.labels)
        except DataMissing:
            pass
        # Names of a user's columns may be no names of tasks.
        self.names = [f"label{t:02d}" for t in range(1, len(labels) + 1)]
        self.titles = dict(zip(self.names, labels, strict=True))
        self.input_shape = (features,)
        head, metric = partial(make_linear_head, 1), partial(MultiLabel, self.names)
        self.tasks = [Task(name, head, bce_loss, metric, POOL) for name in self.names]
        counts = _count_rows(rows)
        self.protocol = Protocol(
            name="yeast",
            version=1,
            splits=counts,
            split_rule="50 %, 20 % and 30 % of the rows at random, anew for each seed",
            epochs=30,
            steps_per_epoch=20,
            batch_size=min(BATCH, counts["train"]),
            optimiser="adam",
            lr=5e-3,
            weight_decay=1e-3,
            schedule="cosine",
            coordinates="mean",
            overlapping=True,
            metrics={POOL: MultiLabel.kind},
        )

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """Two layers of 64 units, times `width`."""
        return mlp(self.input_shape[0], HIDDEN, width)

    def path(self) -> Path:
        """Where the file is. DataMissing, in one sentence, where it is not."""
        path = (self.data_dir or Path()) / "yeast" / FILE
        if not path.is_file():
            raise DataMissing(
                f"{FILE} should lie in `yeast` of the data folder. Copy it there with `mtlbench data prepare yeast`, "
                f"from the package `{PACKAGE}`, or with `--source FILE`."
            )
        return path

    def load_table(self) -> LabelTable:
        """What is in the file. DataMissing, in one sentence with file and line, where it cannot be read."""
        path = self.path()
        return _load(path, file_stamp(path))

    def dataset(self, split: Split, seed: int) -> Dataset:
        """Features (n, d) that all tasks read, and labels (n, 1) of each, float32."""
        table = self.load_table()
        train, val, test = _deal_rows(table.targets, seed)
        rows = {"train": train, "val": val, "test": test}[split]
        mean, spread = table.inputs[train].mean(axis=0), table.inputs[train].std(axis=0)
        # A column may stand still in the training rows of one seed.
        x = torch.from_numpy((table.inputs[rows] - mean) / np.where(spread > 0, spread, 1.0)).float()
        y = torch.from_numpy(table.targets[rows]).float()
        return Dataset(dict.fromkeys(self.names, x), {name: y[:, [t]] for t, name in enumerate(self.names)})

    def describe_for_predictions(self, seed: int) -> dict[str, Any]:
        """What labels are called in the file."""
        return {"titles": dict(self.titles)}

    def data_status(self) -> dict[str, str]:
        """`missing`, `ready`, or `damaged` and how."""
        try:
            self.path()
        except DataMissing:
            return {FILE: "missing"}
        try:
            self.load_table()
        except DataMissing as error:
            return {FILE: f"damaged ({str(error).rstrip('.')})"}
        return {FILE: "ready"}

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        """Copy a table from `source`, a file of any name or a folder with `yeast.csv.gz`, or from the package.

        Nothing is copied that cannot be read.
        """
        target = (self.data_dir or Path()) / "yeast" / FILE
        if source is None and target.is_file():
            self.load_table()
            yield f"{FILE}: ready already"
            return
        match = _find_packaged() if source is None else source / FILE if source.is_dir() else source
        if not match.exists():
            yield f"{FILE}: not in {make_printable(str(source))}"
            return
        _load(match, file_stamp(match))
        make_folder(target.parent)
        with open_regular(match) as original, atomic_file(target) as copy:
            shutil.copyfileobj(original, copy)
        yield f"{FILE}: copied"

    def checksums(self) -> dict[str, str]:
        """Of the file."""
        self.load_table()
        return {FILE: sha256_of_file(self.path())}


def _find_packaged() -> Path:
    """The file in the installed package, which is not imported. DataMissing where it is not installed."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(INSIDE)))
    except PackageNotFoundError:
        raise DataMissing(
            f"The package `{PACKAGE}` should be installed, which carries {FILE}; install it with `pip install "
            f'"mtlbench[{PACKAGE}]"`, or name a file with `--source FILE`.'
        ) from None
    if not path.is_file():
        raise DataMissing(f"The package `{PACKAGE}` should carry {INSIDE}. Found another release; take 0.25 or later.")
    return path


def _load(path: Path, stamp: tuple[int, int]) -> LabelTable:
    """What is in a file, read once for each state of it. Raises DataMissing, in one sentence, where it is refused."""
    found = _read_or_refuse(path, stamp)
    if isinstance(found, str):
        raise DataMissing(found)
    return found


@cache
def _read_or_refuse(path: Path, stamp: tuple[int, int]) -> LabelTable | str:
    """What is in a file, or the sentence that refuses it."""
    try:
        return read_label_table(path)
    except (UsageError, NotRegular) as error:
        return str(error)
    except TooLarge:
        return f"`{make_printable(path.name)}` should have at most {LARGEST_TABLE >> 20} MB."
    except OSError as error:
        return f"`{make_printable(path.name)}` cannot be read ({error.strerror or error})."


def _count_rows(rows: int) -> dict[str, int]:
    """split -> rows; shares are rounded half up, the rest are test rows."""
    train, val = (int(np.floor(share * rows + 0.5)) for share in (TRAIN, VALIDATION))
    return {"train": train, "val": val, "test": rows - train - val}


def _deal_rows(targets: np.ndarray, seed: int) -> list[np.ndarray]:
    """Training, validation and test rows, ascending."""
    counts = _count_rows(len(targets))
    order = np.random.Generator(np.random.PCG64(derive_seed("yeast", seed))).permutation(len(targets))
    return [np.sort(part) for part in np.split(order, np.cumsum([counts["train"], counts["val"]]))]
