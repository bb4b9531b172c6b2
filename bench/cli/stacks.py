"""Seeds that are trained as one stack: an engine is given the first of them, and every event is one of all."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.engines import Ended, Event, Progressed
from bench.records import RunSpec
from leaderboard.store import Store


def stacks(specs: Iterable[RunSpec], size: int) -> list[tuple[RunSpec, ...]]:
    """The specifications in groups of at most `size` that differ in their seed alone, in order."""
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
