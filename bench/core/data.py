"""Data in memory: tensors per task, batched by index, in an order that a seed decides.

Suites return a `Dataset` per split; training reads batches from it by the indices of an `Order`, evaluation reads it
in `slices`. There is no loader and no worker process: rows are gathered where the model is.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from bench.core.missing import check_mask, find_labelled, find_labelled_rows, mark_missing
from bench.core.smooth import draw_smooth
from bench.errors import UsageError
from bench.records import derive_seed

Batch = tuple[dict[str, Tensor], dict[str, Tensor]]  # inputs and targets, each task -> tensor with rows first
# Stored rows of one input with the targets of its tasks -> what the model and the losses see. With a
# generator rows are augmented, without one they are only decoded.
Transform = Callable[[Tensor, dict[str, Tensor], torch.Generator | None], tuple[Tensor, dict[str, Tensor]]]


def group_by_input(inputs: Mapping[str, Tensor]) -> list[tuple[Tensor, list[str]]]:
    """The distinct input tensors, each with the tasks that use it, in the order of their first task.

    Tasks that use the same rows hold the very same tensor, so identity is the test; comparing values would cost a
    pass over the data.
    """
    groups: dict[int, tuple[Tensor, list[str]]] = {}
    for task, tensor in inputs.items():
        groups.setdefault(id(tensor), (tensor, []))[1].append(task)
    return list(groups.values())


@dataclass(frozen=True)
class Affine:
    """A target that is learnt as (y - shift) / scale: predictions and targets are put back for scores."""

    shift: float
    scale: float

    def restore(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Both in the unit of y, in float64; NaN stays NaN."""
        return prediction.double() * self.scale + self.shift, target.double() * self.scale + self.shift


