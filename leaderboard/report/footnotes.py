"""The sentences below a table: how its numbers were made, and what is not in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.errors import make_printable
from leaderboard.analysis.results import Results
from leaderboard.analysis.statistics import FEW_SEEDS, LEAST_SEEDS, RANK_SEEDS
from leaderboard.store import Problem
from leaderboard.store.problem import describe_problems

NAMED_PROBLEMS = 5
MAX_NOTE = 20_000  # characters

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
CHANGE_TITLES = {"delta_flat": "Δ flat", "delta_task": "Δ task", "delta_log": "Δ log"}

Mark = Literal["holds", "few"]  # of a change that holds over the whole board, and of a method with few seeds


@dataclass(frozen=True)
class Note:
    """A sentence below a table; one that explains a `mark` in its cells begins with it where it is written."""

    text: str
    mark: Mark | None = None


def collect_notes(results: Results, problems: Sequence[Problem] = ()) -> list[Note]:
    """Every footnote of a table, the general ones first.

    `problems` are the files of the store that could not be read. Names in the sentences are those of records, so that
    all are printable and of bounded length.
    """
    data, board = results.cells, results.board
    chosen = CHOSEN if data.protocol and data.protocol.selection == "cv" else RULES[results.rule]
    # How numbers are made comes first, then what to doubt about some of them, then what is missing.
    notes = [
        Note(OVERLAP.format(data.overlap) if data.overlap else PLAIN),
        Note(f"Selection {chosen}; {TEST}"),
        Note(_explain_changes(results)),
        *_name_few(results),
        *_name_disagreements(results),
        *([Note(board.note)] if board.note else []),
        *explain_standings(results),
        *_name_unchecked(results),
        *map(Note, results.selection.notes),
        *_name_uncertified(results),
        *map(Note, name_problems(problems)),
        *_explain_worth(results),
    ]
    return [Note(make_printable(note.text, MAX_NOTE), note.mark) for note in notes]


def explain_standings(results: Results) -> Iterator[Note]:
    """What holds over the whole board, and what the ranks and letters are; nothing where nobody is ranked."""
    board, standings = results.board, results.standings
    if not standings.methods:
        return
    against = " and against ".join(f"`{name}`" for name in standings.references)
    held = any(standing.holds(board.reference) for standing in standings.methods.values())
    yield Note(
        f"{'Δ log' if held else 'No Δ log'} holds against `{board.reference}` after Holm over the primary "
        f"family of {standings.family} paired t test{'s' * (standings.family != 1)}: every method against {against}.",
        "holds" if held else None,
    )
    drawn = ", with a 95 % bootstrap interval over whole seeds"
    few = f", without an interval below {RANK_SEEDS} seeds"
    enough = max(standing.rank.n for standing in standings.methods.values()) >= RANK_SEEDS
    letters = (
        "`a` marks the first and what paired t tests, Holm over all pairs, do not order against it; letters for every "
        "pair would be more than the methods."
        if standings.first_only
        else "methods that share a letter are not ordered by paired t tests, Holm over all pairs."
    )
    yield Note(f"rank: of the mean Δ log{'' if results.cells.overlap else drawn if enough else few}; {letters}")
    if standings.equal:
        same = "; ".join(" = ".join(f"`{board.label(name)}`" for name in each) for each in standings.equal)
        yield Note(f"Equal in every task and seed to within {standings.tolerance:g}, and so of one rank: {same}.")
    if standings.tau:
        told = ", ".join(f"{CHANGE_TITLES[name]} {tau:.2f}" for name, tau in standings.tau.items())
        yield Note(f"Kendall's tau of the ranking by Δ log with that by another definition: {told}.")


def name_problems(problems: Sequence[Problem]) -> list[str]:
    """A sentence per reason why records could not be used, and one for what is beyond the first few."""
    return describe_problems(problems, NAMED_PROBLEMS)


def _explain_changes(results: Results) -> str:
    """What the three changes are; or that there is nothing to measure them against."""
    reference = results.board.reference
    if not results.cells.columns or reference not in results.board.methods:
        return f"No changes are shown: nothing is stored of the reference `{reference}`."
    return (
        f"Δ: change against `{reference}`, paired by seed, higher is better. flat: mean over all metrics; "
        "task: mean inside each task, then over tasks; log: mean over tasks of log(reference error / error)."
    )


def _name_few(results: Results) -> Iterator[Note]:
    """Methods with few seeds, and those of which few pair with the reference."""
    board = results.board
    finished = {method: results.cells.count_finished(method) for method in board.methods}
    few = [f"`{board.label(method)}` {count}" for method, count in finished.items() if 0 < count < FEW_SEEDS]
    if few:
        none = any(0 < count < LEAST_SEEDS for count in finished.values())
        most = f", and no interval below {LEAST_SEEDS} seeds" if none else ""
        yield Note(
            f"Fewer than {FEW_SEEDS} seeds, so intervals and ranks rest on little{most}: {', '.join(few)}.", "few"
        )
    paired = dict(zip(board.methods, np.isfinite(results.changes["delta_log"]).sum(axis=1).tolist(), strict=True))
    short = [
        f"`{board.label(method)}` {paired[method]} of {count}"
        for method, count in finished.items()
        if paired[method] < count
    ]
    if short and board.reference in board.methods:
        yield Note(f"Δ rests on fewer pairs than the method has seeds: {', '.join(short)}.")


def _name_disagreements(results: Results) -> Iterator[Note]:
    """Methods that one definition of the change calls better and the other worse."""
    named = []
    for at, method in enumerate(results.board.methods):
        flat, task = (results.changes[name][at] for name in ("delta_flat", "delta_task"))
        pairs = np.isfinite(flat) & np.isfinite(task)
        if pairs.any() and flat[pairs].mean() * task[pairs].mean() < 0:
            named.append(f"`{results.board.label(method)}`")
    if named:
        yield Note(f"Δ flat and Δ task disagree in sign for {', '.join(named)}.")


def _name_unchecked(results: Results) -> Iterator[Note]:
    """Methods that nobody checked, and submissions that nobody ran again."""
    board, roles, states = results.board, results.selection.roles, results.states
    if unchecked := ", ".join(f"`{board.label(method)}`" for method in results.unchecked):
        yield Note(f"Not ranked, since not all of their runs were verified (`mtlbench verify`): {unchecked}.")
    once = [method for method in board.methods if roles[method] == "submission" and states.get(method) == "valid"]
    if names := ", ".join(f"`{board.label(method)}`" for method in once):
        yield Note(f"Run by nobody but who submitted them (`mtlbench verify SUBMISSION --rerun 2`): {names}.")


def _name_uncertified(results: Results) -> Iterator[Note]:
    """Methods with runs whose solver ended above its tolerance, and how many of theirs are."""
    counts = [f"`{results.board.label(m)}` {short} of {whole}" for m, (short, whole) in results.uncertified.items()]
    if counts:
        yield Note(f"Not certified, for the solver ended above its tolerance: {', '.join(counts)} runs.")


def _explain_worth(results: Results) -> Iterator[Note]:
    """What a worth in rows is, and on which curve; nothing without a series."""
    if results.curve is not None:
        sizes = ", ".join(f"{rows:,.0f}" for rows in results.curve.rows)
        yield Note(
            f"worth: rows with which `{results.board.reference}` reaches the method's error, over the "
            f"{results.size:,} that are trained on here. Its curve is linear between {sizes} rows, in log error and "
            "log rows; the interval is that of Δ log."
        )
