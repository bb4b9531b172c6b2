"""Charts of the site as data: traces and axes, which `leaderboard.site.drawing` turns into SVG.

A `plot_*` function takes results or records and returns a `Figure` (`site/view`), or None where it has nothing to show;
the pages decide which figures they have. Nothing is drawn here, so that building a site needs no plotting library:
colours are names that the page resolves in its theme, sizes are pixels, and the keys of traces and layouts are
Plotly's.

`board` has the charts of one board, `worth` those of cost, data and trials, `dial` that of a sweep, `curve` those over
a setting, `run` those of training, `probed` those of probes, `matrices` and `weights` the heat maps; `parts` is shared
between them.
"""

from leaderboard.site.figures.board import plot_changes, plot_profiles, plot_tasks, plot_wins
from leaderboard.site.figures.curve import plot_settings
from leaderboard.site.figures.dial import plot_dial
from leaderboard.site.figures.matrices import plot_cosines, plot_matrices, plot_relatedness, write_cosines
from leaderboard.site.figures.probed import plot_probes
from leaderboard.site.figures.run import plot_choice, plot_curves, plot_sharing
from leaderboard.site.figures.weights import plot_recovered
from leaderboard.site.figures.worth import plot_budget, plot_cost, plot_size

__all__ = [
    "plot_budget",
    "plot_changes",
    "plot_choice",
    "plot_cosines",
    "plot_cost",
    "plot_curves",
    "plot_dial",
    "plot_matrices",
    "plot_probes",
    "plot_profiles",
    "plot_recovered",
    "plot_relatedness",
    "plot_settings",
    "plot_sharing",
    "plot_size",
    "plot_tasks",
    "plot_wins",
    "write_cosines",
]
