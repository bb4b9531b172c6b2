"""Write the leaderboard as static pages that open from disk, from the same rows as the tables."""

import argparse
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path

from bench.cli import options
from bench.errors import UsageError, make_printable

EPILOG = """examples:
  mtlbench site --store leaderboard/results --out site
  mtlbench site --open
  mtlbench site --watch                 # in a second terminal, while runs go on

--watch serves the pages to this machine only (127.0.0.1), for reading only, and builds them again when the store
changes; Ctrl-C ends it.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    options.add_store(parser)
    parser.add_argument("--out", metavar="DIR", help="folder to write (default: site; with --watch a temporary one)")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--watch", action="store_true", help="serve it on this machine, up to date while runs go on")
    parser.add_argument("--port", type=options.parse_port, metavar="N", help="with --watch (default: one that is free)")
    options.add_plugin(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the pages and say where they are, or serve them with --watch.

    Returns:
        0, for --watch when Ctrl-C has ended it.

    Raises:
        UsageError: --port is given without --watch, --out lies in the store, or there is no store; with --watch it may
            come later.
    """
    from leaderboard.boards.board import boards
    from leaderboard.claims import load_choices, load_findings
    from leaderboard.site import write_site
    from leaderboard.store import Store
    from leaderboard.store.committed import COMMITTED
    from leaderboard.store.problem import describe_problems

    root = options.resolve_store_dir(arguments.store)
    if arguments.port and not arguments.watch:
        raise UsageError("`--port` should be given with `--watch`.")
    options.load_plugins(arguments.plugin)
    if arguments.watch:
        return _watch(root, arguments)
    # All records at once: pages compare methods over the whole store.
    contents = Store(options.require_store(root)).read()
    # What was found is a matter of the committed records: a store of one's own has other runs.
    committed = root.resolve() == COMMITTED.resolve()
    findings, choices = (load_findings(), load_choices()) if committed else ([], [])
    out = _resolve_out(arguments.out or "site", root)
    page = write_site(contents, boards().values(), out, root.name, findings=findings, choices=choices)
    print(f"The site is at {page}")
    for sentence in describe_problems(contents.problems):
        print(f"mtlbench: {sentence}", file=sys.stderr)
    if arguments.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


def _resolve_out(text: str, root: Path) -> Path:
    """The folder to write into.

    Args:
        text: What --out was given, or its default.
        root: The store. Pages inside it would be taken for files that do not belong there.

    Raises:
        UsageError: The folder is in the store.
        NotADirectoryError: There is a file of that name.
    """
    out = Path(text)
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"--out should be a folder. `{out}` is a file.")
    if out.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"`--out` should be a folder outside the store `{root}`. Found `{out}`, which is in it.")
    return out


def _watch(root: Path, arguments: argparse.Namespace) -> int:
    """Serve the pages on this machine until Ctrl-C, and write them again when the store changes.

    A store that does not exist yet is waited for. Without --out the pages lie in a temporary folder. Returns 0.
    """
    from leaderboard.boards.board import boards
    from leaderboard.site import SiteWriter
    from leaderboard.site.watch import SiteWatcher, serve_site
    from leaderboard.store import Store
    from leaderboard.store.progress_notes import read_live

    if root.exists() and not root.is_dir():
        raise NotADirectoryError(f"The store should be a folder. `{root}` is a file.")
    with tempfile.TemporaryDirectory(prefix="mtlbench-site-") as folder:
        out = _resolve_out(arguments.out or folder, root)
        writer = SiteWriter(list(boards().values()), out, root.name)

        def build(records: bool) -> None:
            """Write all pages where records changed; else only the page that shows what is running."""
            if records:
                writer.write(Store(root).read(), read_live(root))
            else:
                writer.write_status(read_live(root))

        watch = SiteWatcher(root, out, build)
        # Pages should be there before anybody is told the address.
        watch.rebuild_if_changed()
        with serve_site(out, arguments.port or 0) as address:
            print(f"Watching `{root}` at {address} (Ctrl-C ends it)", flush=True)
            if arguments.open:
                webbrowser.open(address)
            try:
                watch.rebuild_until(
                    threading.Event(), 2.0, lambda text: print(f"mtlbench: {make_printable(text)}", file=sys.stderr)
                )
            except KeyboardInterrupt:
                print("Ended.")
    return 0
