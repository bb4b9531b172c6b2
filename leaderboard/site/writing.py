"""Writes pages into the folder of a site, those of a large store in several processes.

Pages are rendered from values that all of them share and none changes, so that a process that was split off with them
can render any. Only Linux splits processes safely; elsewhere, and beside other threads, one process writes all.
"""

import gc
import os
import stat
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

Page = tuple[str, Callable[[], bytes]]  # its address, and what renders it

FEWEST = 400  # pages for a process more: splitting off takes as long as some tens of pages
MOST_WRITERS = 8

_share: tuple[Sequence[Page], str, Collection[str]] | None = None  # of a writer, which got it by being split off


def write_pages(pages: Sequence[Page], out: str, before: Collection[str]) -> None:
    """Render pages and write each unless it is equal already, so that its time says when it last changed.

    Args:
        pages: in any order; what renders one may read anything and change nothing.
        out: the folder.
        before: the files that earlier builds wrote, relative to `out`; others are not compared.
    """
    count = count_writers(len(pages))
    if count == 1:
        for name, render in pages:
            put_page(out, name, render(), before)
        return
    gc.freeze()  # or the first collection in a writer would copy all of the store
    try:
        with warnings.catch_warnings():
            # Libraries keep threads that sleep between their calls; writers call none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            with ProcessPoolExecutor(count, get_context("fork"), _take_share, (pages, out, before)) as writers:
                # Every count-th page: long and short ones lie in runs.
                for _ in writers.map(_write_share, [range(at, len(pages), count * 4) for at in range(count * 4)]):
                    pass
    finally:
        gc.unfreeze()


def count_writers(pages: int) -> int:
    """How many processes write so many pages: one for FEWEST, and no more than there are processors."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return 1
    return max(1, min(pages // FEWEST, len(os.sched_getaffinity(0)), MOST_WRITERS))


def put_page(out: str, name: str, content: bytes, before: Collection[str]) -> None:
    """Write a file unless it is equal already; arguments as of `write_pages`."""
    target = f"{out}/{name}"
    # Writing follows links: one put here by somebody else would have its target overwritten.
    if os.path.lexists(target) and not stat.S_ISREG(os.lstat(target).st_mode):
        os.unlink(target)
    try:
        if name in before and os.path.getsize(target) == len(content) and _read(target) == content:
            return
        _write(target, content)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _write(target, content)


def _take_share(pages: Sequence[Page], out: str, before: Collection[str]) -> None:
    """Keep what a writer works on: the arguments of a process that was split off are not copied."""
    global _share
    _share = pages, out, before


def _write_share(numbers: Sequence[int]) -> None:
    """Render and write the pages with some numbers."""
    assert _share is not None  # every writer begins with `_take_share`
    pages, out, before = _share
    for number in numbers:
        name, render = pages[number]
        put_page(out, name, render(), before)


def _read(target: str) -> bytes:
    """The content of a file."""
    with open(target, "rb") as file:
        return file.read()


def _write(target: str, content: bytes) -> None:
    """Replace the content of a file."""
    with open(target, "wb") as file:
        file.write(content)
