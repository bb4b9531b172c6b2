"""Build the site from the same rows as the text tables, so that the two cannot disagree."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from leaderboard.board import Board
from leaderboard.files import write_whole
from leaderboard.render import FORMATS, render
from leaderboard.site.assets import assets
from leaderboard.site.context import Context
from leaderboard.site.pages import dials_page, method_page, methods_page, overview_page, run_page, suite_page
from leaderboard.site.pages.suite import address
from leaderboard.statistics import Selection
from leaderboard.store import StoreContents

LISTING = "site.files"  # what a build wrote, for the next one to clear


def write_site(
    contents: StoreContents,
    boards: Iterable[Board],
    out: Path,
    store_name: str,
    selection: Selection = "val",
    status: dict[str, Any] | None = None,
) -> Path:
    """Write the pages below `out` and return that of the overview.

    `boards` are the committed ones: those with results come first, then everything else that the store holds.
    `status` is what `site --watch` shows of runs that go on. Files that an earlier build wrote and this one does not
    are removed; equal files are left alone. Raises OSError where `out` cannot be written.
    """
    return SiteWriter(list(boards), out, store_name, selection).write(contents, status)


class SiteWriter:
    """Writes a site again and again, as `write_site` does once: pages of runs that did not change are not made anew."""

    def __init__(self, boards: Sequence[Board], out: Path, store_name: str, selection: Selection = "val") -> None:
        self.boards, self.out, self.store_name, self.selection = boards, out, store_name, selection
        self._site: Context | None = None
        self._runs: dict[str, tuple[str, ...]] = {}  # the page of a run -> everything that it depends on

    def write(self, contents: StoreContents, status: dict[str, Any] | None = None) -> Path:
        """All pages; returns the overview."""
        self._site = site = Context(contents, self.boards, self.store_name, self.selection, status)
        self.out.mkdir(parents=True, exist_ok=True)
        listing = self.out / LISTING
        before = set(listing.read_text(encoding="utf-8").split("\n")) if listing.is_file() else set()
        written: set[str] = set()
        for name, content in chain(self._run_pages(site), _files(site)):
            if content is not None:
                _put(self.out, name, content, before)
            written.add(name)
        _remove(self.out, before - written - {""})
        write_whole(listing, "\n".join(sorted(written)) + "\n")
        return self.out / "index.html"

    def write_status(self, status: dict[str, Any]) -> None:
        """The overview alone, with how far runs are; everything else as at the last time."""
        if self._site:
            self._site.status = status
            _put(self.out, "index.html", overview_page(self._site), set())

    def _run_pages(self, site: Context) -> Iterator[tuple[str, bytes | None]]:
        """The page of every run; without content where it lies there already."""
        shared = f"{sorted(site.suites)} {bool(site.dials)} {site.status is not None}"
        for run in site.runs:
            name = site.addresses.run(run)
            pictures = " ".join(panel.href for panel in site.pictures.get(run.run_id, []))
            key = run.digest, site.state(run), pictures, shared
            fresh = self._runs.get(name) != key
            yield name, run_page(site, run) if fresh else None
            self._runs[name] = key


def _remove(out: Path, names: set[str]) -> None:
    """What an earlier build wrote; never anything outside."""
    for name in sorted(names):
        target = out / name
        if target.resolve().is_relative_to(out.resolve()):
            target.unlink(missing_ok=True)


def _put(out: Path, name: str, content: bytes, before: set[str]) -> None:
    target = f"{out}/{name}"
    try:
        if name in before and _read(target) == content:
            return
        _write(target, content)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _write(target, content)


def _read(target: str) -> bytes:
    with open(target, "rb") as file:
        return file.read()


def _write(target: str, content: bytes) -> None:
    with open(target, "wb") as file:
        file.write(content)


def _files(site: Context) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every other file; the overview comes last, when everything that it links to is there."""
    for name, data in assets().items():
        yield f"assets/{name}", data
    for one in site.shown:
        for kind in FORMATS:
            yield f"data/{one.name}.{kind}", render(one.table, kind).encode()
    for panels in site.pictures.values():
        for panel in panels:
            yield panel.href, panel.path.read_bytes()
    for method in site.by_method:
        yield site.addresses.method(method), method_page(site, method)
    for suite, boards in site.suites.items():
        for one in boards:
            yield address(site, suite, one), suite_page(site, suite, one)
    if site.by_method:
        yield "methods.html", methods_page(site)
    if site.dials:
        yield "dials.html", dials_page(site)
    yield "index.html", overview_page(site)
