"""What the rule that picks the epoch decides: every change under each rule."""

from collections.abc import Mapping
from typing import get_args

from leaderboard.analysis.results import Results, collect_cells
from leaderboard.analysis.standings import DECIDES
from leaderboard.analysis.statistics import Interval, SelectionRule, change_matrix, interval


def compare_rules(results: Results) -> dict[str, Mapping[SelectionRule, Interval]]:
    """Method -> selection rule -> its mean Δ log against the reference, with the 95 % interval, in the board's order.

    Where the rules agree, the epoch that is kept is no reason for the difference. A method is there if it and the
    reference have runs with statistics for all rules, and none without: a solver's have one.
    """
    rules: tuple[SelectionRule, ...] = get_args(SelectionRule)
    board, records = results.board, results.records
    stored = {method for method, _ in records}
    short = {method for (method, _), record in records.items() if not set(rules) <= set(record.statistics)}
    methods = [method for method in board.methods if method in stored - short]
    if board.reference not in methods:
        return {}
    kept = {key: record for key, record in records.items() if key[0] in methods}
    estimates: dict[str, dict[SelectionRule, Interval]] = {name: {} for name in methods if name != board.reference}
    for rule in rules:
        cells = collect_cells(board.model_copy(update={"methods": methods}), kept, rule)
        for method, change in zip(methods, change_matrix(cells, DECIDES), strict=True):
            if method in estimates:
                estimates[method][rule] = interval(change, overlap=cells.overlap)
    return dict(estimates)
