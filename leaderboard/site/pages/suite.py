"""The page of a board: its table, its charts, what its methods predict for test images, and how it was run.

The first board of a suite has the suite's own address, and what concerns the suite as a whole: cosines, relatedness of
tasks, recovered weights, dials. Further boards and the tuned track are tabs of it.
"""

from typing import Any

from bench.errors import count_nouns
from bench.records import ResultRecord
from leaderboard.analysis.relatedness import estimate_relatedness
from leaderboard.boards.comparability import keep_last_code, keep_newest_suite
from leaderboard.boards.tuned_track import searches_of
from leaderboard.report.escape import printable
from leaderboard.report.formats import write_notes
from leaderboard.site.commands import curve_command, missing_commands
from leaderboard.site.context import Context
from leaderboard.site.figures import (
    plot_budget,
    plot_changes,
    plot_cosines,
    plot_cost,
    plot_profiles,
    plot_recovered,
    plot_relatedness,
    plot_settings,
    plot_size,
    plot_tasks,
    plot_wins,
)
from leaderboard.site.flat import flatten
from leaderboard.site.grids import board_grid
from leaderboard.site.panels import Tile
from leaderboard.site.reproduction import describe_reproduction
from leaderboard.site.shown import Shown
from leaderboard.site.view import Figure, split_notes

PICTURES = 2  # test images, shown of every method
SHOWN_PICTURES = 5  # methods whose predictions are seen before somebody asks for all: each is a picture to load


def render_suite_page(site: Context, suite: str, one: Shown) -> bytes:
    """Render the page of one board.

    Args:
        site: the site.
        suite: the suite, a key of `site.suites`.
        one: the board, one of `site.suites[suite]`.
    """
    own = site.suites[suite]
    runs = [run for run in site.runs if run.suite == suite]
    first = one is own[0]
    pairs = plot_relatedness(estimate_relatedness(runs), "related") if first else None
    curves = [each for each in site.curves if each.curve.suite == suite]
    of_suite = [*plot_settings(curves, "curve"), _plot_board_cosines(one), pairs, *_plot_board_recovered(one)]
    shown = _choose_example(one, runs)
    figures = [*_plot_charts(site, one), *(of_suite if first else [_plot_board_budget(site, one)])]
    dials = [
        (dial.option, dial.method, printable(dial.settings), f"dials.html#dial-{number}")
        for number, dial in enumerate(site.dials)
        if dial.suite == suite
    ]
    # The page names a command for each view that is missing: a reader can fill it without looking for how.
    views = {"dial": dials, "related": pairs, "tuned": any(each.track == "tuned" for each in own)}
    present = {name for name, filled in views.items() if filled}
    return site.page(
        "suite.html",
        "../",
        suite=printable(suite),
        suite_href=site.addresses.suite(suite),
        tabs=[(printable(each.board.title), find_board_address(site, suite, each), each is one) for each in own],
        board=one.board,
        title=printable(one.board.title),
        committed=one.committed,
        tuned=one.track == "tuned",
        facts=_describe_protocol(shown, one) if shown else "",
        grid=board_grid(one, site.addresses),
        notes=split_notes(write_notes(one.table)),
        figures=[figure for figure in figures if figure],
        pictures=_collect_pictures(site, one),
        shown_pictures=SHOWN_PICTURES,
        # What a suite changes is what tells it from others; the whole protocol is on the page of each run.
        protocol=flatten(shown.spec.protocol.model_dump(mode="json", exclude_defaults=True)) if shown else [],
        dials=dials,
        curves=[(printable(each.curve.method), curve_command(each.curve)) for each in curves] if first else [],
        again=describe_reproduction(site, one),
        missing=missing_commands(suite, runs[0].tasks, one.board.seeds, present) if first and runs else [],
    )


def _choose_example(one: Shown, runs: list[ResultRecord]) -> ResultRecord | None:
    """A run whose protocol is the board's: of its version, without changed settings where there is one.

    Args:
        one: the board.
        runs: those of its suite, under any version.
    """
    own = one.board.keep_covered(runs)
    return next((run for run in own if not run.spec.overrides), own[0] if own else None)


