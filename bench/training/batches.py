"""The batches of a run: a function of its seed and the number of the update alone.

So all methods of a seed see the same batches, and a resumed run goes on with those it would have seen.
"""

from collections.abc import Iterator

import torch

from bench.core.data import Batch, Dataset, LabelledOrder, Order
from bench.records import Protocol, derive_seed


def make_order(dataset: Dataset, protocol: Protocol, seed: int) -> Order:
    """The order of the training rows that `protocol` asks for (`batches`). Raises UsageError as `LabelledOrder`."""
    kind = LabelledOrder if protocol.batches == "labelled" else Order
    return kind(dataset, protocol.batch_size, seed)


class Batches:
    """An iterable that goes on from epoch to epoch; Lightning asks for an iterator per epoch.

    Args:
        dataset: the training rows, on the device of the model.
        protocol: sets the batch size and the updates of an epoch, which need not be one pass over the rows.
        seed: decides order and augmentation.
        step: number of the first update, > 0 where training goes on from a checkpoint.
    """

    def __init__(self, dataset: Dataset, protocol: Protocol, seed: int, step: int = 0) -> None:
        self.dataset, self.length, self.seed = dataset, protocol.steps_per_epoch, seed
        self.order = make_order(dataset, protocol, seed)
        self.generator = torch.Generator() if dataset.transform else None
        self.step = step

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.length):
            self.step += 1  # before the yield: the last one of an epoch is never resumed
            if self.generator:  # augmentation, too, is a function of seed and step alone
                self.generator.manual_seed(derive_seed(self.seed, "augment", self.step - 1))
            yield self.dataset.take(self.order.batch(self.step - 1), self.generator)
