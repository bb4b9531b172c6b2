"""The sentences below a table: how its numbers were made, and what is not in them."""

import numpy as np

from leaderboard.analysis.statistics import FEW_SEEDS, LEAST_SEEDS, Cells, changes
from leaderboard.store import Problem

NAMED_PROBLEMS = 5

RULES = {
    "val": "`val`: a joint model keeps the epoch with the least sum of log validation errors, separate ones their own",
    "per_task": "`per_task`: every task keeps its own best epoch on validation, for every method",
    "last": "`last`: the last epoch, no selection",
}


CHOSEN = (
    "`val`: strengths, and options with a list of choices, by cross-validation inside the training part of each run, "
    "for every method where they stand at their defaults"
)
TEST = "all numbers are on the test split."
PLAIN = (
    "mean [low, high]: 95 % Student t intervals over seeds (ddof 1), each by itself, not corrected for number; "
    "they cover what a seed decides (initial weights, order of the data), not the choice of the test rows."
)
OVERLAP = (
    "mean [low, high]: 95 % t intervals over seeds, each by itself, not corrected for number. Seeds are random splits "
    "of the same rows, so that runs overlap: intervals and tests have 1/n + {:.3f}, the test rows per training row, in "
    "the place of 1/n (Nadeau and Bengio 2003), ranks no interval and sign flips no p."
)


def notes_of(data: Cells, selection: str, left_out: list[str], problems: list[Problem]) -> list[str]:
    """Every footnote of a table, the general ones first."""
    board = data.board
    chosen = CHOSEN if data.protocol and data.protocol.selection == "cv" else RULES[selection]
    notes = [OVERLAP.format(data.overlap) if data.overlap else PLAIN, f"Selection {chosen}; {TEST}"]
    if data.columns and board.reference in board.methods:
        notes.append(
            f"Δ: change against `{board.reference}`, paired by seed, higher is better. flat: mean over all metrics; "
            "task: mean inside each task, then over tasks; log: mean over tasks of log(reference error / error)."
        )
    else:
        notes.append(f"No changes are shown: nothing is stored of the reference `{board.reference}`.")
    notes += _few(data) + _disagreements(data)
    if board.note:
        notes.append(board.note)
    return notes + left_out + problem_notes(problems)


def problem_notes(problems: list[Problem]) -> list[str]:
    """One sentence per record that could not be used, and one for those beyond the first few."""
    named = [
        f"1 corrupt record skipped: {problem.path}: {'; '.join(problem.reasons[:3])}."
        for problem in problems[:NAMED_PROBLEMS]
    ]
    if len(problems) > NAMED_PROBLEMS:
        named.append(f"{len(problems) - NAMED_PROBLEMS} further corrupt records skipped.")
    return named


def _few(data: Cells) -> list[str]:
    finished = {method: data.finished(method) for method in data.board.methods}
    few = [f"`{data.board.label(method)}` {count}" for method, count in finished.items() if 0 < count < FEW_SEEDS]
    none = any(0 < count < LEAST_SEEDS for count in finished.values())
    most = f", and no interval below {LEAST_SEEDS} seeds" if none else ""
    little = f"† Fewer than {FEW_SEEDS} seeds, so intervals and ranks rest on little{most}: {', '.join(few)}."
    notes = [little] if few else []
    paired = {method: int(np.isfinite(changes(data, method)["delta_log"]).sum()) for method in data.board.methods}
    short = [
        f"`{data.board.label(method)}` {paired[method]} of {count}"
        for method, count in finished.items()
        if paired[method] < count
    ]
    if short and data.board.reference in data.board.methods:
        notes.append(f"Δ rests on fewer pairs than the method has seeds: {', '.join(short)}.")
    return notes


def _disagreements(data: Cells) -> list[str]:
    """Methods that one definition of the change calls better and the other worse."""
    found = []
    for method in data.board.methods:
        change = changes(data, method)
        pairs = np.isfinite(change["delta_flat"]) & np.isfinite(change["delta_task"])
        if pairs.any() and change["delta_flat"][pairs].mean() * change["delta_task"][pairs].mean() < 0:
            found.append(f"`{data.board.label(method)}`")
    return [f"Δ flat and Δ task disagree in sign for {', '.join(found)}."] if found else []
