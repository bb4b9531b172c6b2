"""How long a site takes to build, and how heavy its pages are."""

import re
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.boards.board import Board
from leaderboard.site.build import write_site
from leaderboard.store import StoreContents

MOST_BYTES = 600_000  # that a page may load before anybody touches it
_LOADED = re.compile(r'<(?:script|img|link)\b[^>]*?\b(?:src|href)="([^"#]+)"')
_FOLDED = re.compile(r'<details class="pictured">.*?</details>', re.S)


@dataclass(frozen=True)
class BuildTime:
    """What one build took.

    Attributes:
        records: how many were shown.
        seconds: by the clock, which counts whatever else the machine did.
        processor_seconds: of computing, in this process and in those that it split off.
        pages: how many there are.
        heaviest: the address of the page that loads most.
        bytes_loaded: what that page loads before anybody touches it, itself included.
    """

    records: int
    seconds: float
    processor_seconds: float
    pages: int
    heaviest: str
    bytes_loaded: int


def time_build(contents: StoreContents, boards: Sequence[Board], out: Path) -> BuildTime:
    """Build a site into an empty folder and look at every page of it.

    Args:
        contents: the records of a store, read already.
        boards: the committed ones.
        out: the folder.
    """
    clock, processor = time.perf_counter(), _count_processor_seconds()
    write_site(contents, boards, out, "results")
    clock, processor = time.perf_counter() - clock, _count_processor_seconds() - processor
    weights = {page: weigh_page(page) for page in sorted(out.rglob("*.html"))}
    heaviest = max(weights, key=lambda page: weights[page])
    name = heaviest.relative_to(out).as_posix()
    return BuildTime(len(contents.records), clock, processor, len(weights), name, weights[heaviest])


def weigh_page(page: Path) -> int:
    """Bytes of a page and of every file that it loads by itself, as they lie in the folder.

    Lazy pictures count, for some are near the window; those inside of what is folded load when it is opened.
    """
    text = _FOLDED.sub("", page.read_text(encoding="utf-8"))
    found: set[str] = {name for name in _LOADED.findall(text) if not name.startswith("data:")}
    return page.stat().st_size + sum((page.parent / name).stat().st_size for name in found)


def _count_processor_seconds() -> float:
    """Seconds of computing of this process and its children so far."""
    uses = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)
