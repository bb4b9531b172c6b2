"""Rows of map-style data sets and DataLoaders, in an order that is the same each time.

The harness draws batches itself, from the seed of a run. So of a DataLoader over a map-style data set the data set is
read, in its own order, whether the loader shuffles or not; its `collate_fn` makes tensors of rows where it has one. A
loader with a sampler of its own, or over an iterable, is read once, as it comes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler, default_collate

from bench.errors import UsageError, add_article, count_nouns, make_printable, quote_nearest

READ_ROWS = 256  # read at once: what is stacked beside what is kept already stays small


@dataclass(frozen=True)
class RowPiece:
    """Some rows of a split.

    inputs: (n, ...).
    targets: task -> (n, ...), as they came.
    """

    inputs: Tensor
    targets: dict[str, Tensor]


class LoaderSource(ABC):
    """The rows of one split.

    split: for sentences.
    tasks: names, in the order of targets that come as a tuple.
    """

    def __init__(self, split: str, tasks: Sequence[str]) -> None:
        self.split, self.tasks = split, tasks

    @abstractmethod
    def read(self) -> Iterator[RowPiece]:
        """All rows, in their order."""

    def name_targets(self, targets: Any) -> dict[str, Any]:
        """task -> targets, of a mapping or a sequence. Raises UsageError for other tasks than there are."""
        known = ", ".join(f"`{task}`" for task in self.tasks)
        if isinstance(targets, Mapping):
            for name in targets:
                if name not in self.tasks:
                    raise UsageError(
                        f"Targets of `{self.split}` should be of the tasks {known}. Found "
                        f"`{make_printable(str(name))}`; the nearest: {quote_nearest(str(name), self.tasks)}."
                    )
            for task in self.tasks:
                if task not in targets:
                    raise UsageError(
                        f"Targets of `{self.split}` should have every task. Found none of `{task}`; where a label is "
                        "missing write NaN, or -1 for a class."
                    )
            return {task: targets[task] for task in self.tasks}
        if not isinstance(targets, tuple | list):
            targets = [targets]
        if len(targets) != len(self.tasks):
            raise UsageError(
                f"Targets of `{self.split}` should be one for each of the tasks {known}. Found {len(targets)}; yield a "
                "dict task -> target, or a tuple in the order of the tasks."
            )
        return dict(zip(self.tasks, targets, strict=True))

    def part_item(self, item: Any) -> tuple[Any, Any]:
        """(inputs, targets) of what a data set or a loader yields."""
        if not isinstance(item, tuple | list) or len(item) != 2:
            what = (
                count_nouns(len(item), "value") if isinstance(item, tuple | list) else add_article(type(item).__name__)
            )
            raise UsageError(
                f"`{self.split}` should yield pairs (inputs, targets). Found {what}; wrap it so that it does."
            )
        return item[0], item[1]

    def stack(self, values: Sequence[Any], numbers: Sequence[int], what: str) -> Tensor:
        """One value of each row as one tensor (n, ...). Raises UsageError where their shapes differ."""
        tensors = [self.make_tensor(value, what) for value in values]
        for number, tensor in zip(numbers, tensors, strict=True):
            if tensor.shape != tensors[0].shape:
                raise self.refuse_shapes(what, numbers[0], tensors[0], number, tensor)
        return torch.stack(tensors)

    def make_tensor(self, value: Any, what: str) -> Tensor:
        """A value as a tensor; None is NaN, which is no label."""
        if isinstance(value, Tensor):
            return value.detach().cpu()
        try:
            return torch.as_tensor(float("nan") if value is None else value)
        except (TypeError, ValueError, RuntimeError):
            raise UsageError(
                f"{what} of `{self.split}` should be tensors, arrays or numbers. Found "
                f"{add_article(type(value).__name__)}; "
                "convert it in the data set, images as with `ToTensor`."
            ) from None

    def refuse_shapes(self, what: str, one: int, first: Tensor, other: int, second: Tensor) -> UsageError:
        """The sentence on two rows of different shapes."""
        return UsageError(
            f"{what} of `{self.split}` should have one shape. Found {tuple(first.shape)} in row {one} and "
            f"{tuple(second.shape)} in row {other}; bring all rows to one, as by resizing or padding."
        )


class IndexedSource(LoaderSource):
    """Rows of a map-style data set, by their numbers.

    data: has a length, and gives (inputs, targets) for a number.
    collate: makes (inputs, targets) of a batch of a list of items; None where values are stacked.
    workers: threads that read the rows of a batch; 0 reads them one after another. They change no number.
    """

    def __init__(
        self,
        split: str,
        tasks: Sequence[str],
        data: Any,
        collate: Callable[[list[Any]], Any] | None = None,
        workers: int = 0,
    ) -> None:
        super().__init__(split, tasks)
        self.data, self.collate, self.workers = data, collate, workers

    def __len__(self) -> int:
        return len(self.data)

    def read(self) -> Iterator[RowPiece]:
        for start in range(0, len(self), READ_ROWS):
            yield self.fetch(range(start, min(start + READ_ROWS, len(self))))

    def fetch(self, numbers: Sequence[int]) -> RowPiece:
        """The rows of these numbers, in their order."""
        if self.workers:
            with ThreadPoolExecutor(self.workers) as pool:  # for each batch: one that is kept does not survive a fork
                items = list(pool.map(self.data.__getitem__, numbers))
        else:
            items = [self.data[number] for number in numbers]
        if self.collate:
            return make_batch(self, self.collate(items), numbers[0])
        parts = [self.part_item(item) for item in items]
        named = [self.name_targets(_unbind(targets, 0)) for _, targets in parts]
        return RowPiece(
            self.stack([inputs for inputs, _ in parts], numbers, "Inputs"),
            {task: self.stack([row[task] for row in named], numbers, f"Targets of `{task}`") for task in self.tasks},
        )

    def refuse_random_rows(self) -> None:
        """Raise UsageError where the first row is another one when it is read again."""
        one, other = self.fetch([0]), self.fetch([0])
        pairs = [(one.inputs, other.inputs), *((one.targets[task], other.targets[task]) for task in self.tasks)]
        if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs):
            raise UsageError(
                f"`{self.split}` should yield the same row each time that it is read. Found another for row 0; leave "
                "random augmentation out of the data set."
            )


class PassedSource(LoaderSource):
    """Rows of a loader of batches that is read once, as it comes."""

    def __init__(self, split: str, tasks: Sequence[str], loader: "DataLoader[Any]") -> None:
        super().__init__(split, tasks)
        self.loader = loader

    def read(self) -> Iterator[RowPiece]:
        done = 0
        for batch in self.loader:
            yield (piece := make_batch(self, batch, done))
            done += len(piece.inputs)


def make_batch(source: LoaderSource, batch: Any, first: int) -> RowPiece:
    """The rows of a batch that is collated already; `first` is the number of its first row, for sentences."""
    inputs, targets = source.part_item(batch)
    x = source.make_tensor(inputs, "Inputs")
    named = {
        task: source.make_tensor(value, f"Targets of `{task}`")
        for task, value in source.name_targets(_unbind(targets, 1)).items()
    }
    for task, target in named.items():
        if not x.dim() or not target.dim() or len(target) != len(x):
            raise UsageError(
                f"A batch of `{source.split}` should have a target of `{task}` for each of its rows. Found inputs of "
                f"shape {tuple(x.shape)} and targets of shape {tuple(target.shape)} from row {first} on."
            )
    return RowPiece(x, named)


def open_source(split: str, data: Any, tasks: Sequence[str], workers: int = 0) -> LoaderSource:
    """The rows of a map-style data set or a DataLoader, as this module's first lines say.

    Raises UsageError for what is neither, what is empty, and a test loader whose sampler draws rows by itself.
    """
    if isinstance(data, DataLoader):
        return _open_loader(split, data, tasks, workers)
    if isinstance(data, IterableDataset) or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise UsageError(
            f"`{split}` should be a map-style data set, with `__len__` and `__getitem__`, or a DataLoader. Found a "
            f"{type(data).__name__}; put an iterable into a DataLoader."
        )
    if not len(data):
        raise _refuse_empty(split)
    source = IndexedSource(split, tasks, data, workers=workers)
    source.refuse_random_rows()
    return source


def _open_loader(split: str, loader: "DataLoader[Any]", tasks: Sequence[str], workers: int) -> LoaderSource:
    """The rows of a DataLoader: those of its data set, or as the loader draws them."""
    sampler, data = loader.sampler, loader.dataset
    whole = type(sampler) is SequentialSampler or (
        isinstance(sampler, RandomSampler)
        and not sampler.replacement
        and sampler.num_samples == len(sampler.data_source)
    )
    if not isinstance(data, IterableDataset) and whole and loader.batch_size is not None:
        if not len(data):  # type: ignore[arg-type]
            raise _refuse_empty(split)
        collate = None if loader.collate_fn is default_collate else loader.collate_fn
        source = IndexedSource(split, tasks, data, collate, workers)
        source.refuse_random_rows()
        return source
    if split != "train" and not isinstance(data, IterableDataset):
        drawn = loader.batch_sampler if loader.batch_size is None else sampler
        raise UsageError(
            f"The DataLoader of `{split}` should give every row of its data set once: records tell test rows apart by "
            f"their number. Found {add_article(type(drawn).__name__)} of its own; take the data set itself, or a "
            f"`Subset` of it."
        )
    return PassedSource(split, tasks, loader)


def _refuse_empty(split: str) -> UsageError:
    """The sentence on a split without rows."""
    return UsageError(f"`{split}` should have rows. Found none; give it some.")


def read_pieces(source: LoaderSource) -> Iterator[RowPiece]:
    """All pieces of a split, without moving torch's generator. Raises UsageError where there is none."""
    seen = False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # a sampler that draws by torch draws the same rows in every process
        for piece in source.read():
            seen = seen or len(piece.inputs) > 0
            yield piece
    if not seen:
        raise _refuse_empty(source.split)


def _unbind(targets: Any, axis: int) -> Any:
    """A tensor with one number for each task along `axis` as a list, as a `TensorDataset` of two tensors yields it."""
    return list(targets.unbind(axis)) if isinstance(targets, Tensor) and targets.dim() == axis + 1 else targets
