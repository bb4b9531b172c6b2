"""Writes the files of the site, and owns what it wrote.

Pages are made from the same tables as the text output, so that the two cannot disagree. A listing in the folder says
which files belong to the site: only those are replaced, removed or served.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from leaderboard.analysis.statistics import SelectionRule
from leaderboard.boards.board import Board
from leaderboard.claims import Finding, Situation
from leaderboard.export.record_file import format_record_file
from leaderboard.report.formats import FORMATS, format_table
from leaderboard.site.assets import collect_assets
from leaderboard.site.context import Context
from leaderboard.site.data_files import DATA_FOLDER
from leaderboard.site.pages import (
    list_compare_pages,
    render_changes_page,
    render_choose_page,
    render_cite_page,
    render_claims_page,
    render_data_page,
    render_dials_page,
    render_leaderboard_page,
    render_method_page,
    render_method_runs_page,
    render_methods_page,
    render_overview_page,
    render_ranking_page,
    render_run_page,
    render_search_page,
    render_submit_page,
    render_suite_page,
    render_suites_page,
)
from leaderboard.site.pages.search_index import SCRIPT, write_search_script
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.shown import Shown
from leaderboard.site.writing import Page, put_page, write_pages
from leaderboard.store import StoreContents
from leaderboard.store.json_text import write_whole
from leaderboard.store.limits import read_limited

LISTING = "site.files"  # what a build wrote: the next one removes it, and the server serves nothing else
VERSION = "version.json"  # the number of builds, which pages of a watched site poll in order to reload
MAX_LISTING = 64 << 20  # bytes: a longer one was not written by a build


def write_site(
    contents: StoreContents,
    boards: Iterable[Board],
    out: Path,
    store_name: str,
    selection: SelectionRule = "val",
    status: dict[str, Any] | None = None,
    findings: Sequence[Finding] = (),
    choices: Sequence[Situation] = (),
) -> Path:
    """Write the pages below `out` and return that of the overview.

    Files of an earlier build that this one does not write are removed; equal files are left alone.

    Args:
        contents: the records of a store.
        boards: the committed ones: those with results come first, then everything else that the store holds.
        out: a new or empty folder, or one with a site.
        store_name: how pages call the store.
        selection: which epoch of a run counts.
        status: what `site --watch` shows of runs that go on, as `read_live` returns it; None on a site for good.
        findings: what the front page says was found, of the committed store; none of another.
        choices: which methods to try first, of the committed store.

    Raises:
        UnsupportedFinding: the records do not support a finding or a choice; nothing was written.
        OSError: `out` cannot be written.
        UsageError: a file that no build wrote would be replaced (`check_own`).
    """
    return SiteWriter(list(boards), out, store_name, selection, findings, choices).write(contents, status)


class SiteWriter:
    """Writes a site repeatedly, as `write_site` does once; pages of unchanged runs are not rendered again.

    One writer keeps one folder. Arguments are those of `write_site`.
    """

    def __init__(
        self,
        boards: Sequence[Board],
        out: Path,
        store_name: str,
        selection: SelectionRule = "val",
        findings: Sequence[Finding] = (),
        choices: Sequence[Situation] = (),
    ) -> None:
        self.boards, self.out, self.store_name, self.selection = boards, out, store_name, selection
        self.findings, self.choices = findings, choices
        self._site: Context | None = None
        self._runs: dict[str, tuple[str, ...]] = {}  # the page of a run -> everything that it depends on

    def write(self, contents: StoreContents, status: dict[str, Any] | None = None) -> Path:
        """Write all pages and return that of the overview; `status` and errors as in `write_site`."""
        self._site = site = Context(
            contents, self.boards, self.store_name, self.selection, status, self.findings, self.choices
        )
        before = read_listing(self.out)
        # Functions instead of contents: all pages of a large store at once would not fit into memory.
        stale, keys = self._find_stale(site)
        *others, last = _files(site)
        names = {address for run in site.runs for address in (site.addresses.run(run), site.addresses.record(run))}
        names |= {name for name, _ in others} | {last[0]} | ({VERSION} if status is not None else set())
        site.pages = frozenset(names)  # before any page is rendered: some link only to what is there
        check_own(self.out, names, before)
        self.out.mkdir(parents=True, exist_ok=True)
        _list(self.out, before | names)  # before the first page: a build that is killed owns what it wrote
        write_pages([*others, *stale], str(self.out), before)
        write_pages([last], str(self.out), before)
        self._runs |= keys
        _remove(self.out, before - names)
        _list(self.out, names)
        return self.out / "index.html"

    def write_status(self, status: dict[str, Any]) -> None:
        """Write the overview again with new progress of runs; every other page stays. Does nothing before `write`."""
        if self._site:
            self._site.status = status
            put_page(str(self.out), "index.html", render_overview_page(self._site), set())

    def _find_stale(self, site: Context) -> tuple[list[Page], dict[str, tuple[str, ...]]]:
        """The pages and records of runs that the last build did not write from the same values; and those values.

        A page depends on the record, its state and pictures, and on what the head and foot of every page link to.
        """
        there = (site.shown, site.dials, site.claims, site.takes_submissions, site.status is not None)
        shared = " ".join(str(bool(each)) for each in there)
        pages, keys = list[Page](), dict[str, tuple[str, ...]]()
        for run in site.runs:
            page, record = site.addresses.run(run), site.addresses.record(run)
            pictures = " ".join(panel.href for panel in site.pictures.get(run.run_id, []))
            made: dict[str, tuple[tuple[str, ...], Page]] = {
                page: ((run.digest, site.state(run), pictures, shared), (page, partial(render_run_page, site, run))),
                record: ((run.digest,), (record, partial(format_record_file, run))),
            }
            for name, (key, each) in made.items():
                if self._runs.get(name) != key:
                    pages.append(each)
                    keys[name] = key
        return pages, keys


def read_listing(out: Path) -> set[str]:
    """Read the listing of `out`: the files that a build wrote, relative to it; empty where there was no build."""
    try:
        lines = read_limited(out / LISTING, MAX_LISTING).decode("utf-8").split("\n")
    except ValueError:
        return set()
    return set(lines) - {""}


def check_own(out: Path, names: Iterable[str], before: set[str]) -> None:
    """Check that writing `names` into `out` replaces nothing that no build wrote.

    A folder without a listing is somebody else's, unless it is empty but for hidden files. So are links that lead out
    of `out`: writing through them would change files elsewhere.

    Args:
        out: the folder of the site; it may not exist yet.
        names: the files that are about to be written, relative to `out`.
        before: the files that earlier builds wrote, relative to `out`.

    Raises:
        UsageError: names the first file or folder in the way, and what to do.
    """
    advice = "give a new folder as `--out`, or move what is there"
    if not os.path.lexists(out):
        return
    if not os.path.lexists(out / LISTING):
        strangers = sorted(name for name in os.listdir(out) if not name.startswith("."))
        if strangers:
            raise UsageError(
                f"`{out}` should be empty, or a site that was written before. Found `{strangers[0]}`; {advice}."
            )
    root = out.resolve()
    for folder in sorted({os.path.dirname(name) for name in names}):
        if not (root / folder).resolve().is_relative_to(root):
            raise UsageError(f"`{out / folder}` should be a folder of the site. Found a link out of it; {advice}.")
    for name in sorted(set(names) - before):
        if os.path.lexists(out / name):
            raise UsageError(f"`{out / name}` should be a file that a site wrote. Found one that was not; {advice}.")


def _list(out: Path, names: set[str]) -> None:
    """Write the listing of the files that the site owns."""
    write_whole(out / LISTING, "".join(f"{name}\n" for name in sorted(names)))


def _remove(out: Path, names: set[str]) -> None:
    """Remove files of an earlier build, but none outside `out`: anybody can edit the listing."""
    for name in sorted(names):
        target = out / name
        if target.parent.resolve().is_relative_to(out.resolve()):
            with contextlib.suppress(IsADirectoryError, PermissionError):
                target.unlink(missing_ok=True)


def _files(site: Context) -> Iterator[Page]:
    """The name of every other file and a function that makes its content.

    The overview comes last, when all pages that it links to exist.
    """
    for name, data in collect_assets().items():
        yield f"assets/{name}", partial(bytes, data)
    for one in site.shown:
        for kind in FORMATS:
            yield f"data/{one.name}.{kind}", partial(_render_table, one, kind)
    for panels in site.pictures.values():
        for panel in panels:
            yield panel.href, panel.read
    for method in site.by_method:
        yield site.addresses.method(method), partial(render_method_page, site, method)
        for suite in dict.fromkeys(run.suite for run in site.by_method[method]):
            yield site.addresses.method(method, suite), partial(render_method_runs_page, site, method, suite)
    for suite, boards in site.suites.items():
        for one in boards:
            yield find_board_address(site, suite, one), partial(render_suite_page, site, suite, one)
    if site.by_method:
        yield "methods.html", partial(render_methods_page, site)
    if site.shown:
        yield "leaderboard.html", partial(render_leaderboard_page, site)
        yield "suites.html", partial(render_suites_page, site)
    if site.runs:
        for file in site.data.files:
            yield f"{DATA_FOLDER}/{file}", partial(site.data.files.__getitem__, file)
        yield "data.html", partial(render_data_page, site)
        yield "changes.html", partial(render_changes_page, site)
    if site.takes_submissions and site.runs:
        yield "submit.html", partial(render_submit_page, site)
    if site.citation and site.runs:
        yield "cite.html", partial(render_cite_page, site)
    yield from list_compare_pages(site)
    if site.shown:
        yield "ranking.html", partial(render_ranking_page, site)
    if site.choices:
        yield "choose.html", partial(render_choose_page, site)
    yield SCRIPT, partial(write_search_script, site)
    yield "search.html", partial(render_search_page, site)
    if site.claims:
        yield "claims.html", partial(render_claims_page, site)
    if site.dials:
        yield "dials.html", partial(render_dials_page, site)
    yield "index.html", partial(render_overview_page, site)


def _render_table(one: Shown, kind: str) -> bytes:
    """A board as a file to download: the same text as `mtlbench table --format`."""
    return format_table(one.table, kind).encode()
