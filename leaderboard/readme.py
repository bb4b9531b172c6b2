"""Keeps the tables of pages equal to the records: `python -m leaderboard.readme README.md docs/methods.md`."""

import re
import sys
from pathlib import Path

from leaderboard.board import load_board
from leaderboard.compare import COMMITTED
from leaderboard.files import write_whole
from leaderboard.render import render_parts
from leaderboard.store import Store, StoreContents
from leaderboard.table import rows

BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str, contents: StoreContents) -> str:
    """`text` with every block `<!-- table: NAME --> ... <!-- end -->` holding that table in Markdown."""

    def block(match: re.Match[str]) -> str:
        table = render_parts([rows(part, contents) for part in load_board(match[2]).parts], "md")
        return f"{match[1]}{table.rstrip()}\n{match[3]}"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    contents = Store(COMMITTED).read()
    for page in map(Path, sys.argv[1:]):
        write_whole(page, fill(page.read_text(encoding="utf-8"), contents))
