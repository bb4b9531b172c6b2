"""Footnotes of a table: how its numbers were made, which of them to doubt, and what is missing.

The same notes go below the table of the command line, of Markdown pages and of the site. This module decides what is
said and writes the sentences; `formats` escapes them for each document.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.errors import count_nouns, make_printable
from leaderboard.analysis.contrasts import ContrastKind, DetectableRange
from leaderboard.analysis.results import Results
from leaderboard.analysis.statistics import FEW_SEEDS, LEAST_SEEDS, percent_less
from leaderboard.boards.step_times import BoardTimes
from leaderboard.store import Problem
from leaderboard.store.problem import describe_problems

# A store with a damaged disk has thousands of unreadable files: the first few say enough.
NAMED_PROBLEMS = 5
# Names come from records; a note that lists every method of a board is long, but never without bound.
MAX_NOTE = 20_000  # characters

# Which epoch of a run counts, one sentence for each `SelectionRule`.
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
    "mean [low, high]: 95 % Student t intervals over seeds (ddof 1), each by itself, not corrected for number; that of "
    "the error change is of its test (of controls, which are not tested, by itself). They cover what a seed decides "
    "(initial weights, order of the data), not the choice of the test rows."
)
# Boards of random splits: their intervals are corrected, and the sentence says by how much.
OVERLAP = (
    "mean [low, high]: 95 % t intervals over seeds, each by itself, not corrected for number; that of the error change "
    "is of its test. Seeds are random splits of the same rows, so that runs overlap: intervals and tests have 1/n + "
    "{:.3f}, the test rows per training row, in the place of 1/n (Nadeau and Bengio 2003)."
)
AGAINST: dict[ContrastKind, str] = {
    "reference": (
        "vs `{reference}`: better or worse where the error change is not 0, by a paired t test; equivalent where it is "
        "within 5 % of error; else not told apart. Holm over {tests}; the interval of the error change, of 95 % or "
        "more, leaves out 0 exactly where the row is better or worse."
    ),
    "twin": (
        "vs twin: the same against a model of its size without a path between tasks, where the board has one; Holm "
        "over {tests}."
    ),
    "best": (
        "vs best: the first leads; worse where a test shows that another method has less error, so that it is not the "
        "best (multiple comparisons with the best, {tests} for each). Every other ranked method could be the best."
    ),
}
CHANGE_TITLES = {"delta_flat": "Δ flat", "delta_task": "Δ task", "delta_log": "Δ log"}

Mark = Literal["holds", "few"]  # of a change that holds over the whole board, and of a method with few seeds


@dataclass(frozen=True)
class Note:
    """A sentence below a table.

    `mark` is set where the sentence explains a sign in the table's cells; `formats` then writes that sign before it.
    """

    text: str
    mark: Mark | None = None


def collect_notes(results: Results, problems: Sequence[Problem] = (), measured: BoardTimes | None = None) -> list[Note]:
    """Every footnote of a table, the general ones first.

    Args:
        results: the numbers of the board.
        problems: files of the store that could not be read.
        measured: the step times that the table shows, if any.

    Returns:
        Notes whose texts are printable and at most MAX_NOTE characters long, since they repeat names from records.
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
        *([_explain_times(measured)] if measured else []),
    ]
    return [Note(make_printable(note.text, MAX_NOTE), note.mark) for note in notes]


def explain_standings(results: Results) -> Iterator[Note]:
    """What is better or worse, and what ranks and verdicts are; nothing where no method is ranked.

    Yields, in this order: whether anything is better or worse than the reference, each kind of verdict, ranks, methods
    that are equal to within a solver's tolerance, and how far other definitions of the change agree with the ranking
    (Kendall's tau).
    """
    board, standings = results.board, results.standings
    if not standings.methods:
        return
    held = any(standing.verdict in ("better", "worse") for standing in standings.methods.values())
    yield Note(
        f"{'better' if held else 'Nothing is better'} or worse than `{board.reference}`.", "holds" if held else None
    )
    yield from map(Note, explain_verdicts(results))
    yield Note("rank: of the mean error change.")
    if standings.equal:
        same = "; ".join(" = ".join(f"`{board.label(name)}`" for name in each) for each in standings.equal)
        yield Note(f"Equal in every task and seed to within {standings.tolerance:g}, and so of one rank: {same}.")
    if standings.tau:
        told = ", ".join(f"{CHANGE_TITLES[name]} {tau:.2f}" for name, tau in standings.tau.items())
        yield Note(f"Kendall's tau of the ranking by Δ log with that by another definition: {told}.")
    if standings.detectable:
        yield Note(explain_power(standings.detectable, board.reference))


def explain_verdicts(results: Results) -> list[str]:
    """What each kind of verdict says, a sentence or two each; nothing where there are none."""
    sentences = []
    for kind in results.standings.kinds:
        families = (standing.contrasts.get(kind) for standing in results.standings.methods.values())
        family = next((contrast.family for contrast in families if contrast), 0)
        told = AGAINST[kind].format(reference=results.board.reference, tests=count_nouns(family, "test"))
        sentences.append(make_printable(told, MAX_NOTE))
    return sentences


