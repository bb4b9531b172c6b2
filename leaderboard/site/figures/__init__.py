"""Charts as data: traces and axes that the page hands to Plotly."""

from leaderboard.site.figures.board import by_task, forest, profiles, wins
from leaderboard.site.figures.dial import dial_figure
from leaderboard.site.figures.matrices import cosine_figure, cosine_words, matrix_figure, related_figure
from leaderboard.site.figures.run import curve_figure, sharing_figure
from leaderboard.site.figures.weights import recovered_figures
from leaderboard.site.figures.worth import against_cost, budgets, by_size

__all__ = [
    "against_cost",
    "budgets",
    "by_size",
    "by_task",
    "cosine_figure",
    "cosine_words",
    "curve_figure",
    "dial_figure",
    "forest",
    "matrix_figure",
    "profiles",
    "recovered_figures",
    "related_figure",
    "sharing_figure",
    "wins",
]
