"""The page of dials: paths from separate models to one trunk, as `mtlbench sweep` runs them."""

from bench.records import ResultRecord
from leaderboard.report.escape import printable
from leaderboard.site.commands import sweep_command
from leaderboard.site.context import Context
from leaderboard.site.figures import plot_dial


def render_dials_page(site: Context) -> bytes:
    """Render the page with one section for each dial of the store.

    A section has the chart, the runs behind every value with links to their pages, and the command that makes them
    again. Its anchor is the dial's place in `site.dials`, which the pages of suites link to.

    Args:
        site: the site; without dials the page has no section, and `site/build` leaves it out.
    """
    sections = [
        {
            "anchor": f"dial-{number}",
            "method": printable(dial.method),
            "option": printable(dial.option),
            "suite": printable(dial.suite),
            # A suite without a board has no page: only settings and sweeps may have been run there.
            "suite_href": site.addresses.suite(dial.suite) if dial.suite in site.suites else "",
            "settings": printable(dial.settings),
            "version": next(iter(dial.points.values()))[0].spec.protocol.version,
            "figure": plot_dial(dial, f"dial-figure-{number}"),
            "points": [
                (f"{value:g}".replace("inf", "∞"), _link_runs(site, runs)) for value, runs in dial.points.items()
            ],
            "ends": [(name, _link_runs(site, runs)) for name, runs in dial.ends.items()],
            "command": sweep_command(dial),
        }
        for number, dial in enumerate(site.dials)
    ]
    return site.page("dials.html", "", sections=sections)


def _link_runs(site: Context, runs: list[ResultRecord]) -> list[tuple[int, str]]:
    """(seed, address of the run's page) for each run."""
    return [(run.spec.seed, site.addresses.run(run)) for run in runs]
