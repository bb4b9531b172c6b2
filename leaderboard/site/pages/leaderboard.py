"""The leaderboard: every method on every suite in one table."""

from leaderboard.site.context import Context
from leaderboard.site.grids import overview_grid
from leaderboard.site.shown import Shown


def render_leaderboard_page(site: Context) -> bytes:
    """Render the table of the first board of every suite."""
    return site.page("leaderboard.html", "", grid=overview_grid(_pick_first_boards(site), site.addresses))


def _pick_first_boards(site: Context) -> list[Shown]:
    """The widest board of every suite, and its tuned track where there is one."""
    boards = []
    for own in site.suites.values():
        boards += [next((one for one in own if one.track == track), None) for track in ("default", "tuned")]
    return [one for one in boards if one]
