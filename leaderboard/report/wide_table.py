"""A table in wide form: one line per method, shared by text, Markdown, LaTeX and the site."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

from leaderboard.analysis.standings import DECIDES
from leaderboard.analysis.statistics import FEW_SEEDS
from leaderboard.report.table import Row, Table

CHANGE_TITLES = {"delta_flat": "Δ flat", "delta_task": "Δ task", "delta_log": "Δ log"}
MISSING = "—"


@dataclass(frozen=True)
class WideColumn:
    """A column of numbers: what it shows, its unit and direction, and how many decimals are honest."""

    task: str
    metric: str
    unit: str
    arrow: str
    decimals: int

    @property
    def top(self) -> str:
        """First line of the header: the task, or the definition of the change."""
        return CHANGE_TITLES[self.metric] if self.task == "*" else self.task

    @property
    def bottom(self) -> str:
        """Second line of the header: metric, unit and direction."""
        return " ".join(part for part in ("" if self.task == "*" else self.metric, self.unit, self.arrow) if part)

    def mean(self, row: Row | None) -> str:
        """The mean of `row` as text; a change carries its sign."""
        return MISSING if row is None or row.mean is None else self._number(row.mean)

    def interval(self, row: Row | None, line: "WideLine | None" = None) -> str:
        """The interval of `row` as `[low, high]`, or nothing; a star behind the change of a `line` that holds."""
        if row is None or row.ci_low is None or row.ci_high is None:
            return ""
        star = " *" if line and line.holds and self.task == "*" and self.metric == DECIDES else ""
        return f"[{self._number(row.ci_low)}, {self._number(row.ci_high)}]{star}"

    def _number(self, value: float) -> str:
        text = f"{value:z.{self.decimals}f}"
        return f"+{text}" if self.task == "*" and float(text) > 0 else text


@dataclass(frozen=True)
class WideLine:
    """One method: a cell per column, how many seeds it has, whether it has all, and how far they were checked.

    `place` is its rank as text, `worth` what it is worth in training rows; `holds` says that its Δ log holds over the
    whole board, `few` that its seeds are.
    """

    method: str
    label: str
    cells: list[Row | None]
    status: str
    wanted: int
    checked: str
    place: str
    worth: str
    holds: bool
    few: bool

    @property
    def complete(self) -> bool:
        """Whether every seed of the board is there."""
        return self.status == "complete"

    @property
    def seeds(self) -> str:
        """`5/5`, `incomplete (3/5)` or `missing`, with a dagger where they are few."""
        return (f"{self.wanted}/{self.wanted}" if self.complete else self.status) + " †" * self.few


@dataclass(frozen=True)
class Wide:
    """Columns and lines; complete methods first, in the order of the board, then the others."""

    columns: list[WideColumn]
    lines: list[WideLine]

    @cached_property
    def tail(self) -> list[str]:
        """Headers of the columns behind the numbers: ranks where there are any, what was checked where anything was."""
        shown = {
            "rank": any(line.place for line in self.lines),
            "worth": any(line.worth for line in self.lines),
            "seeds": True,
            "checked": any(line.checked for line in self.lines),
        }
        return [name for name, there in shown.items() if there]

    def ends(self, line: WideLine) -> list[str]:
        """The texts of `line` below `tail`."""
        texts = {"rank": line.place, "worth": line.worth, "seeds": line.seeds, "checked": line.checked}
        return [texts[name] or MISSING for name in self.tail]


def lay_out_wide(table: Table) -> Wide:
    """Lay a long table out with one line per method."""
    changes = [
        _without_interval(row) if row.method == table.board.reference else row for row in table.rows if row.task == "*"
    ]
    shown = (table.summary or [row for row in table.rows if row.task != "*"]) + changes
    keys = list(dict.fromkeys((_place(row.task), row.metric) for row in shown))
    by_key = {(row.method, _place(row.task), row.metric): row for row in shown}
    columns = [_column(table, *key, [row for row in shown if (_place(row.task), row.metric) == key]) for key in keys]
    lines = [
        WideLine(
            method,
            table.board.label(method),
            [by_key.get((method, task, metric)) for task, metric in keys],
            table.status(method),
            len(table.board.seed_list),
            table.states.get(method, "").replace("_", "-"),
            standing.place if (standing := table.standings.methods.get(method)) else "",
            worth.text if (worth := table.worth.get(method)) else "",
            bool(standing and standing.holds(table.board.reference)),
            0 < _finished(table, method) < FEW_SEEDS,
        )
        for method in table.board.methods
    ]
    return Wide(columns, sorted(lines, key=lambda line: not line.complete))


def _finished(table: Table, method: str) -> int:
    return max((row.seeds for row in table.rows if row.method == method), default=0)


def _without_interval(row: Row) -> Row:
    """The reference does not differ from itself: that zero is no measurement."""
    return replace(row, ci_low=None, ci_high=None)


def _place(task: str) -> str:
    return "worst task" if task.startswith("worst: ") else task


def _column(table: Table, task: str, metric: str, members: list[Row]) -> WideColumn:
    unit = table.units.get(metric, "")
    largest = max((abs(row.mean) for row in members if row.mean), default=1.0)
    # Two decimals of a percentage, three of a log ratio, four significant digits of anything else.
    decimals = 2 if unit == "%" else 3 if task == "*" else min(8, max(0, 3 - math.floor(math.log10(largest))))
    return WideColumn(task, metric, unit, "↑" if members[0].higher_is_better else "↓", decimals)
