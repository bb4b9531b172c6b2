"""The front page: what was found, and the change of error of every family of methods on every suite.

`site --watch` writes it again and again, with the runs that go on; the other pages change only with the store.
"""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboard.analysis.contrasts import Contrast
from leaderboard.analysis.family_changes import compare_families
from leaderboard.analysis.results import Results
from leaderboard.boards.changed import settings_counts
from leaderboard.claims import CheckedFinding, Support
from leaderboard.report.escape import printable
from leaderboard.report.footnotes import name_problems
from leaderboard.report.percent import write_percent, write_percent_ends
from leaderboard.report.supports import write_support
from leaderboard.report.verdict_words import word_contrast
from leaderboard.site.context import Context
from leaderboard.site.families import (
    METHOD_FAMILIES,
    SEPARATE,
    find_method_family,
    is_plain,
    order_families,
    write_method_title,
)
from leaderboard.site.pages.search_index import list_questions
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.pages.suites import group_suites, name_suite
from leaderboard.site.shown import Shown
from leaderboard.site.view import split_notes

FIRST_FINDINGS = 8  # sentences that are read at once; the others open below them


@dataclass(frozen=True)
class FamilyCell:
    """A family of methods on a suite: the change of error, its interval, and the verdict as a colour and in words."""

    change: str
    interval: str
    side: str
    verdict: str
    methods: str


@dataclass(frozen=True)
class SuiteRow:
    """A suite in the matrix; `cells` is None where nothing of a family was run."""

    title: str
    suite: str
    href: str
    reference: str
    seeds: int
    cells: list[FamilyCell | None]


def render_overview_page(site: Context) -> bytes:
    """Render the front page; for a store without a board to show, it says which command prints its runs."""
    done = [run for run in site.runs if run.status == "done"]
    states = Counter(filter(None, map(site.state, done)))
    columns, families = _build_matrix(site)
    return site.page(
        "overview.html",
        "",
        findings=[_describe_finding(each, site) for each in site.findings],
        first=FIRST_FINDINGS,
        questions=list_questions(site),
        columns=columns,
        families=families,
        runs=len(done),
        failed=len(site.runs) - len(done),
        methods=len(site.by_method),
        suites=len({name.partition(":")[0] for name in site.suites}),
        states=sorted(states.items()),
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


def _describe_finding(checked: CheckedFinding, site: Context) -> dict[str, object]:
    """A sentence, and what it rests on: numbers with links to their runs."""
    supports = [_describe_support(support, site) for support in checked.supports]
    return {"text": checked.finding.text, "supports": supports, "anchor": checked.finding.name.replace(" ", "-")}


def _describe_support(support: Support, site: Context) -> tuple[str, str, str]:
    """What a finding rests on, its numbers, and the page with its runs."""
    evidence, results, numbers = support.evidence, support.results, write_support(support)
    if support.claim:
        name = support.claim.claim.name
        return f"claim “{name}”", numbers, f"claims.html#{_anchor(name)}"
    assert results is not None  # what was found has one or the other
    title = printable(results.board.title)
    one = next(one for one in site.shown if one.results is results)
    board = find_board_address(site, results.board.suite, one)
    if not evidence.method:
        return title, numbers, board
    href = site.addresses.method(evidence.method, results.board.suite) or board
    return f"{printable(_write_name(evidence.method, results, site))} on “{title}”", f"error {numbers}", href


def _write_name(method: str, results: Results, site: Context) -> str:
    """A method for people: its name on the board, else its title, else its text."""
    if method in results.board.labels:
        return results.board.labels[method]
    return write_method_title(method, site.cards) if is_plain(method) else method


def _anchor(name: str) -> str:
    """The fragment of a claim on the page of claims."""
    return name.replace(" ", "-")


def _build_matrix(site: Context) -> tuple[list[str], list[dict[str, object]]]:
    """The columns of the matrix, and for each family of suites its rows and those of their variants."""
    boards = [own[0] for own in site.suites.values()]
    members = {one.name: _find_members(one, site) for one in boards}
    columns = order_families((family for own in members.values() for family in own), METHOD_FAMILIES)
    families: list[dict[str, object]] = []
    for name, suites in group_suites(site).items():
        first: list[SuiteRow] = []
        further: list[SuiteRow] = []
        for suite, variants in suites.items():
            for number, own in enumerate(variants):
                title = name_suite(suite) if not number else printable(own[0].board.title)
                row = _build_row(own[0], title, members[own[0].name], columns, site)
                (further if number else first).append(row)
        families.append({"name": printable(name), "rows": first, "further": further})
    return columns, families


def _find_members(one: Shown, site: Context) -> dict[str, list[str]]:
    """Family -> its methods on a board that are written without options and have a rank; not the separate models."""
    members: dict[str, list[str]] = {}
    for line in one.lines:
        family = find_method_family(line.method, site.cards)
        if line.ranked and line.role == "method" and family not in ("", SEPARATE) and is_plain(line.method):
            members.setdefault(family, []).append(line.method)
    return members


def _build_row(
    one: Shown, title: str, members: Mapping[str, Sequence[str]], columns: Sequence[str], site: Context
) -> SuiteRow:
    """The cells of a suite; a family without a run is left empty."""
    found = compare_families(one.results, members)
    cells = [_describe_cell(found[name], members[name], one) if name in found else None for name in columns]
    suite, board = one.board.suite, one.board
    return SuiteRow(
        *(title, printable(suite), find_board_address(site, suite, one)),
        *(printable(board.label(board.reference)), len(board.seed_list), cells),
    )


def _describe_cell(contrast: Contrast, methods: Sequence[str], one: Shown) -> FamilyCell:
    """A cell, whose colour and words are those of its verdict."""
    change = contrast.corrected or contrast.estimate
    names = ", ".join(printable(one.board.label(method)) for method in methods)
    return FamilyCell(
        change=f"{write_percent(change.mean, short=True)} %",
        interval=write_percent_ends(change, short=True),
        side=contrast.verdict if contrast.verdict in ("better", "worse") else "unclear",
        verdict=word_contrast(contrast.verdict),
        methods=f"mean of {len(methods)}: {names}" if len(methods) > 1 else names,
    )
