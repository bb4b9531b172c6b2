"""The dials: paths from separate models to one trunk."""

from bench.records import ResultRecord
from leaderboard.report.escape import printable
from leaderboard.site.commands import sweep_command
from leaderboard.site.context import Context
from leaderboard.site.figures import dial_figure


def dials_page(site: Context) -> bytes:
    """One section for every dial of the store."""
    sections = [
        {
            "anchor": f"dial-{number}",
            "method": printable(dial.method),
            "option": printable(dial.option),
            "suite": printable(dial.suite),
            "suite_href": site.addresses.suite(dial.suite) if dial.suite in site.suites else "",
            "settings": printable(dial.settings),
            "figure": dial_figure(dial, f"dial-figure-{number}"),
            "points": [(f"{value:g}".replace("inf", "∞"), _runs(site, runs)) for value, runs in dial.points.items()],
            "ends": [(name, _runs(site, runs)) for name, runs in dial.ends.items()],
            "command": sweep_command(dial),
        }
        for number, dial in enumerate(site.dials)
    ]
    return site.page("dials.html", "", sections=sections)


def _runs(site: Context, runs: list[ResultRecord]) -> list[tuple[int, str]]:
    """(seed, address) of runs."""
    return [(run.spec.seed, site.addresses.run(run)) for run in runs]
