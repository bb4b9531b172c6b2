"""An answer as one page: no script, nothing loaded, two kinds of figures drawn as SVG."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaderboard.analysis.statistics import percent_less
from leaderboard.ask.answer import Findings
from leaderboard.ask.blocks import AnswerGrid, Heading, Listing, Paragraph, lay_out_answer
from leaderboard.ask.verdicts import RelationVerdict
from leaderboard.report.escape import code_parts, printable
from leaderboard.report.templates import open_templates

TEMPLATES = Path(__file__).parent / "templates"
ROW, LABEL, PLOT = 22, 230, 360  # pixels of the figure of verdicts: a line, its names, its axis
CELL, SIDE = 64, 120  # pixels of the matrix: a cell, the names beside it
LIMIT = 100.0  # per cent: of an axis, beyond which an interval is cut


def write_page(answer: Findings) -> str:
    """The answer as HTML that opens from disk; every text in it is escaped."""
    blocks: list[dict[str, Any]] = []
    for block in lay_out_answer(answer):
        match block:
            case Heading(text):
                blocks.append({"kind": "heading", "text": printable(text)})
            case Paragraph(text, lead):
                blocks.append({"kind": "paragraph", "parts": code_parts(text), "lead": lead})
            case Listing(lines):
                blocks.append({"kind": "listing", "lines": [printable(line) for line in lines]})
            case AnswerGrid():
                blocks.append(_describe_grid(block) | {"figure": _draw_figure(answer, block.figure)})
    template = open_templates(TEMPLATES).get_template("answer.html")
    page: str = template.render(suite=printable(answer.suite), blocks=blocks)
    return page


def _describe_grid(grid: AnswerGrid) -> dict[str, Any]:
    """A grid for the template: cells with their column's side and, of a verdict, its colour."""
    rows = [
        [
            {"text": printable(cell), "left": name in grid.left, "tone": cell.lower() if name == "verdict" else ""}
            for name, cell in zip(grid.head, row, strict=True)
        ]
        for row in grid.rows
    ]
    head = [{"text": printable(name), "left": name in grid.left} for name in grid.head]
    return {"kind": "grid", "title": printable(grid.title), "head": head, "rows": rows}


def _draw_figure(answer: Findings, name: str) -> dict[str, Any] | None:
    """What a figure of the template is drawn from; None where a grid has none."""
    if name == "verdicts":
        return _place_intervals([each for main in answer.mains for each in _list_run(answer, main)])
    if name.startswith("pairs "):
        return _place_cells(answer, name.removeprefix("pairs "))
    return None


def _list_run(answer: Findings, main: str) -> list[RelationVerdict]:
    """The judgements of a task that have runs and an interval."""
    return [each for each in answer.judged if each.relation.main == main and each.alone.low is not None]


def _place_intervals(judged: Sequence[RelationVerdict]) -> dict[str, Any] | None:
    """The changes of error as points with intervals on one axis, a line each; None where there are none."""
    if not judged:
        return None
    intervals = [(each.alone.low or 0.0, each.alone.mean, each.alone.high or 0.0) for each in judged]
    ends = [[percent_less(value) for value in each] for each in intervals]
    widest = max(1.0, min(LIMIT, max(abs(value) for each in ends for value in each)))
    step: float = 10.0 ** math.floor(math.log10(widest))
    reach = step * math.ceil(widest / step)

    def place(value: float) -> float:
        """Pixels from the left; less error is to the right."""
        share: float = max(-1.0, min(1.0, value / reach))
        return round(LABEL + PLOT / 2 * (1 + share), 1)

    lines, before = [], ""
    for at, (each, (low, mean, high)) in enumerate(zip(judged, ends, strict=True)):
        main = printable(each.relation.main)
        lines.append(
            {
                "y": 34 + ROW * at,
                "task": main if main != before else "",
                "method": printable(each.relation.method),
                "low": place(low),
                "mean": place(mean),
                "high": place(high),
                "tone": each.verdict.lower(),
                "title": f"{main}, {printable(each.relation.method)}: {each.verdict}",
            }
        )
        before = main
    ticks = [{"x": place(value), "text": f"{value:+g} %" if value else "0"} for value in (-reach, 0, reach)]
    height = 34 + ROW * len(lines) + 6
    return {"kind": "verdicts", "lines": lines, "ticks": ticks, "width": LABEL + PLOT + 30, "height": height}


def _place_cells(answer: Findings, method: str) -> dict[str, Any]:
    """The matrix of pairs as coloured squares: blue for less error than alone, orange for more."""
    by_pair = {(e.relation.main, e.relation.extras[0]): e for e in answer.pairs if e.relation.method == method}
    means = [abs(percent_less(e.alone.mean)) for e in by_pair.values() if math.isfinite(e.alone.mean)]
    largest = max([1.0, *means])
    cells = []
    for row, main in enumerate(answer.mains):
        for column, extra in enumerate(answer.tasks):
            each = by_pair.get((main, extra))
            if each is None or not math.isfinite(each.alone.mean):
                continue
            change = -percent_less(each.alone.mean)
            cells.append(
                {
                    "x": SIDE + CELL * column,
                    "y": 30 + CELL * row,
                    "strength": round(min(1.0, abs(change) / largest) * 0.85 + 0.05, 3),
                    "tone": "more" if change > 0 else "less",
                    "bright": abs(change) / largest > 0.6,
                    "change": f"{change:+.1f}",
                    "letter": each.letter,
                    "title": f"{printable(extra)} beside {printable(main)}: {each.verdict}",
                }
            )
    return {
        "kind": "pairs",
        "cells": cells,
        "size": CELL,
        "rows": [{"y": 30 + CELL * at + CELL / 2 + 4, "text": _cut(main)} for at, main in enumerate(answer.mains)],
        "columns": [{"x": SIDE + CELL * at + CELL / 2, "text": _cut(task, 9)} for at, task in enumerate(answer.tasks)],
        "label": SIDE - 10,
        "width": SIDE + CELL * len(answer.tasks) + 10,
        "height": 30 + CELL * len(answer.mains) + 10,
        "method": printable(method),
    }


def _cut(name: str, most: int = 16) -> str:
    """A name for which a figure has room."""
    name = printable(name)
    return name if len(name) <= most else f"{name[: most - 1]}…"
