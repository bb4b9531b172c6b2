"""The page of a method: what it is, its rank on each board, what it learned about sharing, and all of its runs.

There is a page for every method that has a run, submitted ones too; tuned runs are shown on the page of the method that
was tuned.
"""

from collections.abc import Iterable
from typing import Any

from bench.errors import UsageError
from bench.records import MethodText, ResultRecord, parse_method, slug
from leaderboard.boards.comparability import keep_last_code, suite_versions
from leaderboard.report.escape import printable
from leaderboard.report.formats import write_seeds
from leaderboard.site.addresses import MAX_NAME
from leaderboard.site.commands import run_command
from leaderboard.site.context import Context
from leaderboard.site.families import find_method_family, write_method_title
from leaderboard.site.figures import (
    plot_cosines,
    plot_matrices,
    plot_probes,
    plot_recovered,
    plot_sharing,
    write_cosines,
)
from leaderboard.site.grids import CHANGE, INTERVAL, RANK, kind_of, place_cells, runs_grid
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.prose import split_prose
from leaderboard.site.view import Grid, GridCell, GridHead, GridRow

SHOWN_RUNS = 500  # in one table


def render_method_page(site: Context, method: str) -> bytes:
    """Render the page of a method, with a section for every suite that it was run on.

    Args:
        site: the site.
        method: a key of `site.by_method`, the text of a method; it need not be readable as one.
    """
    runs = site.by_method[method]
    suites = dict.fromkeys(run.suite for run in runs)
    return site.page(
        "method.html",
        "../",
        method=printable(method),
        title=printable(write_method_title(method, site.cards)),
        family=printable(find_method_family(method, site.cards)),
        parts=[(card, split_prose(card.text)) for name in list_parts(method) if (card := site.cards.get(name))],
        places=_build_places_grid(site, method),
        sections=[
            _build_section(site, method, suite, [run for run in runs if run.suite == suite], first=not number)
            for number, suite in enumerate(suites)
        ],
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


def _build_section(site: Context, method: str, suite: str, runs: list[ResultRecord], *, first: bool) -> dict[str, Any]:
    """Collect what the page shows of the method on one suite: figures, and tables of its runs.

    Args:
        site: the site.
        method: the method.
        suite: the suite, as boards name it.
        runs: the method's runs there.
        first: True for the page's first section, which explains effective sharing.

    Returns:
        The values of the template. Figures are of finished runs under the board's own protocol, with the source that
        was run last; other settings and trials have a table of their own. Tables end after SHOWN_RUNS rows, and
        `hidden` counts the rest.
    """
    own = sorted(runs, key=_order_run)
    # A run under other settings or of a search is not what the boards show of the method.
    plain = [run for run in own if not run.spec.overrides and not run.spec.tuning]
    further = [run for run in own if run.spec.overrides or run.spec.tuning]
    # Runs of an older text of a plug-in are another method under this name.
    done = _keep_newest(keep_last_code(plain))
    best = [run for run in further if run.spec.is_best_of_curve]
    anchor, name = site.addresses.anchor(suite), printable(suite)
    states = {run.run_id: site.state(run) for run in own}
    file = slug(f"{method}-{suite}", MAX_NAME)
    figures = [
        plot_matrices(done, f"matrices-{anchor}"),
        *(plot_recovered({method: done[0]}, f"recovered-{anchor}") if done else []),
        plot_sharing(done, f"sharing-{anchor}", brief=not first),
        plot_cosines({method: done}, f"cosines-{anchor}"),
        # On a board whose rows have curves, at the value that the method's own curve chose.
        *plot_probes(_keep_newest(best) or done, f"probes-{anchor}"),
    ]
    return {
        "suite": name,
        "anchor": anchor,
        "href": site.addresses.suite(suite),
        "figures": [figure for figure in figures if figure],
        "cosines": write_cosines(done),
        "grid": runs_grid(f"runs-{anchor}", f"Runs on {name}", plain[:SHOWN_RUNS], states, file) if plain else None,
        "further": runs_grid(
            f"further-{anchor}", f"Further runs on {name}", further[:SHOWN_RUNS], states, f"{file}-further"
        )
        if further
        else None,
        "count": len(further),
        "hidden": max(0, len(plain) - SHOWN_RUNS) + max(0, len(further) - SHOWN_RUNS),
        "command": run_command(own[0], site.plugin(own[0])),
    }


def _keep_newest(runs: Iterable[ResultRecord]) -> list[ResultRecord]:
    """The finished ones of the newest version of their suite: one figure, one protocol."""
    done = [run for run in runs if run.status == "done"]
    newest = max(map(suite_versions, done), default=None)
    return [run for run in done if suite_versions(run) == newest]


def _order_run(run: ResultRecord) -> tuple[int, str, int, int]:
    """Sort key of the runs of a method on one suite.

    Runs under the protocol itself come first, then winners of searches, runs under other settings, and trials; each by
    seed, trials by number.
    """
    tuning = run.spec.tuning
    rank = (3 if tuning.stage == "trial" else 1) if tuning else 2 if run.spec.overrides else 0
    # Runs under one setting stay together, seed by seed.
    return rank, kind_of(run) if rank == 2 else "", run.spec.seed, tuning.trial if tuning else 0
