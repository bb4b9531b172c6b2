"""Seeds that are trained as one stack: an engine is given the first of them, and every event is one of all."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.cli.execute import StoredCell
from bench.engines import Ended, Event, Progressed
from bench.engines.events import OnEpoch, Status
from bench.records import RunSpec
from leaderboard.store import Store


def stacks(specs: Iterable[RunSpec], size: int) -> list[tuple[RunSpec, ...]]:
    """The specifications in groups of at most `size` that differ in their seed alone, in order."""
    if size == 1:
        return [(spec,) for spec in specs]
    alike: dict[str, list[RunSpec]] = {}
    for spec in specs:
        alike.setdefault(spec.varied(seed=0).run_id, []).append(spec)
    return [tuple(group[at : at + size]) for group in alike.values() for at in range(0, len(group), size)]


def of_all(event: Event, stack: Sequence[RunSpec], store: Path) -> Iterator[Event]:
    """What an event of the first of a stack says of each; the store tells how each ended."""
    if isinstance(event, Progressed):
        yield from (Progressed(spec, event.done, event.epochs) for spec in stack)
        return
    yield event
    for spec in stack[1:]:
        yield Ended(spec, "done" if Store(store).has_done(spec) else "failed", event.error)


@dataclass(frozen=True)
class StackedCell(StoredCell):
    """Trains the stack that a specification is the first of, and stores the record of each."""

    stacks: tuple[tuple[RunSpec, ...], ...] = ()
    modules: ClassVar[tuple[str, ...]] = ("bench.training.seeds",)

    @classmethod
    def of(cls, cell: StoredCell, groups: Iterable[tuple[RunSpec, ...]]) -> StoredCell:
        """`cell` for these groups; itself where each is one cell."""
        larger = tuple(group for group in groups if len(group) > 1)
        return cls(**vars(cell), stacks=larger) if larger else cell

    def __call__(self, spec: RunSpec, on_epoch: OnEpoch) -> Status:
        group = next((group for group in self.stacks if group[0] == spec), None)
        if group is None:
            return super().__call__(spec, on_epoch)
        from bench.registry import load_plugin
        from bench.training.gallery import Gallery
        from bench.training.seeds import fit_stacked

        left = [each for each in group if not Store(self.store).has_done(each)]
        for plugin in self.plugins:
            load_plugin(plugin)
        galleries = [Gallery(self.images) if self.images else None for _ in left]
        records = fit_stacked(left, self.data_dir, on_epoch, galleries, self.rows.get(spec.suite)) if left else []
        ended = {
            record.run_id: self.keep((record, gallery.panels if gallery else []))
            for record, gallery in zip(records, galleries, strict=True)
        }
        return ended.get(spec.run_id, "stored")
