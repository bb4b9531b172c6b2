"""The kinds of pages of a site: each function turns a `Context` into the bytes of one HTML file.

The functions collect what a page shows; how it looks is in `site/templates`, and the charts are made in `site/figures`.
`site/build` decides which pages a site has and writes them. Whatever comes from records, submissions or settings passes
through `printable` here; the templates escape it for HTML.

Addresses are relative to the site's root, so that a site works from any folder and without a server.
"""

from leaderboard.site.pages.changes import render_changes_page
from leaderboard.site.pages.choose import render_choose_page
from leaderboard.site.pages.cite import render_cite_page
from leaderboard.site.pages.claims import render_claims_page
from leaderboard.site.pages.compare import list_compare_pages
from leaderboard.site.pages.data import render_data_page
from leaderboard.site.pages.dials import render_dials_page
from leaderboard.site.pages.leaderboard import render_leaderboard_page
from leaderboard.site.pages.method import render_method_page
from leaderboard.site.pages.method_runs import render_method_runs_page
from leaderboard.site.pages.methods import render_methods_page
from leaderboard.site.pages.overview import render_overview_page
from leaderboard.site.pages.ranking import render_ranking_page
from leaderboard.site.pages.run import render_run_page
from leaderboard.site.pages.search import render_search_page
from leaderboard.site.pages.submit import render_submit_page
from leaderboard.site.pages.suite import render_suite_page
from leaderboard.site.pages.suites import render_suites_page

__all__ = [
    "list_compare_pages",
    "render_changes_page",
    "render_choose_page",
    "render_cite_page",
    "render_claims_page",
    "render_data_page",
    "render_dials_page",
    "render_leaderboard_page",
    "render_method_page",
    "render_method_runs_page",
    "render_methods_page",
    "render_overview_page",
    "render_ranking_page",
    "render_run_page",
    "render_search_page",
    "render_submit_page",
    "render_suite_page",
    "render_suites_page",
]
