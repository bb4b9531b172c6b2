"""The page of all suites, in families: who leads on each, who could, and where its methods lie."""

from dataclasses import dataclass
from typing import get_args

from leaderboard.analysis.contrasts import ContrastVerdict
from leaderboard.analysis.judged import Side
from leaderboard.intake.source_card import read_suite_cards
from leaderboard.report.escape import printable
from leaderboard.report.percent import write_percent
from leaderboard.report.verdict_words import word_contrast
from leaderboard.site.context import Context
from leaderboard.site.families import OTHER, SUITE_FAMILIES, order_families
from leaderboard.site.shown import Shown

STRIP = (3.0, 97.0)  # percent of a strip's width in which its dots lie


@dataclass(frozen=True)
class Dot:
    """A method on the strip of a suite.

    `left` is its place in percent of the strip's width, `kind` the side of its verdict.
    """

    left: float
    kind: str


def group_suites(site: Context) -> dict[str, dict[str, list[list[Shown]]]]:
    """Family -> suite without options -> the boards of it and of each of its variants, in their order on the site."""
    known = read_suite_cards()
    groups: dict[str, dict[str, list[list[Shown]]]] = {}
    for name, boards in site.suites.items():
        suite = name.partition(":")[0]
        family = known[suite].family if suite in known and known[suite].family else OTHER
        groups.setdefault(family, {}).setdefault(suite, []).append(boards)
    return {family: groups[family] for family in order_families(groups, SUITE_FAMILIES)}


def name_suite(suite: str) -> str:
    """A suite's name for people; its own where it has none."""
    known = read_suite_cards()
    return printable(known[suite].title or suite) if suite in known else printable(suite)


def render_suites_page(site: Context) -> bytes:
    """Render the page with a card for each suite; its variants are inside."""
    families = [
        (printable(family), [[_build_card(boards, site) for boards in own] for own in suites.values()])
        for family, suites in group_suites(site).items()
    ]
    return site.page("suites.html", "", families=families)


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
        "title": name_suite(board.suite.partition(":")[0]) if ":" not in board.suite else printable(board.title),
        "reference": printable(board.label(board.reference)),
        "methods": first.finished,
        "seeds": len(board.seed_list),
        "boards": len(own),
        "best": printable(board.label(best.method)) if best else "",
        "change": f"{write_percent(lead.change.mean)} %" if lead else "",
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
