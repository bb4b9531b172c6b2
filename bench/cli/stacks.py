"""Seeds that are trained as one stack: an engine is given the first of them, and what it tells is told of all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from bench.cli.execute import StoredCell
from bench.engines import Ended, Event, Progressed
from bench.engines.events import OnEpoch
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
    """Fits the stack that a specification is the first of, and stores the record of each seed."""

    cell: StoredCell
    stacks: dict[str, tuple[RunSpec, ...]]  # run id of the first -> all of them

    @classmethod
    def of(cls, cell: StoredCell, specs: Iterable[RunSpec], size: int) -> "StackedCell":
        """With `specs` in stacks of at most `size`."""
        return cls(cell, {stack[0].run_id: stack for stack in stacks(specs, size)})

    @property
    def first(self) -> list[RunSpec]:
        """What an engine is given."""
        return [stack[0] for stack in self.stacks.values()]

    def __call__(self, spec: RunSpec, on_epoch: OnEpoch) -> Literal["done", "failed"]:
        from bench.registry import load_plugin
        from bench.training.gallery import Gallery
        from bench.training.seeds import fit_stacked

        for plugin in self.cell.plugins:
            load_plugin(plugin)
        stack = self.stacks[spec.run_id]
        galleries = [Gallery(self.cell.images) if self.cell.images else None for _ in stack]
        records = fit_stacked(stack, self.cell.data_dir, on_epoch, galleries)
        kept = [
            self.cell.keep((record, gallery.panels if gallery else []))
            for record, gallery in zip(records, galleries, strict=True)
        ]
        return kept[0]

    def told(self, events: Iterable[Event]) -> Iterator[Event]:
        """What the events of the first say of every seed; how each ended is in the store."""
        for event in events:
            _, *others = self.stacks[event.spec.run_id]
            yield event
            for spec in others:
                if isinstance(event, Progressed):
                    yield Progressed(spec, event.done, event.epochs)
                else:
                    done = Store(self.cell.store).has_done(spec)
                    yield Ended(spec, "done" if done else "failed", None if done else event.error)
