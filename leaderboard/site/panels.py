"""Pictures that lie beside records: found once for the whole store, and taken apart where their layout is known."""

import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.sheet import Sheet

PNG = b"\x89PNG\r\n\x1a\n"  # how every such file begins; anything else under the name is not shown
MAX_BYTES = 32 << 20  # of a picture, and MAX_SIDE pixels: a larger one is not shown
MAX_SIDE = 20_000
_NAME = re.compile(r"([0-9a-f]{16})\.(\d{1,4})\.png\Z")


@dataclass(frozen=True)
class Tile:
    """A part of a picture, as percentages: what an image has to be, in a box that cuts off the rest.

    `width` is that of the whole picture over the part's, `left` and `top` how far it is moved, both over the part's
    size; `shape` is the part's width over its height.
    """

    href: str
    width: float
    left: float
    top: float
    shape: float


@dataclass(frozen=True)
class Panel:
    """One picture of a run: its file, its page-relative name, and its size in pixels."""

    path: Path
    size: tuple[int, int]

    @property
    def href(self) -> str:
        """Its place on the site."""
        return f"panels/{self.path.name}"

    def read(self) -> bytes:
        """The file, as far as it may be large: it can have grown since it was found."""
        with self.path.open("rb") as file:
            return file.read(MAX_BYTES)

    def tiles(self, tasks: Sequence[str]) -> dict[str, Tile]:
        """`input`, `key`, `truth TASK` and `prediction TASK` for every task; nothing where the layout is another."""
        sheet = Sheet.of(tasks, *self.size)
        if sheet is None:
            return {}
        found = {"input": self._tile(sheet, 0, 0), "key": self._tile(sheet, 0, 1)}
        for task in tasks:
            column = sheet.column(task)
            found |= {
                f"{what} {task}": self._tile(sheet, column, row) for row, what in enumerate(("truth", "prediction"))
            }
        return found

    def _tile(self, sheet: Sheet, column: int, row: int) -> Tile:
        """The part of the picture at a column and a row of its sheet."""
        (x, y), (width, _) = sheet.place(column, row), self.size
        return Tile(
            self.href, 100 * width / sheet.wide, -100 * x / sheet.wide, -100 * y / sheet.high, sheet.wide / sheet.high
        )


def find_panels(root: Path | None) -> dict[str, list[Panel]]:
    """run id -> its pictures in order, from one walk over a store; links are not followed."""
    found: dict[str, dict[int, Panel]] = {}
    for folder, folders, names in os.walk(root) if root else ():
        folders.sort()
        for name in names:
            match = _NAME.match(name)
            panel = match and _panel(Path(folder, name))
            if match and panel:
                found.setdefault(match[1], {})[int(match[2])] = panel
    return {run_id: [panels[number] for number in sorted(panels)] for run_id, panels in found.items()}


def _panel(path: Path) -> Panel | None:
    """A picture that is a plain PNG file of bounded size; None for anything else."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
        return None
    with path.open("rb") as file:
        start = file.read(24)
    if not start.startswith(PNG):
        return None
    size = struct.unpack(">II", start[16:24]) if len(start) == 24 else (0, 0)
    return Panel(path, (size[0], size[1])) if max(size) <= MAX_SIDE else None
