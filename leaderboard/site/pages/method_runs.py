"""The page of the runs of a method on one suite: a table of them, and what they learned about sharing.

There is one for every method and suite with a run, so that no page grows with the number of suites.
"""

from collections.abc import Iterable

from bench.records import ResultRecord, slug
from leaderboard.boards.comparability import keep_last_code, suite_versions
from leaderboard.report.escape import printable
from leaderboard.site.addresses import MAX_NAME
from leaderboard.site.commands import run_command
from leaderboard.site.context import Context
from leaderboard.site.families import write_method_title
from leaderboard.site.figures import (
    plot_cosines,
    plot_matrices,
    plot_probes,
    plot_recovered,
    plot_sharing,
    write_cosines,
)
from leaderboard.site.grids import kind_of, runs_grid

SHOWN_RUNS = 500  # in one table


def render_method_runs_page(site: Context, method: str, suite: str) -> bytes:
    """Render the page of a method's runs on one suite.

    Figures are of finished runs under the board's own protocol, with the source that was run last; other settings and
    trials have a table of their own. Tables end after SHOWN_RUNS rows.

    Args:
        site: the site.
        method: a key of `site.by_method`.
        suite: one that it was run on.
    """
    own = sorted((run for run in site.by_method[method] if run.suite == suite), key=_order_run)
    # A run under other settings or of a search is not what the boards show of the method.
    plain = [run for run in own if not run.spec.overrides and not run.spec.tuning]
    further = [run for run in own if run.spec.overrides or run.spec.tuning]
    # Runs of an older text of a plug-in are another method under this name.
    done = _keep_newest(keep_last_code(plain))
    best = [run for run in further if run.spec.is_best_of_curve]
    name = printable(suite)
    states = {run.run_id: site.state(run) for run in own}
    file = slug(f"{method}-{suite}", MAX_NAME)
    figures = [
        plot_matrices(done, "matrices"),
        *(plot_recovered({method: done[0]}, "recovered") if done else []),
        plot_sharing(done, "sharing"),
        plot_cosines({method: done}, "cosines"),
        # On a board whose rows have curves, at the value that the method's own curve chose.
        *plot_probes(_keep_newest(best) or done, "probes"),
    ]
    tables = [(plain, "runs", f"Runs on {name}", file)]
    tables += [(further, "further", f"Further runs on {name}", f"{file}-further")]
    grids = [
        runs_grid(called, caption, runs[:SHOWN_RUNS], states, saved) if runs else None
        for runs, called, caption, saved in tables
    ]
    return site.page(
        "method_runs.html",
        "../",
        method=printable(method),
        title=printable(write_method_title(method, site.cards)),
        method_href=site.addresses.method(method),
        suite=name,
        suite_href=site.addresses.suite(suite) if suite in site.suites else "",
        figures=[figure for figure in figures if figure],
        cosines=write_cosines(done),
        grid=grids[0],
        further=grids[1],
        count=len(further),
        hidden=max(0, len(plain) - SHOWN_RUNS) + max(0, len(further) - SHOWN_RUNS),
        command=run_command(own[0], site.plugin(own[0])),
    )


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
