"""Progress of many cells on standard error: bars on a terminal, a line per finished cell elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.catalogue.method import Method
from bench.engines.events import Ended, Event
from bench.errors import UsageError, make_printable
from bench.records import RunSpec

MAX_NAME = 48  # characters of a method beside a bar, which a narrow terminal has room for


@contextmanager
def show_progress(specs: list[RunSpec], jobs: int) -> Iterator[Callable[[Event], None]]:
    """Show done, running and failed cells and the time left; yields the function to call with each event.

    `jobs` is how many cells run at a time.
    """
    console = Console(stderr=True)
    tracker = Tracker(specs, jobs)
    # A log file should have a line per cell, not the control characters of bars.
    if not console.is_terminal:

        def tell(event: Event) -> None:
            """Print a line when a cell ends."""
            tracker.see(event)
            if isinstance(event, Ended):
                console.print(
                    f"{event.status}: {name_cell(event.spec)} ({tracker.summary()})",
                    highlight=False,
                    markup=False,
                    soft_wrap=True,
                )

        yield tell
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        whole = bars.add_task(tracker.summary(), total=len(specs))
        running: dict[str, TaskID] = {}

        def show(event: Event) -> None:
            """Move the bar of a cell; a running cell has one, and all cells together have one."""
            tracker.see(event)
            run_id = event.spec.run_id
            if isinstance(event, Ended):
                if run_id in running:
                    bars.remove_task(running.pop(run_id))
                bars.update(whole, advance=1)
            else:
                if run_id not in running:
                    running[run_id] = bars.add_task(f"  {name_cell(event.spec, MAX_NAME)}", total=event.epochs)
                bars.update(running[run_id], completed=event.done)
            bars.update(whole, description=tracker.summary())

        yield show


def name_cell(spec: RunSpec, most: int | None = None) -> str:
    """A cell in a few words: the short name of its method, as tables have it, and its seed.

    most: characters of the method's name; of a longer one the beginning and the end are left, where names differ.
    """
    try:
        name = Method.parse(spec.method).short
    except UsageError:  # a submitted method, which only its own process knows
        name = spec.method
    if most is not None and len(name) > most:
        half = (most - 3) // 2
        name = f"{name[:half]}...{name[-half:]}"
    return make_printable(f"{name} seed {spec.seed}")


class Tracker:
    """Counts of cells, and how long the rest will take at the pace so far.

    `part` maps the run id of a running cell to the share of it that is done.
    """

    def __init__(self, specs: list[RunSpec], jobs: int) -> None:
        self.total, self.jobs = len(specs), jobs
        self.began = time.monotonic()
        self.done = self.failed = 0
        self.part: dict[str, float] = {}

    def see(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Ended):
            self.part.pop(event.spec.run_id, None)
            self.done += event.status != "failed"
            self.failed += event.status == "failed"
        else:
            self.part[event.spec.run_id] = event.done / event.epochs

    def summary(self) -> str:
        """One line: done, running, failed, and about how long is left.

        time left = time passed * (1 - share) / share, with `share` of all cells done, running ones in part. It assumes
        that cells are alike, and is not shown before the first epoch.
        """
        ended = self.done + self.failed
        # Cells that were stored before the command began are not among `specs`: they say nothing about the pace.
        share = (ended + sum(self.part.values())) / self.total
        running = min(self.jobs, self.total - ended)
        left = ""
        if 0 < share < 1:
            seconds = round((time.monotonic() - self.began) * (1 - share) / share)
            left = f", about {timedelta(seconds=seconds)} left"
        return f"{self.done}/{self.total} done, {running} running, {self.failed} failed{left}"
