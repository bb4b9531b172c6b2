"""A board at equal cost: each method beside the reference's run of as many updates, operations or weights."""

from collections.abc import Mapping

from leaderboard.analysis.costs import ALIKE, Currency
from leaderboard.analysis.equal_cost import BUDGET_CONTROLS, CostRow, compare_at_cost
from leaderboard.analysis.statistics import Interval
from leaderboard.report.formats import MISSING, markdown_table
from leaderboard.report.table import MANY_TASKS, Table
from leaderboard.report.terminal import draw_texts

TITLES: dict[Currency, str] = {
    "updates": "equal updates",
    "flops": "equal arithmetic",
    "parameters": "equal parameters",
}
HEADS: dict[Currency, tuple[str, float]] = {
    "updates": ("updates", 1.0),
    "flops": ("TFLOPs", 1e12),
    "parameters": ("parameters", 1.0),
}
COSTS: dict[Currency, str] = {
    "updates": "updates: of training; one of a larger model takes more arithmetic, and one of separate models moves "
    "each by its own task alone.",
    "flops": "TFLOPs: of training, 3 x the operations of a forward x rows of a batch x updates; a backward counts as "
    "two forwards, and methods that go back once for each task take more.",
    "parameters": "parameters: all that are trained, heads included; updates are the board's for every row.",
}
NEAREST = (
    "against: the run of the reference whose cost is nearest, under the board's budget or under that of a control. "
    "ratio: the cost over that run's. Within {percent:.0f} % costs are equal, and the change has a verdict (Holm over "
    "these rows); any other change is one of unequal budgets, and says nothing of the method alone."
)
MORE = "More budgets: `mtlbench run {suite} --control {controls} --seeds {seeds}`."
NOTHING = "No run here has a cost in this currency: what a solver fits has no updates and no FLOPs of training."


def write_at_cost(table: Table, currency: Currency, format: str = "text") -> str:
    """The rows of `table` at equal cost as `text` or `md`, those that have an equal one first; ends with a newline.

    Changes are mean Δ log with 95 % intervals, over all tasks and in each; of more than MANY_TASKS tasks, in that where
    the mean is least, by itself.
    """
    board, tasks = table.board, table.results.cells.tasks
    shown = tasks if 1 < len(tasks) <= MANY_TASKS else []
    name, unit = HEADS[currency]
    by_task = [f"{task} ↑" for task in shown] if len(tasks) <= MANY_TASKS else ["worst task ↑"]
    head = ["method", name, "against", "ratio", "Δ log ↑", *by_task, "verdict"]
    rows = compare_at_cost(table.results, currency)
    rows.sort(key=lambda row: (row.against is not None, not row.equal))
    lines = [_line(table, row, unit, len(by_task)) for row in rows]
    more = MORE.format(suite=board.suite, controls=" ".join(BUDGET_CONTROLS[currency]), seeds=board.seeds)
    notes = [COSTS[currency], NEAREST.format(percent=100 * ALIKE)] if rows else [NOTHING]
    # Controls are at the suite's own rate: beside rows at their own best ones they have no place.
    notes += [more] if rows and BUDGET_CONTROLS[currency] and not board.curve else []
    title = f"{board.title}: {TITLES[currency]}"
    if format == "md":
        return markdown_table(title, head, lines, notes)
    return draw_texts(title, head, lines, notes, left=("method", "against", "verdict"))


def _line(table: Table, row: CostRow, unit: float, width: int) -> list[str]:
    """The cells of a row, `width` of them for its tasks; a row of the reference has its cost only."""
    cost = f"{row.cost / unit:,.0f}" if unit == 1 else f"{row.cost / unit:.4g}"
    if row.against is None or row.change is None or row.tasks is None:
        return [table.board.label(row.method), cost, *[MISSING] * (3 + width), MISSING]
    return [
        table.board.label(row.method),
        cost,
        table.board.label(row.against),
        f"{row.ratio:.2f}",
        _write_change(row.change),
        *_write_tasks(row.tasks, width),
        row.contrast.verdict if row.contrast else MISSING if row.equal else "unequal",
    ]


def _write_tasks(tasks: Mapping[str, Interval], width: int) -> list[str]:
    """The change in each task where there is a column for each, in the worst one for one column, or nothing."""
    if width == len(tasks):
        return [_write_change(change) for change in tasks.values()]
    known = {task: change for task, change in tasks.items() if change.n}
    worst = min(known, key=lambda task: known[task].mean) if known else None
    return [] if width == 0 else [f"{worst} {_write_change(known[worst])}" if worst else MISSING]


def _write_change(change: Interval) -> str:
    """`+0.123 [+0.100, +0.146]`; a dash where no seed pairs."""
    if change.n == 0:
        return MISSING
    return f"{change.mean:+.3f}" + ("" if change.low is None else f" [{change.low:+.3f}, {change.high:+.3f}]")
