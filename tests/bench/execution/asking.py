"""Questions that are answered inside the test's own process, without workers."""

import math
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from bench.catalogue.plugin_files import read_plugin
from bench.engines.engine import Engine
from bench.engines.events import Cell, Ended, Event
from bench.execution.ask.book import RunBook
from bench.execution.ask.budget import Budget
from bench.execution.ask.inquiry import Inquiry
from bench.execution.cell import StoredCell
from bench.execution.execute import Execution
from bench.planning.question import Question
from bench.records import RunSpec
from leaderboard.ask.looks import Looks
from leaderboard.ask.verdicts import FamilyRules

THREE_TABLES = Path(__file__).parents[2] / "plugins" / "three_tables.py"


class Inline(Engine):
    """Cells one after the other, here; `stop` raises an interrupt once so many have ended."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.ran = stop, list[str]()

    def width(self, specs: Sequence[RunSpec]) -> int:
        return 1

    def run_cells(self, specs: Sequence[RunSpec], cell: Cell) -> Generator[Event, None, None]:
        for spec in specs:
            if self.stop is not None and len(self.ran) >= self.stop:
                raise KeyboardInterrupt
            status = cell(spec, lambda done, epochs: None)
            self.ran.append(spec.run_id)
            yield Ended(spec, status)


def make_inquiry(
    store: Path,
    question: Question,
    seeds: int = 12,
    engine: Engine | None = None,
    budget: float = math.inf,
    margin: float = 0.01,
) -> Inquiry:
    """An inquiry that has not begun; the plug-in of three tables is loaded."""
    plugin = read_plugin(THREE_TABLES)
    cell = StoredCell(store, store, (plugin,), checkpoint=math.inf)
    rules = FamilyRules(Looks.up_to(seeds), math.log1p(margin), question.overlap)
    return Inquiry(question, RunBook(Execution(cell, engine or Inline()), Budget(budget)), rules)


def ask_three_tables(
    store: Path, options: str, seeds: int = 10, methods: tuple[str, ...] = ("soft+l2", "hard"), **more: Any
) -> Inquiry:
    """The inquiry about a kind of three tables, run to its end."""
    read_plugin(THREE_TABLES)
    question = Question(f"three_tables:{options}", candidates=methods, **more)
    inquiry = make_inquiry(store, question, seeds)
    inquiry.run()
    return inquiry
