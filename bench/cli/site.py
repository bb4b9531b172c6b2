"""Write the leaderboard as static pages that open from disk, from the same rows as the tables."""

import argparse
import webbrowser
from pathlib import Path

from bench.cli import options

EPILOG = """examples:
  mtlbench site --store leaderboard/results --out site
  mtlbench site --open
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    options.add_store(parser)
    parser.add_argument("--out", metavar="DIR", default="site", help="folder to write (default: site)")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def run(arguments: argparse.Namespace) -> int:
    """Write the pages and say where they are."""
    from leaderboard.board import boards
    from leaderboard.site import write_site
    from leaderboard.store import Store

    root, out = options.store_dir(arguments.store), Path(arguments.out)
    if not root.is_dir():
        raise FileNotFoundError(f"`{root}` should be a folder of records. Found none; `mtlbench run` makes one.")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out should be a folder. `{out}` is a file.")
    page = write_site(Store(root).read(), boards().values(), out, root.name)
    print(f"The site is at {page}")
    if arguments.open:
        webbrowser.open(page.resolve().as_uri())
    return 0
