"""One row, one verdict: on no committed board a row, card, star, colour or sentence says what another one denies."""

import math
import re
from collections import Counter

import pytest
from rich.cells import cell_len

from bench.records import ResultRecord
from leaderboard.analysis.judged import tell_apart
from leaderboard.analysis.statistics import LEAST_SEEDS, MARGIN
from leaderboard.boards.board import board_of_suite, boards
from leaderboard.report.brief import write_brief
from leaderboard.report.formats import MARKS, write_ends
from leaderboard.report.percent import to_error_change
from leaderboard.report.table import WideLine, tabulate
from leaderboard.report.verdict_words import LEADS, word_contrast
from leaderboard.site.addresses import Addresses
from leaderboard.site.grids import board_grid
from leaderboard.site.pages.suites import count_verdicts
from leaderboard.site.shown import Shown
from leaderboard.site.view import GridRow
from leaderboard.store import StoreContents


@pytest.fixture(scope="module")
def committed(committed_contents: StoreContents) -> list[Shown]:
    """Every part of every committed board that has a number."""
    parts = [part for board in boards().values() for part in board.parts]
    shown = [Shown(part.name, tabulate(part, committed_contents), committed=True) for part in parts]
    return [one for one in shown if one.finished]


def list_rows(one: Shown) -> list[tuple[WideLine, dict[str, str], GridRow, list[str]]]:
    """Each row in its shapes: the line, its texts at the end of the table, the row of the page, its column heads."""
    grid = board_grid(one, Addresses([], []))
    heads = [head.top for head in grid.heads]
    ends = [dict(zip(one.table.ends, write_ends(one.table, line), strict=True)) for line in one.lines]
    return [(line, texts, row, heads) for line, texts, row in zip(one.lines, ends, grid.lines, strict=True)]


def contradict(one: Shown) -> list[str]:
    """What the rows of a board say twice and differently; nothing should be in it."""
    ranked = {line.method for line in one.lines if line.ranked}
    losers = {loser for winner, loser in tell_apart(one.results) if winner in ranked}
    reference = f"vs {one.board.reference}"
    found = []
    for line, texts, row, heads in list_rows(one):
        judged, cells = line.judged, dict(zip(heads, row.cells, strict=True))
        change, verdict = judged.change, judged.verdict
        decided = verdict in ("better", "worse")
        says = {
            "interval": decided == (verdict is not None and change.low is not None and change.low * change.high > 0),
            "sign": not decided or (change.mean > 0) == (verdict == "better"),
            "margin": verdict != "equivalent" or max(abs(change.low or 0), abs(change.high or 0)) < MARGIN,
            "colour": judged.side == (verdict if decided else "unclear"),
            "seeds": change.low is None or change.n >= LEAST_SEEDS,
            "band": judged.could_be_best == (line.ranked and line.method not in losers),
            "shade": row.best == judged.could_be_best,
        }
        if reference in texts:
            word = word_contrast(verdict) if verdict else "—"
            says["words"] = texts[reference] == word == cells[reference].text
            says["colour of the word"] = cells[reference].side == judged.side
        if "vs best" in texts and line.ranked:
            says["best"] = (texts["vs best"] == "worse") != judged.could_be_best
            says["first"] = (texts["vs best"] == LEADS) == judged.leads
        if "rank" in texts:
            says["rank"] = "[" not in texts["rank"] + cells["rank"].text + cells["rank"].small
        if "error change" in cells:
            number, bar = cells["error change"], cells["interval"].bar
            says["star"] = (MARKS["holds"] in number.small) == decided
            says["number"] = not decided or (float(number.text) <= 0) == (verdict == "better")
            ends = [float(end) for end in re.findall(r"[+-][\d.]+|(?<=[\[ ])0\.0", number.small)]
            says["ends"] = not ends or ends[0] <= float(number.text) <= ends[1]
            says["bar"] = bar is None or bar.kind == judged.side
            says["side of the bar"] = bar is None or not decided or (bar.high < bar.zero) == (verdict == "better")
        found += [f"{one.board.name}, {one.board.suite}, {line.method}: {name}" for name, so in says.items() if not so]
    return found


def test_no_row_of_a_committed_board_says_two_things(committed: list[Shown]) -> None:
    assert len(committed) > 30
    assert [sentence for one in committed for sentence in contradict(one)] == []
    counts = Counter(line.judged.verdict for one in committed for line in one.lines)
    assert min(counts[verdict] for verdict in ("better", "worse", "equivalent", "undecided")) > 20


@pytest.mark.parametrize("width", [80, 120])
def test_every_board_fits_a_terminal_in_brief_and_says_the_same(committed: list[Shown], width: int) -> None:
    for one in committed:
        text = write_brief([one.table], width)
        assert max(map(cell_len, text.splitlines())) <= width, one.board.name
        for line in one.lines:
            low, high = line.judged.change.low, line.judged.change.high
            if line.judged.verdict and low is not None and high is not None:
                told = f"[{to_error_change(high):+z.1f}, {to_error_change(low):+z.1f}]"
                assert re.search(rf"{re.escape(told)} +{word_contrast(line.judged.verdict)} ", text), line.method


def test_the_sentence_of_a_board_counts_its_rows(committed: list[Shown]) -> None:
    for one in committed:
        words = Counter(word_contrast(line.judged.verdict) for line in one.lines if line.judged.verdict)
        told = dict(part.split(" ", 1)[::-1] for part in count_verdicts(one).split(", ") if part)
        assert {word: int(count) for word, count in told.items()} == words


def test_whoever_leads_could_be_the_best_and_is_not_worse_than_the_reference(committed: list[Shown]) -> None:
    for one in committed:
        leaders = [line.judged for line in one.lines if line.judged.leads]
        ranked = [line for line in one.lines if line.ranked]
        assert len(leaders) == (1 if len(ranked) > 1 else len(ranked))
        assert all(each.could_be_best and each.verdict != "worse" for each in leaders)


def test_a_contradiction_is_seen(three_methods: list[ResultRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: a row whose interval is that of its test alone, uncorrected, and one of another colour."""
    one = Shown("toy", tabulate(board_of_suite("toy", three_methods), StoreContents(three_methods)), committed=True)
    assert contradict(one) == []
    line = next(line for line in one.lines if line.method == "hard")
    for field, value in (("verdict", "better"), ("verdict", "undecided"), ("could_be_best", True)):
        was = getattr(line.judged, field)
        object.__setattr__(line.judged, field, value)
        assert contradict(one) != []
        object.__setattr__(line.judged, field, was)
    assert math.isclose(line.judged.change.mean, one.results.change_rows["hard"]["delta_log"].mean or 0.0)
