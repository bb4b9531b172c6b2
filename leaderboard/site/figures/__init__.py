"""Charts as data: traces and axes that the page hands to Plotly."""

from leaderboard.site.figures.board import board_figures, budgets
from leaderboard.site.figures.dial import dial_figure
from leaderboard.site.figures.run import cosine_figure, curve_figure, matrix_figure, sharing_figure

__all__ = [
    "board_figures",
    "budgets",
    "cosine_figure",
    "curve_figure",
    "dial_figure",
    "matrix_figure",
    "sharing_figure",
]
