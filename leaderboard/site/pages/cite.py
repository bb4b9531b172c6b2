"""The page that says how to cite the project, from CITATION.cff."""

from leaderboard.report.escape import printable
from leaderboard.site.context import Context


def render_cite_page(site: Context) -> bytes:
    """Render the page; there is none without a citation (`Context.citation`)."""
    citation = site.citation
    assert citation is not None
    return site.page(
        "cite.html",
        "",
        message=printable(citation.message),
        forms=[("BibTeX", citation.bibtex.rstrip()), ("APA", citation.apa)],
    )
