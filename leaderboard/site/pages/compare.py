"""The pages that answer "A or B?": one to choose two methods on, and one for each method against all others."""

import shlex
from collections.abc import Callable, Iterator
from functools import cache, partial

from leaderboard.report.escape import printable
from leaderboard.report.pair_table import COSTS, NOTES
from leaderboard.site.context import Context
from leaderboard.site.families import METHOD_FAMILIES, find_method_family, is_plain, order_families, write_method_title
from leaderboard.site.pages.comparisons import PairComparison, collect_comparisons
from leaderboard.site.view import as_json, split_notes

FOLDER = "compare"


def list_compare_pages(site: Context) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The address of every page that compares, and a function that renders it."""
    collected = cache(partial(collect_comparisons, site))  # by the first page that is rendered
    for method in collected():
        yield find_compare_address(site, method), partial(_render_method, site, method, collected()[method])
    if site.shown:
        yield "compare.html", partial(_render_choice, site, collected())


def find_compare_address(site: Context, method: str, other: str = "") -> str:
    """The page of a method against all others, at `other` if one is given."""
    return f"{FOLDER}/{_find_stem(site, method)}.html" + (f"#{_find_stem(site, other)}" if other else "")


def _find_stem(site: Context, method: str) -> str:
    """The name of a method in addresses, that of its own page; it is unique."""
    return site.addresses.method(method).removeprefix("methods/").removesuffix(".html")


def _render_choice(site: Context, collected: dict[str, list[PairComparison]]) -> bytes:
    """Render the page with two menus, and below them every method with a link."""
    methods = list(collected)
    places = {method: place for place, method in enumerate(methods)}
    rivals = [[places[each.other] for each in collected[method]] for method in methods]
    families: dict[str, list[dict[str, str]]] = {}
    for method in methods:
        family = find_method_family(method, site.cards) or "controls and others"
        families.setdefault(printable(family), []).append(
            {
                "name": printable(method),
                "title": printable(write_method_title(method, site.cards)) if is_plain(method) else "",
                "href": find_compare_address(site, method),
                "count": str(len(collected[method])),
            }
        )
    return site.page(
        "compare.html",
        "",
        menu=[(printable(method), _find_stem(site, method)) for method in methods],
        rivals=as_json(rivals),
        families=[(name, families[name]) for name in order_families(families, METHOD_FAMILIES)],
    )


def _render_method(site: Context, method: str, comparisons: list[PairComparison]) -> bytes:
    """Render the page of a method against every other one that it shares a board with."""
    return site.page(
        "compared.html",
        "../",
        method=printable(method),
        title=printable(write_method_title(method, site.cards)) if is_plain(method) else "",
        href=site.addresses.method(method),
        costs=list(COSTS),
        again=printable(f"mtlbench compare {shlex.quote(method)} OTHER"),
        notes=split_notes(NOTES),
        sections=[
            {
                "other": printable(each.other),
                "title": printable(write_method_title(each.other, site.cards)) if is_plain(each.other) else "",
                "anchor": _find_stem(site, each.other),
                "summary": each.summary,
                "lines": each.lines,
                "curves": any(line.curve for line in each.lines),
            }
            for each in comparisons
        ],
    )
