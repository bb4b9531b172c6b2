"""Keeps the tables in Markdown pages equal to the records: `python -m leaderboard.report.markdown_blocks PAGE ...`.

A page marks where tables go with HTML comments; the text between a pair of marks is replaced, everything else is left
alone. As a program it reads the committed records and submissions, never a store of the user's.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from leaderboard.analysis.judged import JudgedRow, judge_rows
from leaderboard.analysis.results import Results
from leaderboard.boards.board import Track, boards, load_board
from leaderboard.claims import judge_claims, load_claims
from leaderboard.intake.submission import Submission, find_submissions
from leaderboard.report.claims import tabulate_claims
from leaderboard.report.document import support_findings, tell_findings
from leaderboard.report.escape import markdown, markdown_code
from leaderboard.report.formats import MARKS, MISSING, render_parts
from leaderboard.report.percent import write_percent
from leaderboard.report.table import analyse_board, tabulate
from leaderboard.store import StoreContents
from leaderboard.store.committed import read_committed
from leaderboard.store.json_text import write_whole

# A record's text may hold a mark, too: only one that is a whole line ends a block.
_REST = r"-->\n).*?^(<!-- end -->)$"
ACROSS = re.compile(rf"(^<!-- across: (\w+) {_REST}", re.DOTALL | re.MULTILINE)
CLAIMS = re.compile(rf"(^<!-- claims: (\w+) {_REST}", re.DOTALL | re.MULTILINE)
FINDINGS = re.compile(rf"(^<!-- findings {_REST}", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(rf"(^<!-- table: (\w+)(?: --track (default|tuned))? {_REST}", re.DOTALL | re.MULTILINE)


def fill_tables(text: str, contents: StoreContents, submissions: Sequence[Submission] = ()) -> str:
    """`text` with every block between marks written anew, in Markdown.

    `<!-- table: NAME [--track TRACK] --> ... <!-- end -->` becomes the board with all of its parts, and
    `<!-- across: NAME --> ... <!-- end -->` the changes of every method, one column for each part.
    `<!-- claims: NAME --> ... <!-- end -->` becomes the claims of a list with their verdicts, and
    `<!-- findings --> ... <!-- end -->` what was found, with its evidence.

    Args:
        text: a page.
        contents: the store whose records are shown.
        submissions: those to the boards that are shown.

    Raises:
        UsageError: a mark names a board that does not exist.
        UnsupportedFinding: the records do not support a finding, where the page has them.
    """

    def block(match: re.Match[str]) -> str:
        """One `table` block: the marks are kept, what lies between them is replaced."""
        track: Track = "tuned" if match[3] == "tuned" else "default"
        parts = [tabulate(part, contents, "val", track, submissions) for part in load_board(match[2]).parts]
        return f"{match[1]}{render_parts(parts, 'md').rstrip()}\n{match[4]}"

    def widen(match: re.Match[str]) -> str:
        """One `across` block, in the same way."""
        parts = [analyse_board(part, contents, submissions=submissions) for part in load_board(match[2]).parts]
        return f"{match[1]}{changes_across(parts)}{match[3]}"

    def judge(match: re.Match[str]) -> str:
        """One `claims` block, in the same way."""
        claims = load_claims(match[2])
        judged = judge_claims(claims.claims, contents.records)
        return f"{match[1]}{tabulate_claims(claims, judged)}{match[3]}"

    def find(match: re.Match[str]) -> str:
        """One `findings` block, in the same way."""
        return f"{match[1]}{tell_findings(support_findings(contents))}{match[2]}"

    return FINDINGS.sub(find, CLAIMS.sub(judge, ACROSS.sub(widen, BLOCK.sub(block, text))))


def changes_across(parts: Sequence[Results]) -> str:
    """The change of error of every method on every part of a board, in per cent, as a pipe table without a heading.

    A star marks what is better or worse by its verdict, bold the best of a part. A column has the name that
    its board gives it, else the options in which the suites of the parts differ. Methods are those of the first part,
    by their names for people where it has some.
    """
    board = parts[0].board
    options = [dict(item.split("=", 1) for item in _options_text(part).split(",")) for part in parts]
    names = [
        part.board.column or ",".join(v for k, v in own.items() if any(o.get(k) != v for o in options))
        for part, own in zip(parts, options, strict=True)
    ]
    rows = [judge_rows(part) for part in parts]
    best = [max((row.change.mean for row in own.values() if row.change.n), default=0.0) for own in rows]
    lines = [["method", *map(markdown, names)], [":--", *["--:"] * len(names)]]
    for method in board.methods:
        cells = [own.get(method) for own in rows]
        name = markdown(board.labels[method]) if method in board.labels else markdown_code(method)
        lines.append([name, *(_change(row, top) for row, top in zip(cells, best, strict=True))])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _options_text(part: Results) -> str:
    """All options of a part's suite, defaults included, as the records of its runs name them."""
    return next(iter(part.records.values())).spec.suite.partition(":")[2]


def _change(row: JudgedRow | None, best: float) -> str:
    """A change of error with its sign, bold where it rounds to the best of the part; a dash without an interval."""
    if row is None or not row.change.n or (row.change.low is None and row.change.mean):
        return MISSING
    text = write_percent(row.change.mean)
    text = f"**{text}**" if text == write_percent(best) else text
    return f"{text} {markdown(MARKS['holds'])}" if row.side != "unclear" else text


if __name__ == "__main__":
    contents = read_committed()
    submissions = find_submissions(contents, boards())
    for page in map(Path, sys.argv[1:]):
        write_whole(page, fill_tables(page.read_text(encoding="utf-8"), contents, submissions))
