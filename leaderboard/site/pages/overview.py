"""The first page: every suite in a few words, every method on every suite in one table."""

import shlex
from collections import Counter
from dataclasses import dataclass

from leaderboard.analysis.standings import DECIDES
from leaderboard.boards.changed import settings_counts
from leaderboard.report.escape import printable
from leaderboard.report.footnotes import name_problems
from leaderboard.site.context import Context
from leaderboard.site.figures import dial_figure
from leaderboard.site.grids import overview_grid
from leaderboard.site.shown import Shown
from leaderboard.site.view import split_notes

KINDS_OF_CHANGE = {1: "better", 0: "unclear", -1: "worse"}
STRIP = (3.0, 97.0)  # percent of a strip's width in which its dots lie


@dataclass(frozen=True)
class Dot:
    """A method on the strip of a suite: where, as a percentage, and what its interval says."""

    left: float
    kind: str


def overview_page(site: Context) -> bytes:
    """The page; what to run where there is nothing to show."""
    done = [run for run in site.runs if run.status == "done"]
    states = Counter(filter(None, map(site.state, done)))
    return site.page(
        "overview.html",
        "",
        cards=[_card(own, site) for own in site.suites.values()],
        grid=overview_grid(_first_boards(site), site.addresses) if site.shown else None,
        runs=len(done),
        failed=len(site.runs) - len(done),
        methods=len(site.by_method),
        states=sorted(states.items()),
        dial=dial_figure(site.dials[0], "dial") if site.dials else None,
        dial_of=site.dials[0] if site.dials else None,
        dials=len(site.dials),
        problems=split_notes(name_problems(site.contents.problems)),
        where="" if site.shown else _suggest_settings(site),
        status=site.status,
    )


def _suggest_settings(site: Context) -> str:
    """What prints the runs under the commonest settings of the first suite that has any; nothing where none has."""
    for suite in dict.fromkeys(run.suite for run in site.runs):
        for pairs in settings_counts(site.runs, [suite]):
            words = [f"--where {shlex.quote(f'{key}={value}')}" for key, value in pairs]
            return printable(f"mtlbench table {shlex.quote(suite)} {' '.join(words)}")
    return ""


def _first_boards(site: Context) -> list[Shown]:
    """Of every suite the widest board, and its tuned track."""
    found = []
    for own in site.suites.values():
        found += [next((one for one in own if one.track == track), None) for track in ("default", "tuned")]
    return [one for one in found if one]


def _card(own: list[Shown], site: Context) -> dict[str, object]:
    """A suite in a few words: who leads, who cannot be told from the leader, and where all methods lie."""
    first = own[0]
    board, standing = first.board, first.results.standings.methods
    ranked = sorted((each for each in standing.values() if each.ranked), key=lambda each: each.rank.mean)
    best = ranked[0] if ranked else None
    tied = sum(best.ties(each) for each in ranked[1:]) if best else 0
    dots, zero = _place_dots(first)
    return {
        "suite": printable(board.suite),
        "href": site.addresses.suite(board.suite),
        "title": printable(board.title),
        "reference": printable(board.label(board.reference)),
        "methods": first.finished,
        "seeds": len(board.seed_list),
        "boards": len(own),
        "best": printable(board.label(best.method)) if best else "",
        "change": f"{best.change.mean:+.3f}" if best and best.method != board.reference else "",
        "tied": tied,
        "others": len(ranked) - 1,
        "dots": dots,
        "zero": zero,
    }


def _changes(one: Shown) -> list[tuple[float, int]]:
    """Δ log of every method of the board's own, and the side of zero on which its whole interval lies."""
    rows = [own.get(DECIDES) for method, own in one.results.change_rows.items() if method in one.own]
    return [(row.mean, row.sign) for row in rows if row and row.mean is not None]


def _place_dots(one: Shown) -> tuple[list[Dot], float]:
    """Every method as a place on the strip, which reaches from the least to the largest change, and that of zero."""
    changes = _changes(one)
    means = [0.0, *(mean for mean, _ in changes)]
    low, high = min(means), max(means)
    left, right = STRIP

    def place(value: float) -> float:
        """A change as a percentage of the strip."""
        return left + (right - left) * (value - low) / (high - low) if high > low else (left + right) / 2

    return [Dot(place(mean), KINDS_OF_CHANGE[sign]) for mean, sign in changes], place(0.0)
