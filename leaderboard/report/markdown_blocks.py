"""Keeps the tables of pages equal to the records: `python -m leaderboard.report.markdown_blocks PAGE ...`."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from leaderboard.analysis.results import Results, Row
from leaderboard.analysis.standings import DECIDES
from leaderboard.boards.board import Track, boards, load_board
from leaderboard.intake.submission import Submission, find_submissions
from leaderboard.report.escape import markdown, markdown_code
from leaderboard.report.formats import MARKS, MISSING, render_parts
from leaderboard.report.table import analyse_board, tabulate
from leaderboard.store import StoreContents
from leaderboard.store.committed import read_committed
from leaderboard.store.json_text import write_whole

_REST = r"-->\n).*?^(<!-- end -->)$"  # a mark is a line of its own: inside another it is what a record says
ACROSS = re.compile(rf"(^<!-- across: (\w+) {_REST}", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(rf"(^<!-- table: (\w+)(?: --track (default|tuned))? {_REST}", re.DOTALL | re.MULTILINE)


def fill_tables(text: str, contents: StoreContents, submissions: Sequence[Submission] = ()) -> str:
    """`text` with its blocks made anew, in Markdown.

    `<!-- table: NAME [--track TRACK] --> ... <!-- end -->` has a table, all parts of it; `<!-- across: NAME -->` the
    changes of every method, a column for each part.
    """

    def block(match: re.Match[str]) -> str:
        """A table, all parts of it, between the marks that it was found between."""
        track: Track = "tuned" if match[3] == "tuned" else "default"
        parts = [tabulate(part, contents, "val", track, submissions) for part in load_board(match[2]).parts]
        return f"{match[1]}{render_parts(parts, 'md').rstrip()}\n{match[4]}"

    def widen(match: re.Match[str]) -> str:
        """The same for the changes across parts."""
        parts = [analyse_board(part, contents, submissions=submissions) for part in load_board(match[2]).parts]
        return f"{match[1]}{changes_across(parts)}{match[3]}"

    return ACROSS.sub(widen, BLOCK.sub(block, text))


def changes_across(parts: Sequence[Results]) -> str:
    """Mean Δ log of every method on every part of a board; a star where its own 95 % interval leaves out zero.

    A part is named by the options of its suite that are not those of all.
    """
    options = [dict(item.split("=", 1) for item in _options_text(part).split(",")) for part in parts]
    names = [",".join(v for k, v in own.items() if any(o.get(k) != v for o in options)) for own in options]
    rows = [{method: own.get(DECIDES) for method, own in part.change_rows.items()} for part in parts]
    best = [max((row.mean for row in own.values() if row and row.mean is not None), default=0.0) for own in rows]
    lines = [["method", *map(markdown, names)], [":--", *["--:"] * len(names)]]
    for method in parts[0].board.methods:
        cells = [own.get(method) for own in rows]
        lines.append([markdown_code(method), *(_change(row, top) for row, top in zip(cells, best, strict=True))])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _options_text(part: Results) -> str:
    """The options of a part's suite, all of them, as its runs name them."""
    return next(iter(part.records.values())).spec.suite.partition(":")[2]


def _change(row: Row | None, best: float) -> str:
    """A mean with its sign, bold where it is the best of the part."""
    if row is None or row.mean is None or row.ci_low is None or row.ci_high is None:
        return MISSING
    text = f"{row.mean:+.3f}" if round(row.mean, 3) else "0.000"
    text = f"**{text}**" if round(row.mean, 3) == round(best, 3) else text
    return f"{text} {markdown(MARKS['holds'])}" if row.sign else text


if __name__ == "__main__":
    contents = read_committed()
    submissions = find_submissions(contents, boards())
    for page in map(Path, sys.argv[1:]):
        write_whole(page, fill_tables(page.read_text(encoding="utf-8"), contents, submissions))
