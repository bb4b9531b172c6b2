"""The page of a method: what it is, its rank on each board, and where its runs are.

There is a page for every method that has a run, submitted ones too; tuned runs are shown on the page of the method that
was tuned.
"""

from bench.errors import UsageError
from bench.records import MethodText, ResultRecord, parse_method, slug
from leaderboard.report.escape import printable
from leaderboard.report.formats import write_seeds
from leaderboard.site.addresses import MAX_NAME
from leaderboard.site.context import Context
from leaderboard.site.families import find_method_family, find_place, write_method_title
from leaderboard.site.grids import CHANGE, INTERVAL, RANK, place_cells
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.prose import split_prose
from leaderboard.site.view import Grid, GridCell, GridHead, GridRow


def render_method_page(site: Context, method: str) -> bytes:
    """Render the page of a method.

    Args:
        site: the site.
        method: a key of `site.by_method`, the text of a method; it need not be readable as one.
    """
    return site.page(
        "method.html",
        "../",
        method=printable(method),
        title=printable(write_method_title(method, site.cards)),
        family=printable(find_method_family(method, site.cards)),
        place=find_place(method, site.cards),
        parts=[(card, split_prose(card.text)) for name in list_parts(method) if (card := site.cards.get(name))],
        places=_build_places_grid(site, method),
        runs=_build_runs_grid(site, method),
    )


def list_parts(method: str) -> list[str]:
    """Names of the parts that a method's text spells out: sharing, constraint, weighting.

    `@uniform`, the weighting of a method that names none, is listed only where it is written. A text that is no method
    has
    no parts: records may have any.
    """
    try:
        parsed: MethodText = parse_method(method)
    except UsageError:
        return []
    return [call.name for call in (parsed.sharing, parsed.constraint, parsed.weighting) if call]


def _build_places_grid(site: Context, method: str) -> Grid | None:
    """Build the table of the method's rows on all boards.

    Each row has the change and its interval on that board's own scale, the rank, and how many methods are ranked there.
    Rows of controls, which are runs of the method under other settings, are left out.

    Returns:
        None where the method is on no board.
    """
    heads = [
        GridHead("board", small="suite"),
        CHANGE,
        INTERVAL,
        GridHead("vs reference", choose=True),
        GridHead("vs best", choose=True),
        RANK,
        GridHead("of", "ranked", "number", "high"),
    ]
    heads += [GridHead("seeds", kind="end", best="high")]
    lines = []
    for one in site.shown:
        for line in one.lines:
            # A row's name may also be that of a control or a winner whose runs belong to another method.
            if line.method == method and one.find_owner(line.method) == method:
                title = printable(one.board.title)
                href = find_board_address(site, one.board.suite, one)
                ranked = sum(each.ranked for each in one.lines)
                first = GridCell(title, printable(one.board.suite), title, href)
                cells = [
                    first,
                    *place_cells(one, line, site.addresses),
                    GridCell(str(ranked or "—"), order=float(ranked)),
                ]
                lines.append(GridRow([*cells, GridCell(write_seeds(line))], faint=not line.complete))
    # An export needs a name that every file system takes, and methods have colons and slashes.
    file = slug(f"{method}-boards", MAX_NAME)
    return Grid("places", f"Where {printable(method)} stands", heads, lines, file=file) if lines else None


def _build_runs_grid(site: Context, method: str) -> Grid:
    """Build the table of the suites that the method was run on, each with the number of its runs, as one link."""
    heads = [
        GridHead("suite"),
        GridHead("runs", kind="number", best="high"),
        GridHead("other settings", "and searches", "number", "high"),
        GridHead("failed", kind="number", best="high"),
    ]
    of_suite: dict[str, list[ResultRecord]] = {}
    for run in site.by_method[method]:
        of_suite.setdefault(run.suite, []).append(run)
    lines = []
    for suite, runs in of_suite.items():
        further = sum(bool(run.spec.overrides or run.spec.tuning) for run in runs)
        counts = [len(runs) - further, further, sum(run.status != "done" for run in runs)]
        cells = [GridCell(f"{count:,}" if count else "—", order=float(count)) for count in counts]
        lines.append(
            GridRow([GridCell(printable(suite), href=site.addresses.method(method, suite), code=True), *cells])
        )
    return Grid("suites", f"Where {printable(method)} was run", heads, lines, file=slug(f"{method}-suites", MAX_NAME))
