"""A suite without some of its tasks: what a task learns from some of the others, and from which.

Behind the setting `tasks` of the protocol. Weights, rows and batches of the tasks that stay are those that they have
beside all others, so that runs on different choices of tasks differ in who else is learnt and in nothing more.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from torch import Tensor

from bench.core.data import Dataset, Order
from bench.core.suite import Split, Suite, derive_suite
from bench.core.task import Task
from bench.errors import UsageError, hint
from bench.records import Protocol


def select_tasks(suite: Suite, names: Collection[str], count: bool = False) -> Suite:
    """`suite` with the tasks `names` alone, each scored by itself; the suite itself without names, or with these.

    Args:
        suite: with all of its tasks, or with those of `names` already.
        names: of tasks to keep, in any order.
        count: whether the rows of the suite's protocol are counted again, and those of an update, where tasks have
            rows of their own. That reads the data; a run has the numbers in its specification.

    Raises:
        UsageError: A name is no task of the suite, or all tasks are named that are scored apart anyway.
    """
    kept = tuple(sorted(set(names)))
    if not kept or suite.protocol.tasks == kept:
        return suite
    known = [task.name for task in suite.tasks]
    for name in kept:
        if name not in known:
            raise UsageError(f"`tasks` should name tasks of the suite. Found `{name}`; {hint(name, known)}.")
    if len(kept) == len(known) and not any(task.pool for task in suite.tasks):
        raise UsageError("`tasks` should leave out a task at least. Found all of the suite; leave the setting out.")
    chosen = [replace(task, pool="") for task in suite.tasks if task.name in kept]
    protocol = count_rows_of(suite, kept) if count and suite.own_inputs else suite.protocol
    metrics = {task.name: suite.protocol.metrics[_reported(suite, task.name)] for task in chosen}
    return derive_suite(
        suite,
        _Chosen,
        tasks=chosen,
        own_inputs=suite.own_inputs and len(chosen) > 1,
        protocol=protocol.model_copy(update={"tasks": kept, "metrics": metrics}),
        whole=suite,
    )


def count_rows_of(suite: Suite, names: Collection[str]) -> Protocol:
    """The protocol of a suite whose tasks have rows of their own, with the rows of some tasks alone.

    Each split has the rows of these tasks, and an update as many of each as it has beside all other tasks.
    """
    protocol = suite.protocol
    splits = {split: suite.dataset(split, 0) for split in protocol.splits}  # type: ignore[arg-type]
    shares = Order(splits["train"], protocol.batch_size, 0).shares
    groups = zip(splits["train"].groups, shares, strict=True)
    batch = sum(share for (_, tasks), share in groups if set(tasks) & set(names))
    rows = {split: choose_columns(each, names).rows for split, each in splits.items()}
    return protocol.model_copy(update={"splits": rows, "batch_size": batch})


def choose_columns(rows: Dataset, names: Collection[str]) -> Dataset:
    """The rows of the tasks `names`; others have no input and no target left."""
    inputs = {task: tensor for task, tensor in rows.inputs.items() if task in names}
    masks = rows.masks and {task: mask for task, mask in rows.masks.items() if task in inputs}
    return replace(rows, inputs=inputs, targets={task: rows.targets[task] for task in inputs}, masks=masks)


def _reported(suite: Suite, name: str) -> str:
    """The name under which the suite reports the scores of a task."""
    return next(task.reported for task in suite.tasks if task.name == name)


class _Chosen(Suite):
    """The methods of a suite as its chosen tasks see them. Rows are asked of the whole suite, which knows its own."""

    tasks: list[Task]
    whole: Suite

    def dataset(self, split: Split, seed: int) -> Dataset:
        return choose_columns(self.whole.dataset(split, seed), self._names)

    def sealed(self, seed: int, draw: int) -> Dataset | None:
        rows = self.whole.sealed(seed, draw)
        return rows and choose_columns(rows, self._names)

    def row_units(self) -> Mapping[str, Tensor]:
        return {task: units for task, units in self.whole.row_units().items() if task in self._names}

    def known_weights(self, seed: int) -> Tensor | None:
        weights, all_tasks = self.whole.known_weights(seed), [task.name for task in self.whole.tasks]
        return None if weights is None else weights[:, [all_tasks.index(name) for name in self._names]]

    def checksums(self) -> dict[str, str]:
        return self.whole.checksums()

    @property
    def _names(self) -> list[str]:
        return [task.name for task in self.tasks]
