"""Every method against every other one on every board that has both: what the pages that compare are made of.

The numbers are those of `mtlbench compare`: of committed boards as they were planned, without submissions.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from leaderboard.analysis.contrasts import ContrastVerdict
from leaderboard.analysis.costs import collect_costs
from leaderboard.analysis.every_pair import PairAnswer, compare_every_pair
from leaderboard.analysis.results import Results
from leaderboard.report.escape import printable
from leaderboard.report.pair_table import COSTS, write_cost_ratio
from leaderboard.report.percent import write_error_change
from leaderboard.report.table import analyse_board
from leaderboard.report.verdict_words import word_contrast
from leaderboard.site.context import Context
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.pair_curves import PairCurve, draw_pair_curve, find_pair_curves
from leaderboard.site.shown import Shown

ORDER: tuple[ContrastVerdict, ...] = ("better", "worse", "equivalent", "undecided")


@dataclass(frozen=True)
class PairLine:
    """A board that has both methods: change of error, verdict, seeds and costs as people read them."""

    board: str
    suite: str
    href: str
    change: str
    verdict: str
    side: str
    seeds: int
    costs: tuple[str, ...]
    curve: PairCurve | None


@dataclass(frozen=True)
class PairComparison:
    """A method against another one on all boards, and how often each verdict was found."""

    other: str
    lines: tuple[PairLine, ...]

    @property
    def summary(self) -> str:
        """As `better on 2, worse on 1, not told apart on 4 of 7 boards`."""
        counts = Counter(line.verdict for line in self.lines)
        words = [f"{word} on {counts[word]}" for word in map(word_contrast, ORDER) if counts[word]]
        return f"{', '.join(words)} of {len(self.lines)} board{'' if len(self.lines) == 1 else 's'}"


def collect_comparisons(site: Context) -> dict[str, list[PairComparison]]:
    """Method -> its comparisons, the ones with the most boards first; methods without a page are left out."""
    lines: dict[tuple[str, str], list[PairLine]] = {}
    for one, results in list_compared_boards(site):
        curves = find_pair_curves(site.curves, results)
        costs = [collect_costs(results.records, currency) for currency in COSTS.values()]
        for (method, other), answer in compare_every_pair(results).items():
            if site.addresses.method(method) and site.addresses.method(other):
                mine, theirs = curves.get(method), curves.get(other)
                curve = draw_pair_curve(mine, theirs) if mine and theirs else None
                line = _write_line(one, site, answer, [write_cost_ratio(each, method, other) for each in costs], curve)
                lines.setdefault((method, other), []).append(line)
    found: dict[str, list[PairComparison]] = {}
    for (method, other), own in lines.items():
        found.setdefault(method, []).append(PairComparison(other, tuple(own)))
    return {method: sorted(found[method], key=lambda each: (-len(each.lines), each.other)) for method in sorted(found)}


def list_compared_boards(site: Context) -> Iterator[tuple[Shown, Results]]:
    """The boards that methods are compared on, with their numbers without submissions.

    Committed boards; in a store without any of them, everything that it holds of each suite.
    """
    default = [one for one in site.shown if one.track == "default"]
    for one in [one for one in default if one.committed] or default:
        roles: Mapping[str, str] = one.results.selection.roles
        if "submission" in roles.values():
            own = [method for method in one.board.methods if roles.get(method) in ("reference", "method")]
            yield one, analyse_board(one.board.model_copy(update={"methods": own}), site.contents, one.results.rule)
        else:
            yield one, one.results


def _write_line(one: Shown, site: Context, answer: PairAnswer, costs: list[str], curve: PairCurve | None) -> PairLine:
    """A comparison on one board in texts."""
    side = answer.verdict if answer.verdict in ("better", "worse") else "unclear"
    return PairLine(
        board=printable(one.board.name),
        suite=printable(one.board.suite),
        href=find_board_address(site, one.board.suite, one),
        change=write_error_change(answer.change),
        verdict=word_contrast(answer.verdict),
        side=side,
        seeds=answer.seeds,
        costs=tuple(costs),
        curve=curve,
    )
