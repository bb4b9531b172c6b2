"""The overview, the first page: every suite in a few words, and every method on every suite in one table.

`site --watch` writes it again and again, with the runs that go on; the other pages change only with the store.
"""

import shlex
from collections import Counter
from dataclasses import dataclass
from typing import get_args

from leaderboard.analysis.contrasts import ContrastVerdict
from leaderboard.analysis.judged import Side
from leaderboard.boards.changed import settings_counts
from leaderboard.report.escape import printable
from leaderboard.report.footnotes import name_problems
from leaderboard.report.percent import to_error_change
from leaderboard.report.verdict_words import word_contrast
from leaderboard.site.context import Context
from leaderboard.site.figures import plot_dial
from leaderboard.site.grids import overview_grid
from leaderboard.site.shown import Shown
from leaderboard.site.view import split_notes

STRIP = (3.0, 97.0)  # percent of a strip's width in which its dots lie


@dataclass(frozen=True)
class Dot:
    """A method on the strip of a suite.

    `left` is its place in percent of the strip's width, `kind` the side of its verdict.
    """

    left: float
    kind: str


def render_overview_page(site: Context) -> bytes:
    """Render the overview; for a store without a board to show, it says which command prints its runs."""
    done = [run for run in site.runs if run.status == "done"]
    states = Counter(filter(None, map(site.state, done)))
    return site.page(
        "overview.html",
        "",
        cards=[_build_card(own, site) for own in site.suites.values()],
        grid=overview_grid(_pick_first_boards(site), site.addresses) if site.shown else None,
        runs=len(done),
        failed=len(site.runs) - len(done),
        methods=len(site.by_method),
        states=sorted(states.items()),
        dial=plot_dial(site.dials[0], "dial") if site.dials else None,
        dial_of=site.dials[0] if site.dials else None,
        dials=len(site.dials),
        problems=split_notes(name_problems(site.contents.problems)),
        # A store without a board would have an empty page.
        where="" if site.shown else _suggest_settings(site),
        status=site.status,
    )


def _suggest_settings(site: Context) -> str:
    """The command that prints runs under changed settings, with the commonest settings of the first suite that has any.

    Such runs are on no board, so that a store of them alone would have an empty page. Empty where there are none.
    """
    for suite in dict.fromkeys(run.suite for run in site.runs):
        for pairs in settings_counts(site.runs, [suite]):
            words = [f"--where {shlex.quote(f'{key}={value}')}" for key, value in pairs]
            return printable(f"mtlbench table {shlex.quote(suite)} {' '.join(words)}")
    return ""


def _pick_first_boards(site: Context) -> list[Shown]:
    """The widest board of every suite, and its tuned track where there is one."""
    boards = []
    for own in site.suites.values():
        boards += [next((one for one in own if one.track == track), None) for track in ("default", "tuned")]
    return [one for one in boards if one]


def _build_card(own: list[Shown], site: Context) -> dict[str, object]:
    """Describe a suite for its card: who leads, how many could be the best, and where all methods lie.

    Args:
        own: the boards of the suite; the first one is described.
        site: the site.

    Returns:
        The values of the template. Everything follows from the verdicts of the board's rows. `rivals` counts ranked
        methods that could be the best, beside the first, out of `others`; the change of the leader is left out where
        it is the reference itself.
    """
    # The widest: a method that is on several boards is counted once.
    first = own[0]
    board, standing = first.board, first.results.standings.methods
    judged = {line.method: line.judged for line in first.lines}
    ranked = sorted((each for each in standing.values() if each.ranked), key=lambda each: each.rank.mean)
    best = ranked[0] if ranked else None
    lead = judged[best.method] if best and best.method != board.reference else None
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
        "change": f"{to_error_change(lead.change.mean):+z.1f} %" if lead else "",
        "verdict": word_contrast(lead.verdict) if lead and lead.verdict else "",
        "rivals": sum(each.could_be_best for each in ranked[1:]),
        "others": len(ranked) - 1,
        "counts": count_verdicts(first),
        "dots": dots,
        "zero": zero,
    }


def count_verdicts(one: Shown) -> str:
    """How many methods have each verdict against the reference, as `4 better, 3 worse, 5 not told apart`."""
    verdicts = [line.judged.verdict for line in one.lines]
    counts = {word_contrast(verdict): verdicts.count(verdict) for verdict in get_args(ContrastVerdict)}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _list_changes(one: Shown) -> list[tuple[float, Side]]:
    """(log error against the reference, side of the verdict) of every method of the board's own.

    Controls and submissions are left out: the strip shows how far the methods of the suite lie apart.
    """
    rows = [line.judged for line in one.lines if line.method in one.own]
    return [(-row.change.mean, row.side) for row in rows if row.change.n]


def _place_dots(one: Shown) -> tuple[list[Dot], float]:
    """Place every method on the strip of its suite, and the line at zero.

        place = left + (right - left) (x - low) / (high - low), (left, right) = STRIP in percent

    with low and high the least and the largest log error against the reference, zero included; all in the middle where
    they are equal.

    Returns:
        The dots, in the order of the board, and the place of zero.
    """
    changes = _list_changes(one)
    # Zero is always on the strip: that is where the reference stands.
    means = [0.0, *(mean for mean, _ in changes)]
    low, high = min(means), max(means)
    left, right = STRIP

    def place(value: float) -> float:
        """The place of a change, in percent of the strip's width."""
        return left + (right - left) * (value - low) / (high - low) if high > low else (left + right) / 2

    return [Dot(place(mean), side) for mean, side in changes], place(0.0)
