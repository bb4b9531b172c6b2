"""The page that ranks methods over suites: blocks of methods that share suites, and what is missing for more."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leaderboard.analysis.judged import judge_rows
from leaderboard.analysis.statistics import LEAST_SUITES, NESTED_RESAMPLES
from leaderboard.analysis.suite_ranking import (
    RankedOverSuites,
    SuiteBlock,
    collect_suite_changes,
    find_shared_suites,
    rank_over_suites,
)
from leaderboard.report.escape import printable
from leaderboard.report.percent import write_error_change, write_percent
from leaderboard.report.verdict_words import word_contrast
from leaderboard.site.context import Context
from leaderboard.site.families import METHOD_FAMILIES, SEPARATE, find_method_family, order_families
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.pages.suites import group_suites, name_suite
from leaderboard.site.shown import Shown

REFERENCE = "single_task"  # of almost every board: what separate models are
ALL = "all"


@dataclass(frozen=True)
class RankedSuite:
    """A suite as it counts in the ranking: its family, its name for people, its first board, and its changes."""

    family: str
    title: str
    board: Shown
    changes: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        """The suite with its options."""
        return self.board.board.suite


def render_ranking_page(site: Context) -> bytes:
    """Render the blocks of every subset by family of suites and family of methods, and the matrix of what was run."""
    suites = collect_ranked_suites(site)
    methods = sorted({method for each in suites for method in each.changes})
    of_suites = [ALL, *dict.fromkeys(each.family for each in suites)]
    families = {method: find_method_family(method, site.cards) for method in methods}
    of_methods = [ALL, *order_families({*families.values()} - {SEPARATE}, METHOD_FAMILIES)]
    ranked: dict[tuple[tuple[str, ...], tuple[str, ...]], SuiteBlock] = {}  # subsets have blocks in common
    subsets = []
    for suite_family in of_suites:
        own = [each for each in suites if suite_family in (ALL, each.family)]
        for method_family in of_methods:
            chosen = [method for method in methods if method_family in (ALL, families[method])]
            blocks = [_describe_block(each, own, site) for each in _rank_blocks(own, chosen, ranked)]
            if blocks:
                name = f"{suite_family}/{method_family}".replace(" ", "-").replace(",", "")
                subsets.append({"suites": suite_family, "methods": method_family, "anchor": name, "blocks": blocks})
    return site.page(
        "ranking.html",
        "",
        subsets=subsets,
        of_suites=[name for name in of_suites if any(each["suites"] == name for each in subsets)],
        of_methods=[name for name in of_methods if any(each["methods"] == name for each in subsets)],
        count=len(suites),
        least=LEAST_SUITES,
        resamples=NESTED_RESAMPLES,
        columns=[(each.title, find_board_address(site, each.name, each.board)) for each in suites],
        rows=[row for method in methods if (row := _build_row(method, suites, site))],
    )


def collect_ranked_suites(site: Context) -> list[RankedSuite]:
    """The suites of the site, each once: by the first board of its first variant, against separate models."""
    found = []
    for family, suites in group_suites(site).items():
        for suite, variants in suites.items():
            board = next((one for one in variants[0] if one.track == "default"), None)
            if board and board.board.reference == REFERENCE:
                changes = collect_suite_changes(board.results)
                found.append(RankedSuite(printable(family), name_suite(suite), board, changes))
    return found


def _rank_blocks(
    suites: list[RankedSuite],
    methods: Iterable[str],
    ranked: dict[tuple[tuple[str, ...], tuple[str, ...]], SuiteBlock],
) -> list[SuiteBlock]:
    """The blocks of a subset; those in `ranked` are not drawn again, and new ones join it."""
    changes = {each.name: each.changes for each in suites}
    found = []
    for names, shared in find_shared_suites(changes, methods, REFERENCE):
        key = tuple(names), tuple(shared)
        if key not in ranked:
            ranked[key] = rank_over_suites(changes, names, shared, REFERENCE)
        found.append(ranked[key])
    return found


def _describe_block(block: SuiteBlock, suites: list[RankedSuite], site: Context) -> dict[str, object]:
    """A block as values of the template."""
    titles = {each.name: each.title for each in suites}
    tested = len(block.suites) >= LEAST_SUITES
    return {
        "suites": [titles[name] for name in block.suites],
        "left": len(suites) - len(block.suites),
        "tested": tested,
        "told": _tell_apart(block) if tested else "",
        "methods": [_describe_method(each, tested, site) for each in block.methods],
    }


def _describe_method(each: RankedOverSuites, tested: bool, site: Context) -> dict[str, object]:
    """A method of a block as values of the template."""
    reference = each.method == REFERENCE
    return {
        "name": printable(each.method),
        "href": site.addresses.method(each.method),
        "change": "0" if reference else write_error_change(each.change),
        "verdict": word_contrast(each.verdict) if each.verdict else "",
        "side": each.verdict if each.verdict in ("better", "worse") else "unclear",
        "first": f"{100 * each.first:.0f} %" if tested else "",
        "best": bool(each.could_be_best),
    }


def _tell_apart(block: SuiteBlock) -> str:
    """What the tests of a block say, in a sentence."""
    told = [each for each in block.methods if each.verdict in ("better", "worse")]
    worse = sum(not each.could_be_best for each in block.methods)
    if not told and not worse:
        return "No method is told apart from another one: on other suites like these any of them could lead."
    words = [f"{printable(each.method)} is {each.verdict} than separate models" for each in told]
    words += [f"{len(block.methods) - worse} of {len(block.methods)} could be the best"] if worse else []
    return f"{'; '.join(words)}."


def _build_row(method: str, suites: list[RankedSuite], site: Context) -> dict[str, object] | None:
    """A method in the matrix of what was run: its change on every suite, None where it was not; None on one suite."""
    cells = [_describe_cell(method, each) for each in suites]
    if sum(cell is not None for cell in cells) < 2:
        return None
    href = site.addresses.method(method)
    return {"name": printable(method), "href": href, "cells": cells, "count": sum(cell is not None for cell in cells)}


def _describe_cell(method: str, suite: RankedSuite) -> tuple[str, str, str] | None:
    """(error change, side, verdict) of a method by its own suite's test; None where it was not run or has no rank."""
    if method not in suite.changes:
        return None
    judged = judge_rows(suite.board.results)[method]
    if judged.verdict is None:
        return "reference", "unclear", "reference"
    return f"{write_percent(judged.change.mean, short=True)} %", judged.side, word_contrast(judged.verdict)