def _describe_protocol(run: ResultRecord, one: Shown) -> str:
    """The protocol in one line.

    It names the tasks (their number above four), the training rows, and the budget of updates or that a solver fits.

    Args:
        run: one under the protocol.
        one: the board; where it has a curve, the setting of that is each method's own.
    """
    protocol = run.spec.protocol
    curve = one.board.curve if one.track == "default" else None
    at = f", {curve.grid.setting} by each method's own curve" if curve else f" at {protocol.lr:g}"
    budget = (
        f"{count_nouns(protocol.epochs, 'epoch')} of {count_nouns(protocol.steps_per_epoch, 'update')}, batches of "
        f"{protocol.batch_size}"
    )
    fit = f"{budget} · {protocol.optimiser}{at}" if protocol.fit == "descent" else "fitted by a solver"
    tasks = ", ".join(run.tasks) if len(run.tasks) <= 4 else f"{len(run.tasks)} tasks"
    rows = f"{protocol.splits['train']:,} training rows" if "train" in protocol.splits else ""
    return printable(" · ".join(filter(None, (tasks, rows, fit))))


def find_board_address(site: Context, suite: str, one: Shown) -> str:
    """The address of a board's page, relative to the site's root: the suite's own for its first board.

    Args:
        site: the site.
        suite: the suite, a key of `site.suites`.
        one: the board, one of `site.suites[suite]`.
    """
    first = one is site.suites[suite][0]
    return site.addresses.suite(suite) if first else site.addresses.board(suite, one.name)


def _plot_charts(site: Context, one: Shown) -> list[Figure | None]:
    """The charts of a board's rows, with None for those that have nothing to show; none for a board without numbers."""
    results = one.results
    if not results.cells.columns:
        return []
    order = [line.method for line in one.lines]
    hrefs = {method: site.addresses.method(one.find_owner(method), one.board.suite) for method in order}
    return [
        plot_changes(results, one.name, hrefs),
        plot_tasks(results, one.name, order),
        plot_cost(results, one.name, hrefs),
        plot_profiles(results, one.name),
        plot_size(results, one.name),
        plot_wins(results, one.name, order),
    ]


def _plot_board_cosines(one: Shown) -> Figure | None:
    """Cosines of the task gradients of the board's own methods, in the order of its rows; controls are left out."""
    runs: dict[str, list[ResultRecord]] = {line.label: [] for line in one.lines if line.method in one.own}
    for (method, _), run in one.results.records.items():
        if method in one.own:
            runs[one.board.label(method)].append(run)
    return plot_cosines(runs, f"cosines-{one.name}")


def _plot_board_recovered(one: Shown) -> list[Figure]:
    """Recovered weights of the board's own methods, for the lowest seed that any of them has.

    One seed, since weights and their truth are drawn anew for each; methods without a run of it are left out.
    """
    first = min((seed for method, seed in one.results.records if method in one.own), default=0)
    records = {method: run for (method, seed), run in one.results.records.items() if seed == first}
    runs = {line.label: records[line.method] for line in one.lines if line.method in {*one.own} & {*records}}
    return plot_recovered(runs, "recovered")


def _plot_board_budget(site: Context, one: Shown) -> Figure | None:
    """What more trials buy, for the tuned track; None for the default one, and where there is no trial."""
    if one.track != "tuned":
        return None
    board = one.board
    own = [r for r in board.keep_covered(site.runs) if r.spec.is_of_search]
    # As the tuned track itself chooses, or the chart would show trials that the table does not count.
    own = keep_newest_suite(keep_last_code(own))
    searches = [search for search in searches_of(own, board.trials) if search.method in board.methods]
    return plot_budget(searches, len(own[0].tasks), board, one.name) if own else None


def _collect_pictures(site: Context, one: Shown) -> list[dict[str, Any]]:
    """The first PICTURES test images: the input, and for every task the truth and what each method predicted.

    Of each method the run with the lowest seed that has pictures is shown.

    Returns:
        For each image the values of the template: its number, its tasks, the tiles that all methods share (input, key,
        truths), and those of every method by its label.
    """
    seen: dict[str, dict[int, ResultRecord]] = {}
    for (method, seed), run in one.results.records.items():
        if site.pictures.get(run.run_id):
            seen.setdefault(method, {})[seed] = run
    own = {line.label: seen[line.method] for line in one.lines if line.method in seen}
    runs = {printable(label): by_seed[min(by_seed)] for label, by_seed in own.items()}
    pictures = []
    for number in range(PICTURES):
        tiles: dict[str, dict[str, Tile]] = {}
        for label, run in runs.items():
            panels = site.pictures[run.run_id]
            # A run may have fewer pictures than others, and a picture of another size has no tiles.
            if len(panels) > number and (own_tiles := panels[number].tiles(run.tasks)):
                tiles[label] = own_tiles
        if tiles:
            some = next(iter(tiles.values()))
            tasks = [name.removeprefix("truth ") for name in some if name.startswith("truth ")]
            pictures.append({"number": number + 1, "tasks": tasks, "some": some, "methods": tiles})
    return pictures
