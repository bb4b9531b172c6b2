"""All methods, by who owns what: a line for each, with what it is and where it was run."""

from bench.errors import UsageError
from bench.records import parse_method
from leaderboard.report.escape import printable
from leaderboard.site.context import Context
from leaderboard.site.pages.method import parts
from leaderboard.site.view import Grid, GridCell, GridHead, GridRow


def methods_page(site: Context) -> bytes:
    """The page of all methods that have runs."""
    heads = [
        GridHead("method"),
        GridHead("part", choose=True),
        GridHead("what it is", kind="prose", small="paper"),
        GridHead("suites", kind="number", best="high"),
        GridHead("runs", kind="number", best="high"),
    ]
    lines = []
    for method, runs in sorted(site.by_method.items()):
        suites = len({run.suite for run in runs})
        cells = [
            GridCell(printable(method), order=method, href=site.addresses.method(method), code=True),
            GridCell(_name_deciding_part(method)),
            _describe(site, method),
            GridCell(str(suites), order=float(suites)),
            GridCell(f"{len(runs):,}", order=float(len(runs))),
        ]
        lines.append(GridRow(cells))
    return site.page("methods.html", "", grid=Grid("methods", "All methods", heads, lines))


def _name_deciding_part(method: str) -> str:
    """Which part of it is its own: the constraint, the weighting, or who owns what."""
    try:
        parsed = parse_method(method)
    except UsageError:
        return "—"
    if parsed.constraint:
        return "constraint"
    plain = parsed.weighting is None or parsed.weighting.name == "uniform"
    return "sharing" if plain else "weighting"


def _describe(site: Context, method: str) -> GridCell:
    """The first sentence about its last part, and that part's paper."""
    known = [card for name in parts(method) if (card := site.cards.get(name))]
    if not known:
        return GridCell("—")
    first = " ".join(known[-1].text.split("\n\n")[0].split()).replace("`", "")
    return GridCell(printable(first), printable(known[-1].paper))
