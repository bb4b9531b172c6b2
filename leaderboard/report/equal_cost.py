"""A board at equal cost: each method beside the reference's run that took as much arithmetic or as many weights."""

from leaderboard.analysis.costs import ALIKE, Currency
from leaderboard.analysis.equal_cost import BUDGET_CONTROLS, CostRow, compare_at_cost
from leaderboard.analysis.statistics import Interval
from leaderboard.report.formats import MISSING, markdown_table
from leaderboard.report.table import MANY_TASKS, Table
from leaderboard.report.terminal import draw_texts

TITLES: dict[Currency, str] = {"flops": "equal arithmetic", "parameters": "equal parameters"}
HEADS: dict[Currency, tuple[str, float]] = {"flops": ("TFLOPs", 1e12), "parameters": ("parameters", 1.0)}
COSTS: dict[Currency, str] = {
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
NOTHING = "No run here has a cost in this currency: what a solver fits has no FLOPs of training."


def write_at_cost(table: Table, currency: Currency, format: str = "text") -> str:
    """The rows of `table` at equal cost as `text` or `md`, those that have an equal one first; ends with a newline.

    Changes are mean Δ log with 95 % intervals, over all tasks and, of few tasks, in each.
    """
    board, tasks = table.board, table.results.cells.tasks
    shown = tasks if 1 < len(tasks) <= MANY_TASKS else []
    name, unit = HEADS[currency]
    head = ["method", name, "against", "ratio", "Δ log ↑", *(f"{task} ↑" for task in shown), "verdict"]
    rows = compare_at_cost(table.results, currency)
    rows.sort(key=lambda row: (row.against is not None, not row.equal))
    lines = [_line(table, row, unit, shown) for row in rows]
    more = MORE.format(suite=board.suite, controls=" ".join(BUDGET_CONTROLS[currency]), seeds=board.seeds)
    notes = [COSTS[currency], NEAREST.format(percent=100 * ALIKE), more] if rows else [NOTHING]
    title = f"{board.title}: {TITLES[currency]}"
    if format == "md":
        return markdown_table(title, head, lines, notes)
    return draw_texts(title, head, lines, notes, left=("method", "against", "verdict"))


def _line(table: Table, row: CostRow, unit: float, tasks: list[str]) -> list[str]:
    """The cells of a row; a row of the reference has its cost only."""
    cost = f"{row.cost / unit:,.0f}" if unit == 1 else f"{row.cost / unit:.4g}"
    if row.against is None or row.change is None or row.tasks is None:
        return [table.board.label(row.method), cost, *[MISSING] * (3 + len(tasks)), MISSING]
    return [
        table.board.label(row.method),
        cost,
        table.board.label(row.against),
        f"{row.ratio:.2f}",
        _write_change(row.change),
        *(_write_change(row.tasks[task]) for task in tasks),
        row.contrast.verdict if row.contrast else MISSING if row.equal else "unequal",
    ]


def _write_change(change: Interval) -> str:
    """`+0.123 [+0.100, +0.146]`; a dash where no seed pairs."""
    if change.n == 0:
        return MISSING
    return f"{change.mean:+.3f}" + ("" if change.low is None else f" [{change.low:+.3f}, {change.high:+.3f}]")
