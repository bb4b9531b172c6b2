"""What a finding rests on, in numbers: the same on the front page of the site, in docs and in the report."""

from leaderboard.analysis.judged import judge_rows
from leaderboard.claims import Support
from leaderboard.claims.findings import NOT
from leaderboard.report.claims import write_gain
from leaderboard.report.percent import write_change, write_error_change
from leaderboard.report.verdict_words import LEADS, word_contrast, word_row


def write_support(support: Support) -> str:
    """The numbers and verdict of a piece of evidence as they were found.

    Of a claim its gain; of a row of a board its change of error, as `-4.2 % [-6.0, -2.4], better`; where every row is
    meant, how many of them have the verdict.
    """
    if support.claim:
        judged = support.claim
        gain = write_gain(judged) if judged.claim.blocks or not judged.estimate else write_change(judged.estimate)
        return f"{gain}, {judged.verdict}"
    evidence, results = support.evidence, support.results
    assert results is not None  # what was found has one or the other
    rows = judge_rows(results)
    if not evidence.method:
        words = [each.verdict for each in rows.values() if each.verdict]
        wanted = evidence.needs.removeprefix(NOT)
        return f"{sum(word == wanted for word in words)} of {len(words)} methods {word_contrast(wanted)}"
    row = rows[evidence.method]
    word = word_row(row, results.standings.methods.get(evidence.method), evidence.against)
    verdict = word if evidence.against == "reference" or word == LEADS else f"against the best {word}"
    return f"{write_error_change(row.change)}, {verdict}"
