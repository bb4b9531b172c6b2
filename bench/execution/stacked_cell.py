"""Stacked seeds as one job: the engine schedules the first seed; its events are repeated for the other seeds."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import ClassVar

from bench.engines import Ended, Event, Progressed
from bench.engines.events import EpochCallback, Status
from bench.execution.cell import Made, StoredCell
from bench.records import RunSpec
from leaderboard.store import Store


def stacks(specs: Iterable[RunSpec], size: int) -> list[tuple[RunSpec, ...]]:
    """The specifications in groups of at most `size` that differ in their seed alone, in order."""
    alike: dict[str, list[RunSpec]] = {}
    for spec in specs:
        alike.setdefault(spec.varied(seed=0).run_id, []).append(spec)
    return [tuple(group[at : at + size]) for group in alike.values() for at in range(0, len(group), size)]


@dataclass(frozen=True)
class StackedCell:
    """Train the stack that begins with a specification, and store one record per seed."""

    cell: StoredCell
    stacks: dict[str, tuple[RunSpec, ...]]  # run id of the first -> all of them
    modules: ClassVar[tuple[str, ...]] = ("bench.training.stacked.seeds",)

    @classmethod
    def of(cls, cell: StoredCell, specs: Iterable[RunSpec], size: int) -> "StackedCell":
        """With `specs` in stacks of at most `size`."""
        return cls(cell, {stack[0].run_id: stack for stack in stacks(specs, size)})

    @property
    def first(self) -> list[RunSpec]:
        """The first specification of each stack: what the engine schedules."""
        return [stack[0] for stack in self.stacks.values()]

    def needs(self, spec: RunSpec) -> frozenset[str]:
        """Those of every seed."""
        return self.cell.needs(spec)

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        store = Store(self.cell.store)
        left = [each for each in self.stacks[spec.run_id] if not store.has_done(each)]  # by another runner
        if len(left) == 1:  # by itself, with checkpoints
            status = self.cell(left[0], on_epoch)
        else:
            status = self.keep(self._fit(left, on_epoch)) if left else "stored"
        return status if spec in left else "stored"

    def make(self, spec: RunSpec, on_epoch: EpochCallback) -> list[Made]:
        """Train; stores nothing."""
        return self._fit(self.stacks[spec.run_id], on_epoch)

    def keep(self, made: list[Made]) -> Status:
        """Store the records of a stack; the status of the first."""
        first, *_ = [self.cell.keep(each) for each in made]
        return first

    def _fit(self, stack: Sequence[RunSpec], on_epoch: EpochCallback) -> list[Made]:
        from bench.training.gallery import Gallery
        from bench.training.stacked.seeds import fit_stacked

        cell = self.cell
        galleries = [Gallery(cell.images) if cell.images else None for _ in stack]
        with redirect_stdout(sys.stderr):
            cell.load(stack[0])
            records = fit_stacked(stack, cell.data_dir, on_epoch, galleries, cell.rows.get(stack[0].suite))
        return [(record, gallery.panels if gallery else []) for record, gallery in zip(records, galleries, strict=True)]

    def events_of_all_seeds(self, events: Iterable[Event]) -> Iterator[Event]:
        """Repeat the events of the first seed for every seed; the final status of each is read from the store."""
        for event in events:
            _, *others = self.stacks[event.spec.run_id]
            yield event
            for spec in others:
                if isinstance(event, Progressed):
                    yield Progressed(spec, event.done, event.epochs)
                else:
                    done = Store(self.cell.store).has_done(spec)
                    yield Ended(spec, "done" if done else "failed", None if done else event.error)
