"""The figure of what was found: error against learning alone, by suite and method, from the committed records.

`python -m documentation.findings_figure` writes `docs/pictures/findings.svg`. A board's own test decides the colour
of a point: planned comparisons with the reference, adjusted by Holm. Rows whose learning rate is one for all say so.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.system.files import write_whole
from leaderboard.analysis.contrasts import Contrast, ContrastVerdict
from leaderboard.boards.board import boards
from leaderboard.report.percent import write_error_change
from leaderboard.report.table import analyse_board
from leaderboard.report.verdict_words import word_contrast
from leaderboard.store import StoreContents
from leaderboard.store.committed import read_committed

METHODS = {"hard": "hard sharing", "cross_stitch": "cross-stitch", "soft+l2": "soft sharing"}
# Board, suite of it, and what it is to a reader.
ROWS = [
    ("deep", "deep_synthetic", "features in common", "few rows, truth known"),
    ("deep", "deep_synthetic:noise=1.0,tasks=4,train=2000", "rows enough", "truth known"),
    ("deep", "deep_synthetic:train=400,truth=own", "features of their own", "truth known"),
    ("multidigits", "multidigits", "two digits", "4,000 images"),
    ("multimnist_1", "multimnist", "MultiMNIST", "50,000 images *"),
    ("scenes_1", "scenes", "rendered rooms", "3 kinds of maps *"),
    ("nyuv2_lite_1", "nyuv2", "NYUv2, small", "3 kinds of maps *"),
]
WIDTH, LABELS, ROW, TOP, BOTTOM = 780, 214, 52, 52, 132
END = 0.3  # of an axis, in log error; the few changes beyond it are arrows with their numbers
TICKS = (-0.2, 0.0, 0.25)  # shares of the error, as far to one side as to the other: 0.8 = 1 / 1.25
COLOURS: dict[ContrastVerdict, str] = {"better": "less", "worse": "more", "equivalent": "same", "undecided": "open"}
WORDS = {"less": "less error", "more": "more error", "same": "within 5 %", "open": "not told apart"}
NOTES = (
    "Change of error against single-task, mean over tasks, with the interval of its test.",
    "Tests and intervals are corrected for all methods of a board together (Holm).",
    "* one learning rate for all methods (protocol 1); elsewhere each method has its own best rate.",
)

_STYLE = """
.paper{fill:#fff;stroke:#d5dbe1}.ink{fill:#1c232b}.quiet{fill:#57606a}.zero{stroke:#57606a;stroke-width:1.5}
.grid{stroke:#d5dbe1}.less{stroke:#0072b2;fill:#0072b2}.more{stroke:#c14a00;fill:#c14a00}
.same{stroke:#57606a;fill:#57606a}.open{stroke:#57606a;fill:#fff}.number{stroke:#fff}
@media (prefers-color-scheme:dark){
.paper{fill:#14181d;stroke:#39424c}.ink{fill:#eef1f4}.quiet{fill:#aab4be}.zero{stroke:#aab4be}.grid{stroke:#39424c}
.less{stroke:#56b4e9;fill:#56b4e9}.more{stroke:#ff9440;fill:#ff9440}.same{stroke:#aab4be;fill:#aab4be}
.open{stroke:#aab4be;fill:#14181d}.number{stroke:#14181d}}
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
line{stroke-width:3}circle,path{stroke-width:2.5}.grid,.zero{stroke-width:1.5}
.number{paint-order:stroke;stroke-width:5;stroke-linejoin:round}
"""


@dataclass(frozen=True)
class FindingRow:
    """A suite: its name for people, a note, and the contrast of each method with learning alone."""

    name: str
    note: str
    contrasts: Mapping[str, Contrast]


def collect_rows(contents: StoreContents) -> list[FindingRow]:
    """The rows of the figure, from the records of a store; a method that a board lacks has no contrast."""
    found, known = [], boards()
    for board, suite, name, note in ROWS:
        [part] = [part for part in known[board].parts if part.suite == suite]
        standings = analyse_board(part, contents).standings.methods
        contrasts = {
            method: standings[method].contrasts["reference"]
            for method in METHODS
            if method in standings and "reference" in standings[method].contrasts
        }
        found.append(FindingRow(name, note, contrasts))
    return found


def draw_findings(rows: Sequence[FindingRow]) -> str:
    """The figure as the text of an SVG file: a line for each suite, a column for each method.

    Positions are logarithms of error, so that half and double are as far from the middle; labels are per cent of error.
    """
    height = TOP + ROW * len(rows) + BOTTOM
    wide = (WIDTH - LABELS) / len(METHODS)
    columns = {method: LABELS + wide * (at + 0.5) for at, method in enumerate(METHODS)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-labelledby="findings-title findings-text">',
        '<title id="findings-title">Change of error against learning each task alone, with intervals</title>',
        f'<desc id="findings-text">{escape(_describe(rows))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
    ]
    for method, middle in columns.items():
        parts += _draw_axis(METHODS[method], middle, wide, TOP + ROW * len(rows))
    for at, row in enumerate(rows):
        y = TOP + ROW * at + ROW // 2
        parts.append(f'<text class="ink" x="16" y="{y}" font-size="17" font-weight="600">{escape(row.name)}</text>')
        parts.append(f'<text class="quiet" x="16" y="{y + 17}" font-size="14">{escape(row.note)}</text>')
        for method, middle in columns.items():
            parts += _draw_contrast(row.contrasts.get(method), middle, wide, y + 6)
    return "\n".join([*parts, *_draw_notes(height), "</svg>\n"])


def _describe(rows: Sequence[FindingRow]) -> str:
    """The numbers of the figure in words."""
    return " ".join(
        f"{row.name}: "
        + ", ".join(f"{METHODS[m]} {_write_change(c)} {word_contrast(c.verdict)}" for m, c in row.contrasts.items())
        + "."
        for row in rows
    )


def _write_change(contrast: Contrast) -> str:
    """The change of error with its interval, as `−41 % [−44, −38]`; the sign is that of the error."""
    return write_error_change(contrast.corrected or contrast.estimate, short=True).replace("-", "−")


def _place(error: float, middle: float, wide: float) -> float:
    """The x of a change in log error, more of it to the right; what lies beyond an axis is at its end."""
    return round(middle + max(-1.0, min(1.0, error / END)) * (wide / 2 - 12), 1)


def _draw_axis(name: str, middle: float, wide: float, bottom: int) -> list[str]:
    """The head of a column, its lines at half, the same and double, and what they are."""
    parts = [
        f'<text class="ink" x="{middle:.1f}" y="30" font-size="18" font-weight="600" text-anchor="middle">{name}</text>'
    ]
    for tick in TICKS:
        x = _place(math.log1p(tick), middle, wide)
        parts.append(
            f'<line class="{"zero" if tick == 0 else "grid"}" x1="{x}" y1="{TOP - 14}" x2="{x}" y2="{bottom}"/>'
        )
        label = f"{100 * tick:+.0f} %".replace("-", "−") if tick else "alone"
        parts.append(
            f'<text class="quiet" x="{x}" y="{bottom + 18}" font-size="14" text-anchor="middle">{label}</text>'
        )
    return parts


def _draw_contrast(contrast: Contrast | None, middle: float, wide: float, y: int) -> list[str]:
    """A point with its interval and its number; a dash where nothing was run."""
    if contrast is None:
        return [f'<text class="quiet" x="{middle:.1f}" y="{y}" font-size="14" text-anchor="middle">not run</text>']
    look, estimate = COLOURS[contrast.verdict], contrast.corrected or contrast.estimate
    x = _place(-estimate.mean, middle, wide)
    parts = []
    if abs(estimate.mean) > END:
        side = 7 if estimate.mean < 0 else -7
        parts.append(f'<path class="{look}" d="M{x - side} {y - 6}L{x} {y}L{x - side} {y + 6}Z"/>')
    else:
        if estimate.low is not None and estimate.high is not None:
            low, high = _place(-estimate.high, middle, wide), _place(-estimate.low, middle, wide)
            parts.append(f'<line class="{look}" x1="{low}" y1="{y}" x2="{high}" y2="{y}"/>')
        parts.append(f'<circle class="{look}" cx="{x}" cy="{y}" r="4"/>')
    text = _write_change(contrast)
    return [
        *parts,
        f'<text class="ink number" x="{middle:.1f}" y="{y - 11}" font-size="14" text-anchor="middle">{text}</text>',
    ]


def _draw_notes(height: int) -> list[str]:
    """What the colours mean, and what a point is."""
    parts, x = [], 16
    for look, text in WORDS.items():
        parts.append(f'<circle class="{look}" cx="{x + 6}" cy="{height - 87}" r="5"/>')
        parts.append(f'<text class="ink" x="{x + 18}" y="{height - 82}" font-size="15">{text}</text>')
        x += 130
    for at, note in enumerate(NOTES):
        y = height - 56 + 20 * at
        parts.append(f'<text class="quiet" x="16" y="{y}" font-size="14">{escape(note)}</text>')
    return parts


if __name__ == "__main__":
    figure = draw_findings(collect_rows(read_committed()))
    for file in sys.argv[1:] or ["docs/pictures/findings.svg"]:
        write_whole(Path(file), figure)
