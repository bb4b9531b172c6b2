"""The kinds of pages: each turns what a site knows into one file."""

from leaderboard.site.pages.dials import dials_page
from leaderboard.site.pages.method import method_page
from leaderboard.site.pages.methods import methods_page
from leaderboard.site.pages.overview import overview_page
from leaderboard.site.pages.run import run_page
from leaderboard.site.pages.suite import suite_page

__all__ = ["dials_page", "method_page", "methods_page", "overview_page", "run_page", "suite_page"]
