"""The page of all methods: a line for each, with what it is, its paper, and where it was run.

It has no numbers to compare methods by: those depend on the suite, and are on the overview and on each suite's page.
"""

from bench.errors import UsageError
from bench.records import parse_method
from leaderboard.report.escape import printable
from leaderboard.site.context import Context
from leaderboard.site.families import find_method_family, write_method_title
from leaderboard.site.pages.method import list_parts
from leaderboard.site.view import Grid, GridCell, GridHead, GridRow


def render_methods_page(site: Context) -> bytes:
    """Render the table of all methods that have runs, in alphabetical order; the reader can sort and narrow it."""
    heads = [
        GridHead("method", small="name"),
        GridHead("family", choose=True),
        GridHead("year", kind="number", best="low"),
        GridHead("part", choose=True),
        GridHead("what it is", kind="prose", small="paper"),
        GridHead("suites", kind="number", best="high"),
        GridHead("runs", kind="number", best="high"),
    ]
    lines = []
    for method, runs in sorted(site.by_method.items()):
        suites = len({run.suite for run in runs})
        cells = [
            GridCell(
                printable(method),
                printable(write_method_title(method, site.cards)),
                method,
                site.addresses.method(method),
                code=True,
            ),
            GridCell(printable(find_method_family(method, site.cards)) or "—"),
            _find_year(site, method),
            GridCell(_name_deciding_part(method)),
            _describe(site, method),
            GridCell(str(suites), order=float(suites)),
            GridCell(f"{len(runs):,}", order=float(len(runs))),
        ]
        lines.append(GridRow(cells))
    return site.page("methods.html", "", grid=Grid("methods", "All methods", heads, lines))


def _name_deciding_part(method: str) -> str:
    """Which part tells the method apart: its constraint if any, else a weighting other than uniform, else the sharing.

    A text that is no method has a dash.
    """
    try:
        parsed = parse_method(method)
    except UsageError:
        return "—"
    if parsed.constraint:
        return "constraint"
    plain = parsed.weighting is None or parsed.weighting.name == "uniform"
    return "sharing" if plain else "weighting"


def _find_year(site: Context, method: str) -> GridCell:
    """The year of the paper of the last part that has one; a dash where none has."""
    years = [card.year for name in list_parts(method) if (card := site.cards.get(name)) and card.year]
    return GridCell(years[-1], order=float(years[-1])) if years else GridCell("—")


def _describe(site: Context, method: str) -> GridCell:
    """A cell with the first paragraph about the method's last part that has a card, and below it that part's paper.

    A method's text names its sharing first, so the last part is mostly the one that makes it different.
    """
    known = [card for name in list_parts(method) if (card := site.cards.get(name))]
    if not known:
        return GridCell("—")
    # The table has plain text only: line breaks and code marks of the docstring go.
    first = " ".join(known[-1].text.split("\n\n")[0].split()).replace("`", "")
    return GridCell(printable(first), printable(known[-1].paper))
