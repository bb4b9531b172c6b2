"""A method: what it is, where it stands, what it learned about sharing, and all of its runs."""

from typing import Any

from bench.errors import UsageError
from bench.records import MethodText, ResultRecord, parse_method, slug
from leaderboard.boards.comparability import keep_last_code
from leaderboard.report.escape import printable
from leaderboard.report.formats import write_seeds
from leaderboard.site.addresses import MAX_NAME
from leaderboard.site.commands import run_command
from leaderboard.site.context import Context
from leaderboard.site.figures import cosine_figure, cosine_words, matrix_figure, recovered_figures, sharing_figure
from leaderboard.site.grids import INTERVAL, RANK, kind_of, place_cells, runs_grid
from leaderboard.site.pages.suite import address
from leaderboard.site.prose import split_prose
from leaderboard.site.view import Grid, GridCell, GridHead, GridRow

SHOWN_RUNS = 500  # in one table


def method_page(site: Context, method: str) -> bytes:
    """The page of a method, with a section for every suite that it was run on."""
    runs = site.by_method[method]
    suites = dict.fromkeys(run.suite for run in runs)
    return site.page(
        "method.html",
        "../",
        method=printable(method),
        parts=[(card, split_prose(card.text)) for name in parts(method) if (card := site.cards.get(name))],
        places=_places(site, method),
        sections=[
            _section(site, method, suite, [run for run in runs if run.suite == suite], first=not number)
            for number, suite in enumerate(suites)
        ],
    )


def parts(method: str) -> list[str]:
    """The names of a method's parts; those of `@uniform`, which is what a method comes with, only where written."""
    try:
        parsed: MethodText = parse_method(method)
    except UsageError:
        return []
    return [call.name for call in (parsed.sharing, parsed.constraint, parsed.weighting) if call]


def _places(site: Context, method: str) -> Grid | None:
    """Its row on every board, each with the interval on that board's own scale."""
    heads = [
        GridHead("board", small="suite"),
        GridHead("Δ log", "↑", "change", "high", small="Δ log 95 % interval"),
        INTERVAL,
        RANK,
        GridHead("of", "ranked", "number", "high"),
    ]
    heads += [GridHead("seeds", kind="end", best="high")]
    lines = []
    for one in site.shown:
        for line in one.lines:
            if line.method == method and one.find_owner(line.method) == method:
                title = printable(one.board.title)
                href = address(site, one.board.suite, one)
                ranked = sum(each.ranked for each in one.lines)
                first = GridCell(title, printable(one.board.suite), title, href)
                cells = [
                    first,
                    *place_cells(one, line, site.addresses),
                    GridCell(str(ranked or "—"), order=float(ranked)),
                ]
                lines.append(GridRow([*cells, GridCell(write_seeds(line))], faint=not line.complete))
    file = slug(f"{method}-boards", MAX_NAME)
    return Grid("places", f"Where {printable(method)} stands", heads, lines, file=file) if lines else None


def _section(site: Context, method: str, suite: str, runs: list[ResultRecord], *, first: bool) -> dict[str, Any]:
    """Everything about the method on one suite: figures, and tables of its runs."""
    own = sorted(runs, key=_order)
    plain = [run for run in own if not run.spec.overrides and not run.spec.tuning]
    further = [run for run in own if run.spec.overrides or run.spec.tuning]
    done = [run for run in keep_last_code(plain) if run.status == "done"]
    anchor, name = site.addresses.anchor(suite), printable(suite)
    states = {run.run_id: site.state(run) for run in own}
    file = slug(f"{method}-{suite}", MAX_NAME)
    figures = [
        matrix_figure(done, f"matrices-{anchor}"),
        *(recovered_figures({method: done[0]}, f"recovered-{anchor}") if done else []),
        sharing_figure(done, f"sharing-{anchor}", brief=not first),
        cosine_figure({method: done}, f"cosines-{anchor}"),
    ]
    return {
        "suite": name,
        "anchor": anchor,
        "href": site.addresses.suite(suite),
        "figures": [figure for figure in figures if figure],
        "cosines": cosine_words(done),
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


def _order(run: ResultRecord) -> tuple[int, str, int, int]:
    """Runs of the protocol itself first, then winners of searches, other settings, trials."""
    tuning = run.spec.tuning
    rank = (3 if tuning.stage == "trial" else 1) if tuning else 2 if run.spec.overrides else 0
    return rank, kind_of(run) if rank == 2 else "", run.spec.seed, tuning.trial if tuning else 0
