"""Pictures beside records, as `RUN_ID.NUMBER.png`: found in one walk over the store, and cut into tiles by CSS.

No picture is decoded or written here, so that the site needs no imaging library.
"""

import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.sheet import Sheet

# Only the header is looked at: a file of another kind under such a name is not copied into the site.
PNG = b"\x89PNG\r\n\x1a\n"  # the first 8 bytes of every PNG file
MAX_BYTES = 32 << 20  # of a picture; a larger one is not shown
MAX_SIDE = 20_000  # pixels; a small file can unpack to more than a browser has memory for
_NAME = re.compile(r"([0-9a-f]{16})\.(\d{1,4})\.png\Z")


@dataclass(frozen=True)
class Tile:
    """A part of a picture as CSS sees it: the image is enlarged and moved inside a box that cuts off the rest.

    Attributes:
        href: the whole picture.
        width: of the whole picture, in percent of the part's width.
        left, top: how far the picture is moved, in percent of the part's width and height.
        shape: the part's width over its height.
    """

    href: str
    width: float
    left: float
    top: float
    shape: float


@dataclass(frozen=True)
class Panel:
    """One picture of a run: its file, and its width and height in pixels."""

    path: Path
    size: tuple[int, int]

    @property
    def href(self) -> str:
        """Its address, relative to the site's root."""
        return f"panels/{self.path.name}"

    def read(self) -> bytes:
        """The file's content, at most MAX_BYTES: it can have grown since it was found."""
        with self.path.open("rb") as file:
            return file.read(MAX_BYTES)

    def tiles(self, tasks: Sequence[str]) -> dict[str, Tile]:
        """Cut the picture into its parts.

        Args:
            tasks: of the run, in order; with the size they decide the layout (`bench.records.sheet`).

        Returns:
            `input`, `key`, and for every task `truth TASK` and `prediction TASK`; empty where the size fits no such
            layout.
        """
        sheet = Sheet.of(tasks, *self.size)
        if sheet is None:
            return {}
        tiles = {"input": self._tile(sheet, 0, 0), "key": self._tile(sheet, 0, 1)}
        for task in tasks:
            column = sheet.column(task)
            tiles |= {
                f"{what} {task}": self._tile(sheet, column, row) for row, what in enumerate(("truth", "prediction"))
            }
        return tiles

    def _tile(self, sheet: Sheet, column: int, row: int) -> Tile:
        """The part of the picture in one column and row of its sheet."""
        (x, y), (width, _) = sheet.place(column, row), self.size
        return Tile(
            self.href, 100 * width / sheet.wide, -100 * x / sheet.wide, -100 * y / sheet.high, sheet.wide / sheet.high
        )


def find_panels(root: Path | None) -> dict[str, list[Panel]]:
    """run id -> its pictures in the order of their numbers. Links are not followed; without a root there are none."""
    panels_of: dict[str, dict[int, Panel]] = {}
    for folder, folders, names in os.walk(root) if root else ():
        # A fixed order: where two folders have the same picture, the same one is shown in every build.
        folders.sort()
        for name in names:
            match = _NAME.match(name)
            panel = match and _panel(Path(folder, name))
            if match and panel:
                panels_of.setdefault(match[1], {})[int(match[2])] = panel
    return {run_id: [panels[number] for number in sorted(panels)] for run_id, panels in panels_of.items()}


def _panel(path: Path) -> Panel | None:
    """A picture that is a plain PNG file of bounded size; None for anything else. The size is read from its header."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
        return None
    with path.open("rb") as file:
        start = file.read(24)
    if not start.startswith(PNG):
        return None
    size = struct.unpack(">II", start[16:24]) if len(start) == 24 else (0, 0)
    return Panel(path, (size[0], size[1])) if max(size) <= MAX_SIDE else None
