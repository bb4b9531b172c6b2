"""Verdicts in the words that people read: of a method against the reference, its twin, and the best."""

from leaderboard.analysis.contrasts import ContrastKind
from leaderboard.analysis.judged import JudgedRow
from leaderboard.analysis.standings import Standing

# Files keep `undecided`; nobody decides anything, the runs do not tell.
WORDS = {"undecided": "not told apart"}
LEADS = "leads"


def word_contrast(verdict: str) -> str:
    """`better`, `worse`, `equivalent` or `not told apart`."""
    return WORDS.get(verdict, verdict)


def word_row(judged: JudgedRow, standing: Standing | None, kind: ContrastKind) -> str:
    """The verdict of a row in a planned contrast, empty where there is none; against the best the first `leads`."""
    if kind == "best" and judged.leads:
        return LEADS
    contrast = standing.contrasts.get(kind) if standing else None
    return word_contrast(contrast.verdict) if contrast else ""
