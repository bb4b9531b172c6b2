"""The answer laid out once, as headings, paragraphs and grids of text; terminal, Markdown and page draw these."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.errors import count_nouns
from leaderboard.analysis.statistics import percent_less
from leaderboard.ask.answer import Findings
from leaderboard.ask.grouping import Grouping
from leaderboard.ask.groups import FEW_CELLS
from leaderboard.ask.sentences import explain_verdict, write_answer
from leaderboard.ask.verdicts import RelationVerdict
from leaderboard.report.curves import write_error
from leaderboard.report.formats import MISSING
from leaderboard.report.percent import write_change, write_percent


@dataclass(frozen=True)
class Heading:
    """The title of what follows."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences; code stands between backticks. `lead` marks the answer itself."""

    text: str
    lead: bool = False


@dataclass(frozen=True)
class Listing:
    """Commands, one a line."""

    lines: Sequence[str]


@dataclass(frozen=True)
class AnswerGrid:
    """A table of texts, and the name of the figure that a page draws above it; `left` names columns of words."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[str]
    figure: str = ""


AnswerBlock = Heading | Paragraph | Listing | AnswerGrid
WORDS = ("task", "beside", "method", "verdict", "reading", "control", "baseline", "score")


def lay_out_answer(answer: Findings) -> list[AnswerBlock]:
    """The blocks of an answer, in the order in which they are read."""
    blocks: list[AnswerBlock] = [Paragraph(" ".join(write_answer(answer)), lead=True)]
    for title, make in _PARTS.items():
        made = make(answer)
        blocks += [Heading(title), *made] if made else []
    return blocks


def _lay_out_verdicts(answer: Findings) -> list[AnswerBlock]:
    """Each task beside all others, under each method."""
    ran = [each for main in answer.mains for each in answer.judged if each.relation.main == main and each.alone.n]
    head = ["task", "method", "verdict", "error against alone", "against shuffled labels", "seeds", "reading"]
    grid = AnswerGrid(
        "Each task beside all others", head, [_write_row(answer, each) for each in ran], WORDS, "verdicts"
    )
    without = list(dict.fromkeys(f"`{each.relation.method}`" for each in answer.judged if not each.alone.n))
    not_run = [Paragraph(f"Not run so far, for some task or all: {', '.join(without)}.")] if without else []
    return [*([grid] if ran else []), *not_run, Paragraph(_explain_design(answer))]


def _write_row(answer: Findings, each: RelationVerdict) -> list[str]:
    """A line of the table of verdicts."""
    return [
        each.relation.main,
        each.relation.method,
        each.verdict,
        write_change(each.alone),
        write_change(each.shuffled),
        str(each.alone.n),
        explain_verdict(each, answer.needed.get(each.relation)),
    ]


def _explain_design(answer: Findings) -> str:
    """How verdicts were made, and what they cover."""
    rules = answer.rules
    looks = ", ".join(f"{share:.2%} at {seeds}" for seeds, share in rules.looks)
    adjust = "Holm" if rules.adjust == "holm" else "Benjamini and Hochberg"
    covers = (
        "Seeds differ in initial weights, order of the data and which rows are tested"
        if answer.redrawn
        else "Seeds differ in initial weights and order of the data; all test the same rows, so that nothing is said "
        "of other rows"
    )
    overlap = (
        f" Seeds are splits of the same rows, so that intervals and tests are corrected (Nadeau and Bengio 2003, "
        f"{rules.overlap:.2g} test rows per training row)."
        if rules.overlap
        else ""
    )
    return (
        "RELATED: less error than alone, and less than beside the same tasks with shuffled labels. HARMFUL: more than "
        f"alone. NEUTRAL: within {100 * math.expm1(rules.margin):g} % of alone, or no better than with shuffled "
        f"labels. UNDECIDED: none is shown. Paired t tests and two one-sided tests, {adjust} over {len(answer.judged)} "
        f"relations, {rules.looks.alpha:.0%} split over looks at the seeds ({looks}), so that looking again costs "
        f"nothing. Intervals in brackets are 95 %, each by itself. {covers}.{overlap}"
    )


def _lay_out_pairs(answer: Findings) -> list[AnswerBlock]:
    """The matrix of pairs under each method, where methods disagree, and which tasks to group."""
    blocks: list[AnswerBlock] = []
    by_pair = {(e.relation.method, e.relation.main, e.relation.extras[0]): e for e in answer.pairs if e.alone.n}
    for method in dict.fromkeys(each.relation.method for each in answer.pairs if each.alone.n):
        rows = [
            [main, *(_write_cell(by_pair.get((method, main, extra))) for extra in answer.tasks)]
            for main in answer.mains
        ]
        title = f"Change of each task's error by each other one, under {method}, in per cent"
        blocks.append(AnswerGrid(title, ["task", *answer.tasks], rows, ("task",), f"pairs {method}"))
    if not blocks:
        return []
    blocks.append(
        Paragraph(
            "A row is the task that is helped or hurt, a column the one beside it; minus is less error than alone. "
            "R related, H harmful, N neutral; without a letter it is undecided. The pairs are a family of their own."
        )
    )
    if answer.flips:
        told = [
            f"`{' + '.join(flip.extras)}` helps `{flip.main}` under `{flip.helps}` and hurts it under `{flip.hurts}`"
            for flip in answer.flips
        ]
        blocks.append(Paragraph(f"Methods disagree, both intervals clear of 0: {'; '.join(told)}."))
    if answer.dependences:
        told = [
            f"`{each.methods[0]}` and `{each.methods[1]}` {each.value:.2f} [{each.low:.2f}, {each.high:.2f}], "
            f"where a method has {each.chance:.2f} against itself on halves of its seeds"
            for each in answer.dependences
        ]
        blocks.append(
            Paragraph(
                f"How much depends on the method, 1 minus the rank correlation of two matrices (0 the same order of "
                f"pairs, 1 none), with 95 % intervals over seeds: {'; '.join(told)}."
            )
        )
    if answer.grouping:
        groups = " | ".join(" + ".join(group) for group in answer.grouping.groups)
        blocks.append(
            Paragraph(
                f"Grouping foretold from the pairs of `{answer.grouping.method}`: {groups}, with "
                f"{percent_less(answer.grouping.gain):.1f} % less error on average. A task's gain from a group is "
                "taken to be the mean of its gains from each task in it; no group of three or more was run for this."
                + _say_largest(answer.grouping, len(answer.tasks))
            )
        )
    return blocks


def _say_largest(grouping: Grouping, tasks: int) -> str:
    """How large groups could be, where they could not hold all tasks."""
    return f" Groups of up to {grouping.largest} were considered." if grouping.largest < tasks else ""


def _write_cell(each: RelationVerdict | None) -> str:
    """A cell of the matrix: the change of error in per cent, and the letter of its verdict."""
    if each is None:
        return ""
    return f"{write_percent(each.alone.mean)} {each.letter}".rstrip()


def _lay_out_predictors(answer: Findings) -> list[AnswerBlock]:
    """Cheap scores of pairs, and how well each ordered the measured ones."""
    if not any(each.cells for each in answer.predictors):
        return []
    rows = [
        [
            each.name,
            MISSING if math.isnan(each.tau) else f"{each.tau:+.2f}",
            str(each.cells),
            MISSING if math.isnan(each.regret) else f"{percent_less(each.regret):.1f}",
        ]
        for each in answer.predictors
    ]
    most = max(each.cells for each in answer.predictors)
    caution = f" With {count_nouns(most, 'pair')} a rank correlation says little." if most < FEW_CELLS else ""
    return [
        AnswerGrid("Cheap scores of the same pairs", ["score", "rank correlation", "pairs", "regret %"], rows, WORDS),
        Paragraph(
            f"Kendall's tau with the measured changes under `{answer.methods[0]}`: 1 the same order, 0 none, -1 the "
            f"reverse. The pairs share tasks and runs, and are not independent.{caution} Regret is how much less error "
            "the best grouping foretells, by the measured pairs, than the one that the score chooses."
        ),
    ]


def _lay_out_alone(answer: Findings) -> list[AnswerBlock]:
    """Errors alone, those of baselines, and what size alone changes."""
    floors = list(dict.fromkeys(name for errors in answer.floors.values() for name in errors))
    rows = []
    for main, error in answer.alone.items():
        own = answer.floors.get(main, {})
        rows.append([main, write_error(error), *(write_error(own[name]) if name in own else "" for name in floors)])
    blocks: list[AnswerBlock] = [
        AnswerGrid("Error of each task alone", ["task", answer.reference, *floors], rows, ("task",))
    ]
    if answer.floor_note:
        blocks.append(Paragraph(answer.floor_note))
    changes = [
        [method, main, write_change(change), str(change.n)]
        for method, each in answer.controls.items()
        for main, change in each.items()
    ]
    if changes:
        head = ["control", "task", "error against alone", "seeds"]
        blocks.append(AnswerGrid("Controls, in which tasks share nothing", head, changes, WORDS))
    return blocks


def _lay_out_commands(answer: Findings) -> list[AnswerBlock]:
    """What to run, and how every number can be made again."""
    blocks: list[AnswerBlock] = []
    if any(each.alone.n for each in answer.judged):
        best = [
            f"`{main}`: `{each.relation.method if (each := answer.choose_best(main)) else answer.reference}`"
            for main in answer.mains
        ]
        blocks.append(Paragraph(f"For all tasks `{answer.recommended}`; for each by itself {', '.join(best)}."))
        blocks.append(Listing([answer.recommended_command]))
    if answer.commands:
        made = "The runs behind this page, each of which has the same name and numbers when it is made again:"
        blocks += [Paragraph(made), Listing(answer.commands)]
    if blocks:
        blocks.append(
            Paragraph(
                "What a method is worth in rows is not measured here, since it takes the reference on several numbers "
                "of rows: give a board a `series` (docs/statistics.md, Worth in data)."
            )
        )
    return blocks


def _lay_out_cost(answer: Findings) -> list[AnswerBlock]:
    """What it cost, and what was left out."""
    cost = answer.spending
    budget = f" of a budget of {cost.budget:.0f} s" if math.isfinite(cost.budget) else ""
    first = f"; the first answer after {cost.first:.0f} s" if cost.first is not None else ""
    made = f"{cost.made} of them made now with {cost.trained:.0f} s of training"
    text = f"{count_nouns(cost.runs, 'run')}, {made}; {cost.seconds:.0f} s{budget}{first}."
    blocks: list[AnswerBlock] = [Paragraph(text)]
    if answer.skipped:
        blocks.append(Paragraph(f"Left out for the budget: {'; '.join(answer.skipped)}."))
    blocks += [Paragraph(f"`{method}` is left out: {why}") for method, why in answer.left_out.items()]
    blocks += [Paragraph(f"Failed: {error}") for error in answer.errors]
    return blocks


_PARTS: dict[str, Callable[[Findings], list[AnswerBlock]]] = {
    "Verdicts": _lay_out_verdicts,
    "Pairs of tasks": _lay_out_pairs,
    "Cheap predictors": _lay_out_predictors,
    "Alone": _lay_out_alone,
    "Commands": _lay_out_commands,
    "Cost": _lay_out_cost,
}
