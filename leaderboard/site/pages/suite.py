"""A board of a suite: its table, its charts, what its methods see, and how it was run."""

from typing import Any

from bench.records import ResultRecord
from leaderboard.analysis.relatedness import estimate_relatedness
from leaderboard.boards.comparability import keep_last_code, keep_newest_suite
from leaderboard.boards.tuned_track import searches_of
from leaderboard.report.escape import printable
from leaderboard.report.formats import write_notes
from leaderboard.site.commands import curve_command, missing_commands
from leaderboard.site.context import Context
from leaderboard.site.figures import (
    budget_figure,
    change_figure,
    cosine_figure,
    cost_figure,
    profile_figure,
    recovered_figures,
    related_figure,
    setting_figures,
    size_figure,
    task_figure,
    win_figure,
)
from leaderboard.site.flat import flatten
from leaderboard.site.grids import board_grid
from leaderboard.site.panels import Tile
from leaderboard.site.shown import Shown
from leaderboard.site.view import Figure, split_notes

PICTURES = 2  # test images, shown of every method


def suite_page(site: Context, suite: str, one: Shown) -> bytes:
    """The page of one board; that of the suite's first board has what concerns the suite as a whole, too."""
    own = site.suites[suite]
    runs = [run for run in site.runs if run.suite == suite]
    first = one is own[0]
    pairs = related_figure(estimate_relatedness(runs), "related") if first else None
    curves = [each for each in site.curves if each.curve.suite == suite]
    of_suite = [*setting_figures(curves, "curve"), _cosines(one), pairs, *_recovered(one)] if first else []
    figures = [*_charts(site, one), *of_suite, *([] if first else [_budget(site, one)])]
    dials = [
        (dial.option, dial.method, printable(dial.settings), f"dials.html#dial-{number}")
        for number, dial in enumerate(site.dials)
        if dial.suite == suite
    ]
    there = {"dial": dials, "related": pairs, "tuned": any(each.track == "tuned" for each in own)}
    missing = {name for name, found in there.items() if found}
    return site.page(
        "suite.html",
        "../",
        suite=printable(suite),
        suite_href=site.addresses.suite(suite),
        tabs=[(printable(each.board.title), address(site, suite, each), each is one) for each in own],
        board=one.board,
        title=printable(one.board.title),
        committed=one.committed,
        tuned=one.track == "tuned",
        facts=_facts(runs[0]) if runs else "",
        grid=board_grid(one, site.addresses),
        notes=split_notes(write_notes(one.table)),
        figures=[figure for figure in figures if figure],
        pictures=_pictures(site, one),
        protocol=flatten(runs[0].spec.protocol.model_dump(mode="json", exclude_defaults=True)) if runs else [],
        dials=dials,
        curves=[(printable(each.curve.method), curve_command(each.curve)) for each in curves] if first else [],
        missing=missing_commands(suite, runs[0].tasks, one.board.seeds, missing) if first and runs else [],
    )


def _facts(run: ResultRecord) -> str:
    """The protocol in one line."""
    protocol = run.spec.protocol
    budget = f"{protocol.epochs} epochs of {protocol.steps_per_epoch:,} updates, batches of {protocol.batch_size}"
    fit = f"{budget} · {protocol.optimiser} at {protocol.lr:g}" if protocol.fit == "descent" else "fitted by a solver"
    tasks = ", ".join(run.tasks) if len(run.tasks) <= 4 else f"{len(run.tasks)} tasks"
    rows = f"{protocol.splits['train']:,} training rows" if "train" in protocol.splits else ""
    return printable(" · ".join(filter(None, (tasks, rows, fit))))


def address(site: Context, suite: str, one: Shown) -> str:
    """Where a board is: the first of a suite on the suite's own page."""
    first = one is site.suites[suite][0]
    return site.addresses.suite(suite) if first else site.addresses.board(suite, one.name)


def _charts(site: Context, one: Shown) -> list[Figure | None]:
    """Everything that the rows of a board can show; nothing where there is no difference to show."""
    results = one.results
    if not results.cells.columns:
        return []
    order = [line.method for line in one.lines]
    hrefs = {method: site.addresses.method(one.find_owner(method), one.board.suite) for method in order}
    return [
        change_figure(results, one.name, hrefs),
        task_figure(results, one.name, order),
        cost_figure(results, one.name, hrefs),
        profile_figure(results, one.name),
        size_figure(results, one.name),
        win_figure(results, one.name, order),
    ]


def _cosines(one: Shown) -> Figure | None:
    """Where gradients agree, method by method; those of the board only."""
    runs: dict[str, list[ResultRecord]] = {line.label: [] for line in one.lines if line.method in one.own}
    for (method, _), run in one.results.records.items():
        if method in one.own:
            runs[one.board.label(method)].append(run)
    return cosine_figure(runs, f"cosines-{one.name}")


def _recovered(one: Shown) -> list[Figure]:
    """Of the first seed that any row has: weights and their truth are drawn anew for each."""
    first = min((seed for method, seed in one.results.records if method in one.own), default=0)
    records = {method: run for (method, seed), run in one.results.records.items() if seed == first}
    runs = {line.label: records[line.method] for line in one.lines if line.method in {*one.own} & {*records}}
    return recovered_figures(runs, "recovered")


def _budget(site: Context, one: Shown) -> Figure | None:
    """What more trials buy, on the tuned track."""
    if one.track != "tuned":
        return None
    board = one.board
    own = [r for r in site.runs if board.suite in (r.suite, r.spec.suite) and r.spec.is_of_search]
    own = keep_newest_suite(keep_last_code(own))
    searches = [search for search in searches_of(own, board.trials) if search.method in board.methods]
    return budget_figure(searches, len(own[0].tasks), board, one.name) if own else None


def _pictures(site: Context, one: Shown) -> list[dict[str, Any]]:
    """A few test images: the input, and for every task the truth and what each method made of it, side by side."""
    seen: dict[str, dict[int, ResultRecord]] = {}
    for (method, seed), run in one.results.records.items():
        if site.pictures.get(run.run_id):
            seen.setdefault(method, {})[seed] = run
    own = {line.label: seen[line.method] for line in one.lines if line.method in seen}
    runs = {printable(label): by_seed[min(by_seed)] for label, by_seed in own.items()}
    found = []
    for number in range(PICTURES):
        tiles: dict[str, dict[str, Tile]] = {}
        for label, run in runs.items():
            panels = site.pictures[run.run_id]
            if len(panels) > number and (own_tiles := panels[number].tiles(run.tasks)):
                tiles[label] = own_tiles
        if tiles:
            some = next(iter(tiles.values()))
            tasks = [name.removeprefix("truth ") for name in some if name.startswith("truth ")]
            found.append({"number": number + 1, "tasks": tasks, "some": some, "methods": tiles})
    return found
