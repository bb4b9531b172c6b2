"""Stacked seeds as one cell: the engine schedules the first seed; its events are repeated for the other seeds.

Engines know single specifications only. `bench.training.stacked` trains the seeds of a stack as one model.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import ClassVar

from bench.engines import Ended, Event, Progressed
from bench.engines.events import EpochCallback, Status
from bench.execution.cell import StoredCell
from bench.execution.keep import Made
from bench.records import RunSpec
from leaderboard.store import Store


def group_seeds(specs: Iterable[RunSpec], size: int) -> list[tuple[RunSpec, ...]]:
    """Specifications in groups of at most `size` that differ in their seed and their learning rate alone.

    Groups are in the order of their first specification, and so are the cells of each.
    """
    alike: dict[str, list[RunSpec]] = {}
    for spec in specs:
        alike.setdefault(spec.stack_key, []).append(spec)
    return [tuple(group[at : at + size]) for group in alike.values() for at in range(0, len(group), size)]


@dataclass(frozen=True)
class StackedCell:
    """Trains the stack that begins with a specification, and stores one record per seed.

    `stacks` maps the run id of the first specification to the whole stack.
    """

    cell: StoredCell
    stacks: dict[str, tuple[RunSpec, ...]]  # run id of the first -> all of them
    modules: ClassVar[tuple[str, ...]] = ("bench.training.stacked.seeds",)

    @classmethod
    def of(cls, cell: StoredCell, specs: Iterable[RunSpec], size: int) -> "StackedCell":
        """A stacked cell for `specs`, in stacks of at most `size`."""
        return cls(cell, {stack[0].run_id: stack for stack in group_seeds(specs, size)})

    @property
    def first(self) -> list[RunSpec]:
        """The first specification of each stack: what the engine schedules."""
        return [stack[0] for stack in self.stacks.values()]

    def needs(self, spec: RunSpec) -> frozenset[str]:
        """What every seed needs: they are of one method."""
        return self.cell.needs(spec)

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        left = [each for each in self.stacks[spec.run_id] if not self.cell.is_over(each)]  # by another runner
        if len(left) == 1:  # by itself, with checkpoints
            status = self.cell(left[0], on_epoch)
        else:
            status = self.keep(self._fit(left, on_epoch)) if left else "stored"
        return status if spec in left else "stored"

    def make(self, spec: RunSpec, on_epoch: EpochCallback) -> list[Made]:
        """Train all seeds of a stack; stores nothing. Returns what each seed made."""
        return self._fit(self.stacks[spec.run_id], on_epoch)

    def keep(self, made: list[Made]) -> Status:
        """Store the records of a stack; returns the status of the first, which the engine has scheduled."""
        first, *_ = [self.cell.keep(each) for each in made]
        return first

    def _fit(self, stack: Sequence[RunSpec], on_epoch: EpochCallback) -> list[Made]:
        """Train `stack` as one model, in this process."""
        from bench.training.gallery import Gallery
        from bench.training.kept_model import ModelKeeper
        from bench.training.stacked.seeds import fit_stacked

        cell = self.cell
        keepers = [ModelKeeper() if cell.keep_model else None for _ in stack]
        galleries = [Gallery(cell.images) if cell.images else None for _ in stack]
        with redirect_stdout(sys.stderr):
            cell.load(stack[0])
            records = fit_stacked(
                stack, cell.data_dir, on_epoch, galleries, cell.rows.get(stack[0].suite), keepers, cell.probed
            )
        return [
            Made(record, gallery.panels if gallery else [], keeper.model if keeper else None)
            for record, gallery, keeper in zip(records, galleries, keepers, strict=True)
        ]

    def events_of_all_seeds(self, events: Iterable[Event]) -> Iterator[Event]:
        """Repeat the events of the first seed for every seed.

        The engine tells the status of the first alone; the others' is read from the store.
        """
        for event in events:
            _, *others = self.stacks[event.spec.run_id]
            yield event
            for spec in others:
                if isinstance(event, Progressed):
                    yield Progressed(spec, event.done, event.epochs)
                else:
                    # A stack that failed as a whole has the error of its first seed.
                    done = Store(self.cell.store).has_done(spec)
                    yield Ended(spec, "done" if done else "failed", None if done else event.error)
