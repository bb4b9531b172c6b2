"""Keeps the tables of pages equal to the records: `python -m leaderboard.readme README.md docs/methods.md`."""

import re
import sys
from pathlib import Path

from leaderboard.board import Track, load_board
from leaderboard.compare import COMMITTED
from leaderboard.files import write_whole
from leaderboard.render import render_parts
from leaderboard.store import Store, StoreContents
from leaderboard.table import rows

BLOCK = re.compile(r"(<!-- table: (\w+)(?: --track (default|tuned))? -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str, contents: StoreContents) -> str:
    """`text` with that table in every block `<!-- table: NAME [--track TRACK] --> ... <!-- end -->`, in Markdown."""

    def block(match: re.Match[str]) -> str:
        track: Track = "tuned" if match[3] == "tuned" else "default"
        parts = [rows(part, contents, track=track) for part in load_board(match[2]).parts]
        return f"{match[1]}{render_parts(parts, 'md').rstrip()}\n{match[4]}"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    contents = Store(COMMITTED).read()
    for page in map(Path, sys.argv[1:]):
        write_whole(page, fill(page.read_text(encoding="utf-8"), contents))