@dataclass(frozen=True)
class LogRate:
    """A count that is learnt as y / rate, by the logarithm of its expectation: put back for scores."""

    rate: float

    def restore(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The log rate and the count of y itself, in float64; NaN stays NaN."""
        return prediction.double() + math.log(self.rate), target.double() * self.rate


@dataclass(frozen=True)
class Dataset:
    """One split of a suite.

    Args:
        inputs: task -> tensor (n, ...); tasks that share rows hold one tensor object.
        targets: task -> tensor (n, ...). A missing label is NaN, or below 0 among whole numbers.
        transform: turns rows as they are stored (small integers, memory-mapped) into rows as they are trained on.
        dtype: of floating-point rows after `transform`.
        masks: task -> bool, True where there is a label, of the shape of the targets or (n,). Targets under a mask
            become NaN or -1 at once, whatever stood there; rows with a `transform`, whose masks are (n,), after it.
            What is kept here are the masks that wait for the transform.
        units: task -> how predictions and targets are put back into the unit of the scores, where they are learnt in
            another one, such as deviations from the mean of the training rows.

    Raises:
        UsageError: a mask is of another type or shape, or on targets that can hold no missing label.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    transform: Transform | None = None
    dtype: torch.dtype = torch.float32
    masks: dict[str, Tensor] | None = None
    units: Mapping[str, Affine | LogRate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write the masks into the targets, or keep them for the transform; most data sets have none."""
        if self.masks is None:
            return
        targets, waiting, later = dict(self.targets), {}, self.transform is not None
        for task, labelled in self.masks.items():
            check_mask(task, targets[task], labelled, later)
            if bool(labelled.all()):
                continue
            if later:
                waiting[task] = labelled
            else:
                targets[task] = mark_missing(targets[task], labelled)
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "masks", waiting or None)

    @cached_property
    def groups(self) -> list[tuple[Tensor, list[str]]]:
        """The distinct inputs with their tasks; the tasks of a group share rows."""
        return group_by_input(self.inputs)

    @property
    def rows(self) -> int:
        """Rows over all distinct inputs."""
        return sum(len(tensor) for tensor, _ in self.groups)

    @property
    def row_numbers(self) -> int:
        """Numbers in a row of the largest input, as stored: what bounds the rows of a forward pass of evaluation."""
        return max(tensor[:1].numel() for tensor, _ in self.groups)

    @cached_property
    def partly_labelled(self) -> frozenset[str]:
        """The tasks with a missing label, of an element or a row; looked up once, as it is a pass over the targets.

        Of rows with a `transform`, those with a mask: what their stored numbers stand for is the transform's affair.
        """
        if self.transform is not None:
            return frozenset(self.masks or ())
        return frozenset(task for task, target in self.targets.items() if not bool(find_labelled(target).all()))

    def find_labelled_rows(self, task: str) -> Tensor:
        """Which rows have a label of `task`, bool (n,)."""
        if self.masks and task in self.masks:
            return self.masks[task]
        if task not in self.partly_labelled:
            return torch.ones(len(self.targets[task]), dtype=torch.bool, device=self.targets[task].device)
        return find_labelled_rows(self.targets[task])

    def to(self, device: torch.device, dtype: torch.dtype, memory_format: torch.memory_format) -> "Dataset":
        """The same data on `device`, floating point as `dtype`; tasks that shared an input still do."""

        def move(tensor: Tensor) -> Tensor:
            tensor = tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)
            # A memory format is defined for images (n, c, h, w) only.
            return tensor.contiguous(memory_format=memory_format) if tensor.dim() == 4 else tensor

        # Once per group: `group_by_input` goes by identity, so a copy per task would end the sharing of rows.
        moved = {task: data for tensor, tasks in self.groups for data in [move(tensor)] for task in tasks}
        return replace(
            self,
            inputs={task: moved[task] for task in self.inputs},
            targets={task: move(target) for task, target in self.targets.items()},
            dtype=dtype,
            masks=self.masks and {task: mask.to(device) for task, mask in self.masks.items()},
        )

    def shuffle_targets(self, tasks: Collection[str], seed: int) -> "Dataset":
        """The same rows with the targets of `tasks` permuted: labels of the right distribution without information.

        One permutation for all tasks of an input, so that what the tasks of a row have in common is kept. Where labels
        are missing, those of a task are dealt out among its labelled rows, in the order of that permutation: which rows
        have a label stays as it is.
        """
        targets = dict(self.targets)
        for group, (tensor, members) in enumerate(self.groups):
            generator = torch.Generator().manual_seed(derive_seed(seed, "shuffled", group))
            permutation = torch.randperm(len(tensor), generator=generator)
            for task in (task for task in members if task in tasks):
                labelled = self.find_labelled_rows(task).cpu()
                dealt = targets[task].clone()
                dealt[labelled] = targets[task][permutation[labelled[permutation]]]
                targets[task] = dealt
        return replace(self, targets=targets)

    def smooth_targets(self, tasks: Collection[str], seed: int) -> "Dataset":
        """The same rows with the targets of `tasks` dealt out along smooth functions of the inputs, one for each task.

        The labelled row with the k-th smallest value of `draw_smooth` gets the target with the k-th smallest mean: the
        labels keep their distribution and can be learnt, and what they say follows from nothing in the data.

        Raises UsageError where rows are not in memory.
        """
        targets = dict(self.targets)
        for tensor, members in self.groups:
            for task in (task for task in members if task in tasks):
                values = draw_smooth(tensor, derive_seed(seed, "smoothed", task))
                rows = self.find_labelled_rows(task).cpu().nonzero()[:, 0]
                means = targets[task][rows].double().reshape(len(rows), -1).nanmean(dim=1)
                dealt = targets[task].clone()
                dealt[rows[values[rows].argsort(stable=True)]] = targets[task][rows[means.argsort(stable=True)]]
                targets[task] = dealt
        return replace(self, targets=targets)

    def take(self, indices: list[Tensor], generator: torch.Generator | None = None) -> Batch:
        """The rows `indices[g]` of each group g; a shared input is gathered once.

        `generator` is passed to `transform`, which augments rows when there is one.
        """
        inputs: dict[str, Tensor] = {}
        targets: dict[str, Tensor] = {}
        for (tensor, tasks), index in zip(self.groups, indices, strict=True):
            rows = tensor[index]
            if tensor.dim() == 4 and not tensor.is_contiguous():
                # Data in channels_last: a batch in another format would be converted by the first convolution.
                rows = rows.contiguous(memory_format=torch.channels_last)
            labels = {task: self.targets[task][index] for task in tasks}
            rows, labels = self._transform(rows, labels, generator)
            self._apply_masks(labels, index)
            inputs.update(dict.fromkeys(tasks, rows))
            targets.update(labels)
        return inputs, targets

    def slices(self, size: int) -> Iterator[Batch]:
        """All rows in their order, in pieces of at most `size` rows of one input, for evaluation.

        A piece holds only the tasks that use its input. As with `take`, pieces are copies: a method that writes into
        its inputs does not write into the data, which other runs of this process read too.
        """
        for tensor, tasks in self.groups:
            for start in range(0, len(tensor), size):
                rows = tensor[start : start + size].clone()
                labels = {task: self.targets[task][start : start + size].clone() for task in tasks}
                rows, labels = self._transform(rows, labels, None)
                self._apply_masks(labels, slice(start, start + size))
                yield dict.fromkeys(tasks, rows), labels

    def _apply_masks(self, targets: dict[str, Tensor], index: Tensor | slice) -> None:
        """Mark the missing labels among the transformed targets of the rows `index`, in place."""
        for task, mask in (self.masks or {}).items():
            if task in targets:
                targets[task] = mark_missing(targets[task], mask[index])

    def _transform(
        self, rows: Tensor, targets: dict[str, Tensor], generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply `transform`, and cast what it makes to `dtype`: it may not know the precision of the run."""
        if self.transform is None:
            return rows, targets
        rows, targets = self.transform(rows, targets, generator)
        return rows.to(self.dtype), {
            task: target.to(self.dtype) if target.is_floating_point() else target for task, target in targets.items()
        }


class Order:
    """The batches of a training run as row indices: the same for every method of a seed.

    Group g with n_g of the N rows gives b_g = max(1, floor(batch n_g / N)) rows to each batch. It is
    read in passes, each a fresh permutation, the last partial batch of a pass dropped. Batch k is a
    function of (seed, k) alone, so a resumed run needs no state of the order.

    `shares` are the b_g, `sizes` the n_g. Indices are on the device of the data.
    """

    def __init__(self, dataset: Dataset, batch_size: int, seed: int) -> None:
        self.seed = seed
        self.sizes = [len(tensor) for tensor, _ in dataset.groups]
        total = sum(self.sizes)
        self.shares = [min(n, max(1, batch_size * n // total)) for n in self.sizes]
        self._device = dataset.groups[0][0].device
        # Per group the number of the current pass and its permutation, or every batch would draw a whole one.
        self._pass: list[tuple[int, Tensor] | None] = [None] * len(self.sizes)

    def batch(self, step: int) -> list[Tensor]:
        """Row indices of update `step` (from 0), one tensor per group."""
        return [self._rows(group, step) for group in range(len(self.sizes))]

    def _rows(self, group: int, step: int) -> Tensor:
        """Row indices of a group in update `step`, from the permutation of its pass."""
        share = self.shares[group]
        number, position = divmod(step, self.sizes[group] // share)
        current = self._pass[group]
        if current is None or current[0] != number:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", group, number))
            current = (number, torch.randperm(self.sizes[group], generator=generator).to(self._device))
            self._pass[group] = current
        return current[1][position * share : (position + 1) * share]


class LabelledOrder(Order):
    """Batches in which every task has labels: as `Order`, but from the labelled rows of each task in equal parts.

    Of the b_g rows of group g, task t of its T_g gives floor(b_g / T_g), the first b_g mod T_g tasks one more. Its
    labelled rows are read in passes, each a fresh permutation, none dropped: a task of few labels comes round more
    often. A row that several tasks label counts for all of them, and may come twice.

    Raises UsageError where an input gives fewer rows to a batch than it has tasks.
    """

    def __init__(self, dataset: Dataset, batch_size: int, seed: int) -> None:
        super().__init__(dataset, batch_size, seed)
        self.pools = [
            [dataset.find_labelled_rows(task).nonzero()[:, 0] for task in tasks] for _, tasks in dataset.groups
        ]
        for share, pools in zip(self.shares, self.pools, strict=True):
            if share < len(pools):
                raise UsageError(
                    f"`batches=labelled` should have a row for each of the {len(pools)} tasks of an input. Found "
                    f"{share} in a batch; take a larger `batch_size`."
                )
        self._drawn: dict[tuple[int, int], tuple[int, Tensor]] = {}  # as `_pass`, for each task of a group

    def _rows(self, group: int, step: int) -> Tensor:
        """Row indices of a group in update `step`, those of its first task first."""
        least, more = divmod(self.shares[group], len(self.pools[group]))
        return torch.cat([self._of_task(group, t, least + (t < more), step) for t, _ in enumerate(self.pools[group])])

    def _of_task(self, group: int, task: int, share: int, step: int) -> Tensor:
        """The rows of one task: a stretch of `share` of its passes, one pass after the other."""
        pool, begin, parts = self.pools[group][task], step * share, []
        while (left := (step + 1) * share - begin) > 0:
            number, place = divmod(begin, len(pool))
            current = self._drawn.get((group, task))
            if current is None or current[0] != number:
                generator = torch.Generator().manual_seed(derive_seed(self.seed, "labelled", group, task, number))
                current = (number, pool[torch.randperm(len(pool), generator=generator).to(pool.device)])
                self._drawn[group, task] = current
            parts.append(current[1][place : place + left])
            begin += len(parts[-1])
        return torch.cat(parts)
