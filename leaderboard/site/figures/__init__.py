"""Charts as data: traces and axes that the page hands to Plotly."""

from leaderboard.site.figures.board import change_figure, profile_figure, task_figure, win_figure
from leaderboard.site.figures.curve import setting_figures
from leaderboard.site.figures.dial import dial_figure
from leaderboard.site.figures.matrices import cosine_figure, cosine_words, matrix_figure, related_figure
from leaderboard.site.figures.run import choice_figure, curve_figure, sharing_figure
from leaderboard.site.figures.weights import recovered_figures
from leaderboard.site.figures.worth import budget_figure, cost_figure, size_figure

__all__ = [
    "budget_figure",
    "change_figure",
    "choice_figure",
    "cosine_figure",
    "cosine_words",
    "cost_figure",
    "curve_figure",
    "dial_figure",
    "matrix_figure",
    "profile_figure",
    "recovered_figures",
    "related_figure",
    "setting_figures",
    "sharing_figure",
    "size_figure",
    "task_figure",
    "win_figure",
]