def explain_power(effects: DetectableRange, reference: str) -> str:
    """How large a change has to be for the board to find it, in a sentence."""
    low, high = effects.seeds
    seeds = f"{low}" if low == high else f"{low} to {high}"
    spread = f"{effects.least:.3f} for the steadiest method, {effects.most:.3f} for the least steady, "
    return (
        f"With {seeds} seeds, a change of {effects.middle:.3f} in Δ log ({_error_saved(effects.middle)} less error) "
        f"against `{reference}` is found in four of five boards like this one "
        f"({spread if effects.least < effects.most else ''}Holm over "
        f"{count_nouns(effects.family, 'test')}); smaller ones may be missed."
    )


def _error_saved(change: float) -> str:
    """The share of error that a change in log error takes away: `8.3 %`, without decimals from 10 % on."""
    percent = percent_less(change)
    return f"{percent:.{0 if percent >= 9.95 else 1}f} %"


def name_problems(problems: Sequence[Problem]) -> list[str]:
    """A sentence per reason why records could not be used, and one for what is beyond the first few."""
    return describe_problems(problems, NAMED_PROBLEMS)


def _explain_changes(results: Results) -> str:
    """How the three changes are defined; where no run of the reference is stored, that there are none."""
    reference = results.board.reference
    if not results.cells.columns or reference not in results.board.methods:
        return f"No changes are shown: nothing is stored of the reference `{reference}`."
    return (
        f"error change against `{reference}`, paired by seed, lower is better: 100 (exp(-Δ log) - 1), Δ log the mean "
        "over tasks of log(reference error / error). Δ, higher is better: flat, mean relative change over all metrics; "
        "task, mean inside each task, then over tasks."
    )


def _name_few(results: Results) -> Iterator[Note]:
    """Methods with fewer than FEW_SEEDS seeds, and methods that lack the reference's run of some of their seeds."""
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
    """Methods that one definition of the change calls better and another worse than the reference."""
    named = []
    for at, method in enumerate(results.board.methods):
        flat, task = (results.changes[name][at] for name in ("delta_flat", "delta_task"))
        pairs = np.isfinite(flat) & np.isfinite(task)
        # The same seeds on both sides: else a missing run alone could turn the sign.
        if pairs.any() and flat[pairs].mean() * task[pairs].mean() < 0:
            named.append(f"`{results.board.label(method)}`")
    if named:
        yield Note(f"Δ flat and Δ task disagree in sign for {', '.join(named)}.")


def _name_unchecked(results: Results) -> Iterator[Note]:
    """Methods that are not ranked for lack of verification, and submissions that nobody else has run again."""
    board, roles, states = results.board, results.selection.roles, results.states
    if unchecked := ", ".join(f"`{board.label(method)}`" for method in results.unchecked):
        yield Note(f"Not ranked, since not all of their runs were verified (`mtlbench verify`): {unchecked}.")
    once = [method for method in board.methods if roles[method] == "submission" and states.get(method) == "valid"]
    if names := ", ".join(f"`{board.label(method)}`" for method in once):
        yield Note(f"Run by nobody but who submitted them (`mtlbench verify SUBMISSION --rerun 2`): {names}.")


def _name_uncertified(results: Results) -> Iterator[Note]:
    """Methods with runs whose solver stopped above its tolerance, as `short of all` runs by a solver."""
    counts = [f"`{results.board.label(m)}` {short} of {whole}" for m, (short, whole) in results.uncertified.items()]
    if counts:
        yield Note(f"Not certified, for the solver ended above its tolerance: {', '.join(counts)} runs.")


def _explain_worth(results: Results) -> Iterator[Note]:
    """How worth in data is read, and on which training sizes its curve rests; nothing without a series."""
    if results.curve is not None:
        sizes = ", ".join(f"{rows:,.0f}" for rows in results.curve.rows)
        yield Note(
            f"worth: rows with which `{results.board.reference}` reaches the method's error, over the "
            f"{results.size:,} that are trained on here. Its curve is linear between {sizes} rows, in log error and "
            "log rows; > and < are beyond these, where nothing was run. The interval (Fieller) has the error of the "
            "curve, too."
        )
        if opposed := [results.board.label(name) for name, worth in results.worth.items() if worth.disagrees]:
            yield Note(
                f"The tasks disagree on {', '.join(f'`{name}`' for name in opposed)}: worth more rows in one and fewer "
                "in another, by their whole intervals. worth itself is of their mean log error."
            )


def _explain_times(measured: BoardTimes) -> Note:
    """What a step time is, and where it was measured."""
    libraries = ", ".join(
        f"{name} {measured.versions[name]}" for name in ("torch", "mtlbench") if name in measured.versions
    )
    return Note(
        f"step time: of an update, over that of `{measured.reference}`, the median of {measured.rounds} rounds in "
        f"which the two take turns in one process, and its quartiles. Measured on {measured.machine}, {libraries}, "
        f"{measured.created}, with {measured.share:.0%} of a processor (`mtlbench perf --board {measured.board}`); the "
        "records' own times are not shown."
    )
