"""The page of the search: results for what its address asks, and below them everything that can be found."""

from leaderboard.site.context import Context
from leaderboard.site.pages.search_index import collect_entries

HEADINGS = {
    "question": "Questions",
    "page": "Pages",
    "method": "Methods",
    "suite": "Suites",
    "finding": "Findings",
}


def render_search_page(site: Context) -> bytes:
    """Render the page; without a script its lists are an index of the site."""
    entries = collect_entries(site)
    groups = [
        (title, [(each.title, each.href) for each in entries if each.kind == kind]) for kind, title in HEADINGS.items()
    ]
    return site.page("search.html", "", groups=[group for group in groups if group[1]])
