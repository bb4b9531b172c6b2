"""The overview, the first page: every suite in a few words, and every method on every suite in one table.

`site --watch` writes it again and again, with the runs that go on; the other pages change only with the store.
"""

import shlex
from collections import Counter
from dataclasses import dataclass

from leaderboard.analysis.standings import DECIDES
from leaderboard.boards.changed import settings_counts
from leaderboard.report.escape import printable
from leaderboard.report.footnotes import name_problems
from leaderboard.site.context import Context
from leaderboard.site.figures import plot_dial
from leaderboard.site.grids import overview_grid
from leaderboard.site.shown import Shown
from leaderboard.site.view import split_notes

# Side of zero of a whole interval -> class of the dot in the style sheet.
KINDS_OF_CHANGE = {1: "better", 0: "unclear", -1: "worse"}
STRIP = (3.0, 97.0)  # percent of a strip's width in which its dots lie


@dataclass(frozen=True)
class Dot:
    """A method on the strip of a suite.

    `left` is its place in percent of the strip's width, `kind` a value of KINDS_OF_CHANGE.
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
    """Describe a suite for its card: who leads, how many cannot be told from the leader, and where all methods lie.

    Args:
        own: the boards of the suite; the first one is described.
        site: the site.

    Returns:
        The values of the template. `tied` counts methods that share a letter with the leader, out of `others`; the
        change of the leader is left out where it is the reference itself.
    """
    # The widest: a method that is on several boards is counted once.
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


def _list_changes(one: Shown) -> list[tuple[float, int]]:
    """(mean Δ log, side of zero of its whole interval) of every method of the board's own.

    Controls and submissions are left out: the strip shows how far the methods of the suite lie apart.
    """
    rows = [own.get(DECIDES) for method, own in one.results.change_rows.items() if method in one.own]
    return [(row.mean, row.sign) for row in rows if row and row.mean is not None]


def _place_dots(one: Shown) -> tuple[list[Dot], float]:
    """Place every method on the strip of its suite, and the line at zero.

        place = left + (right - left) (x - low) / (high - low), (left, right) = STRIP in percent

    with low and high the least and the largest Δ log, zero included; all in the middle where they are equal.

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

    return [Dot(place(mean), KINDS_OF_CHANGE[sign]) for mean, sign in changes], place(0.0)
