"""The rows of a split that a loader yields: read once into memory, or read anew for each batch.

Streamed rows are a data set of row numbers whose transform reads the rows that they name. So batch k is the function
of seed and k that it is in memory, shuffled and thinned labels work as there, and the weights of a run are the same.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bench.api import Affine, Dataset, LogRate, digest
from bench.errors import UsageError
from suites._own.division import explain_lack
from suites._own.loader_source import IndexedSource, LoaderSource, RowPiece, read_pieces
from suites._own.loader_tasks import LoaderTask


@dataclass
class SplitRows:
    """A split that was read.

    split: its name.
    rows: how many.
    input_shape: of one row.
    targets: task -> targets as `LoaderTask.check` made them; of streamed rows those of one number only.
    labelled: task -> which rows have a label, bool (n,).
    checksum: SHA-256 of the content: shapes, types and numbers of inputs and targets.
    inputs: (n, ...) float32; None where they are streamed.
    source: of streamed rows.
    first: task -> targets of the first rows, which show the shape.
    """

    split: str
    rows: int
    input_shape: tuple[int, ...]
    targets: dict[str, Tensor]
    labelled: dict[str, Tensor]
    checksum: str
    inputs: Tensor | None = None
    source: IndexedSource | None = None
    first: dict[str, Tensor] = field(default_factory=dict)

    def make_dataset(self, tasks: Sequence[LoaderTask], units: Mapping[str, Affine | LogRate]) -> Dataset:
        """The rows as the harness takes them, with targets in `units`."""
        targets = {
            task.name: task.encode(self.targets[task.name], units.get(task.name))
            for task in tasks
            if task.name in self.targets
        }
        names, named = [task.name for task in tasks], dict(units)
        if self.source is None:
            assert self.inputs is not None
            return Dataset(dict.fromkeys(names, self.inputs), targets, units=named)
        numbers = torch.arange(self.rows)
        fetched = {task.name: task for task in tasks if task.name not in targets}
        return StreamedDataset(
            dict.fromkeys(names, numbers),
            {name: targets.get(name, numbers) for name in names},
            Fetch(self.source, fetched),
            masks=dict(self.labelled),
            units=named,
        )


class StreamedDataset(Dataset):
    """A data set of row numbers; its rows are as large as those they stand for."""

    @property
    def row_numbers(self) -> int:
        return self.take([torch.zeros(1, dtype=torch.long)])[0].popitem()[1].numel()


@dataclass(frozen=True)
class Fetch:
    """A transform from row numbers (n,) to the rows of a source.

    fetched: tasks whose targets are row numbers, too, and are read with the rows; all others are targets already.
    """

    source: IndexedSource
    fetched: Mapping[str, LoaderTask]

    def __call__(
        self, rows: Tensor, targets: dict[str, Tensor], generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        numbers = rows.tolist()
        piece = self.source.fetch(numbers)
        found = dict(targets)
        for name, task in self.fetched.items():
            if name in targets:  # other rows than those of the inputs where labels were shuffled
                wanted = targets[name].tolist()
                of = piece if wanted == numbers else self.source.fetch(wanted)
                found[name] = task.check(of.targets[name], self.source.split, wanted[0]).to(rows.device)
        return _check_inputs(piece, self.source.split).to(rows.device), found


def read_rows(source: LoaderSource, tasks: Sequence[LoaderTask], streamed: bool) -> SplitRows:
    """Read a split once: all of it into memory, or only its labels and checksum.

    Raises UsageError for what is no row of these tasks, in one sentence that names split and row.
    """
    if streamed and not isinstance(source, IndexedSource):
        raise UsageError(
            f"`{source.split}` should be a map-style data set to be streamed: batches are drawn by row numbers. Found "
            "a loader that can only be read as it comes; leave `stream` out."
        )
    sums = {name: hashlib.sha256() for name in ("inputs", *(task.name for task in tasks))}
    forms: dict[str, tuple[str, tuple[int, ...]]] = {}
    inputs: list[Tensor] = []
    targets: dict[str, list[Tensor]] = {task.name: [] for task in tasks}
    labelled: dict[str, list[Tensor]] = {task.name: [] for task in tasks}
    first: dict[str, Tensor] = {}
    done = 0
    for piece in read_pieces(source):
        x = _check_inputs(piece, source.split)
        columns = {"inputs": x}
        for task in tasks:
            columns[task.name] = task.check(piece.targets[task.name], source.split, done)
            labelled[task.name].append(task.find_rows(columns[task.name], source.split, streamed))
            if task.whole or not streamed:
                targets[task.name].append(columns[task.name])
        first = first or {task.name: columns[task.name][:1] for task in tasks}
        for name, column in columns.items():
            form = (str(column.dtype), tuple(column.shape[1:]))
            if forms.setdefault(name, form) != form:
                what = "Inputs" if name == "inputs" else f"Targets of `{name}`"
                raise UsageError(
                    f"{what} of `{source.split}` should have one shape and one type. Found {forms[name]} in row 0 and "
                    f"{form} in row {done}; bring all rows to one, as by resizing or padding."
                )
            sums[name].update(column.contiguous().numpy().tobytes())
        if not streamed:
            inputs.append(x)
        done += len(x)
    return SplitRows(
        split=source.split,
        rows=done,
        input_shape=forms["inputs"][1],
        targets={name: torch.cat(parts) for name, parts in targets.items() if parts},
        labelled={name: torch.cat(parts) for name, parts in labelled.items()},
        checksum=digest([[name, *map(str, forms[name]), sums[name].hexdigest()] for name in sums]),
        inputs=None if streamed else torch.cat(inputs),
        source=source if streamed and isinstance(source, IndexedSource) else None,
        first=first,
    )


def check_splits(splits: Mapping[str, SplitRows], tasks: Sequence[LoaderTask]) -> None:
    """Raise UsageError where splits do not fit each other, or lack what the scores of a task need."""
    train = splits["train"]
    for rows in splits.values():
        if rows.input_shape != train.input_shape:
            raise UsageError(
                f"All splits should have inputs of one shape. Found {train.input_shape} in `train` and "
                f"{rows.input_shape} in `{rows.split}`."
            )
        for task in tasks:
            one, other = (tuple(each.first[task.name].shape[1:]) for each in (train, rows))
            if one != other:
                raise UsageError(
                    f"All splits should have targets of `{task.name}` of one shape. Found {one} in `train` and {other} "
                    f"in `{rows.split}`."
                )
            lack = "" if bool(rows.labelled[task.name].any()) else f"no label of `{task.name}`"
            if task.whole and task.own and not lack:
                lack = explain_lack(rows.targets[task.name].numpy()[:, None], [task.own.kind], [task.name])
            if lack:
                raise UsageError(
                    "Every split should have labels of every task, and two different ones of real and binary targets. "
                    f"Found {lack} in `{rows.split}`; divide the rows otherwise, or leave the task out."
                )


def _check_inputs(piece: RowPiece, split: str) -> Tensor:
    """Inputs (n, ...) as float32. Raises UsageError for whole numbers, and for what is no finite number."""
    x = piece.inputs
    if not x.is_floating_point() or x.dim() < 2:
        raise UsageError(
            f"Inputs of `{split}` should be real numbers, at least one axis for each row. Found {x.dtype} of shape "
            f"{tuple(x.shape[1:])}; convert them in the data set, bytes of images as by `x.float() / 255`."
        )
    if not bool(x.isfinite().all()):
        raise UsageError(f"Inputs of `{split}` should be finite. Found NaN or infinity; fill what is missing.")
    return x.float()
