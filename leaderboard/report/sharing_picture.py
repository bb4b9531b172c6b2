"""The picture of the question: who owns which parameters, in five kinds of network from separate to hard.

`python -m leaderboard.report.sharing_picture` writes `docs/pictures/sharing.svg`, or the files that it is given. It is
an SVG without scripts, fonts or links, whose colours follow the reader's light or dark scheme.
"""

import sys
from collections.abc import Collection
from pathlib import Path

from bench.errors import UsageError
from leaderboard.store.json_text import write_whole

# A kind, a method of it, and what it says; from all parameters apart to all in common.
KINDS_OF_SHARING = {
    "separate": ("single_task", "a network each"),
    "soft": ("soft+l2", "held together"),
    "stitched": ("cross_stitch", "read each other"),
    "experts": ("mmoe", "choose from several"),
    "hard": ("hard", "one trunk for all"),
}
WIDTH, HEIGHT, PANEL = 900, 404, 180
FAINT_OPACITY = "0.3"  # of the kinds that are not the subject

# Rows from the input up, in pixels from the top: the centres of stages and heads.
_INPUT, _STAGES, _HEAD = 272, (226, 178, 130), 82
_APART, _WIDE, _HIGH = 38, 52, 30  # from the middle of a panel to a tower; a box

_STYLE = """
.paper{fill:#fff;stroke:#d5dbe1}.ink{fill:#1c232b}.quiet{fill:#57606a}.line{stroke:#57606a}
.a{fill:#0072b2}.b{fill:#d55e00}.both{fill:#7a4e9e}
@media (prefers-color-scheme:dark){
.paper{fill:#14181d;stroke:#39424c}.ink{fill:#eef1f4}.quiet{fill:#aab4be}.line{stroke:#aab4be}
.a{fill:#56b4e9}.b{fill:#ff9440}.both{fill:#c39be0}}
text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;text-anchor:middle}
.code{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.line{stroke-width:2;fill:none}.held{stroke-width:3;stroke-dasharray:2 5;stroke-linecap:round}
"""


def draw_sharing(lit: Collection[str] = ()) -> str:
    """The picture as the text of an SVG file: a panel for each kind, and the line that they lie on.

    Two tasks, A and B, read one input at the bottom and answer at the top. The colour of a box says whose parameters
    it holds: those of A, of B, or of both.

    Args:
        lit: the kinds that are the subject; the others are drawn faintly. Empty: all are drawn alike.

    Raises:
        UsageError: a name in `lit` is no kind.
    """
    for name in lit:
        if name not in KINDS_OF_SHARING:
            raise UsageError(f"A kind should be one of {', '.join(KINDS_OF_SHARING)}. Found `{name}`.")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'aria-labelledby="sharing-title sharing-text">',
            '<title id="sharing-title">Who owns which parameters: separate, soft, stitched, experts, hard</title>',
            f'<desc id="sharing-text">{_describe()}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8"/>',
            *_draw_legend(),
            *(
                part
                for at, name in enumerate(KINDS_OF_SHARING)
                for part in _draw_panel(name, at, faint=bool(lit) and name not in lit)
            ),
            *_draw_axis(),
            "</svg>\n",
        ]
    )


def _describe() -> str:
    """The picture in words, for readers who do not see it."""
    kinds = "; ".join(f"{name} ({method}): {text}" for name, (method, text) in KINDS_OF_SHARING.items())
    return f"Networks of two tasks, from all parameters apart to all in common. {kinds}."


def _draw_legend() -> list[str]:
    """What the colours mean, in a line at the top."""
    parts, x = [], 150
    for kind, text, width in (
        ("a", "owned by task A", 190),
        ("b", "owned by task B", 190),
        ("both", "owned by both", 0),
    ):
        parts.append(f'<rect class="{kind}" x="{x}" y="18" width="18" height="18" rx="4"/>')
        parts.append(f'<text class="ink" x="{x + 27}" y="33" font-size="18" style="text-anchor:start">{text}</text>')
        x += width + 30
    return parts


def _draw_panel(name: str, at: int, faint: bool) -> list[str]:
    """One kind: its network, its name, a method of it and a few words."""
    method, text = KINDS_OF_SHARING[name]
    middle = PANEL * at + PANEL // 2
    opening = f'<g opacity="{FAINT_OPACITY}">' if faint else "<g>"
    return [
        opening,
        *_DRAW[name](middle),
        *(_draw_box(owner, x, _HEAD, 30, 22, 11) for owner, x in (("a", middle - _APART), ("b", middle + _APART))),
        f'<text class="ink" x="{middle}" y="{_INPUT + 42}" font-size="23" font-weight="600">{name}</text>',
        f'<text class="quiet" x="{middle}" y="{_INPUT + 64}" font-size="16">{text}</text>',
        f'<text class="quiet code" x="{middle}" y="{_INPUT + 84}" font-size="14">{method}</text>',
        "</g>",
    ]


def _draw_box(owner: str, x: int, y: int, width: int = _WIDE, height: int = _HIGH, round_by: int = 5) -> str:
    """Parameters: a box around its centre, in the colour of who owns them."""
    corner = f'x="{x - width // 2}" y="{y - height // 2}"'
    return f'<rect class="{owner}" {corner} width="{width}" height="{height}" rx="{round_by}"/>'


def _draw_line(x: int, y: int, to_x: int, to_y: int, kind: str = "line") -> str:
    """What flows from one box to another, or holds two together."""
    return f'<path class="{kind}" d="M{x} {y}L{to_x} {to_y}"/>'


def _draw_towers(middle: int) -> list[str]:
    """A tower for each task on one input."""
    parts = []
    for owner, x in (("a", middle - _APART), ("b", middle + _APART)):
        parts += [_draw_line(middle, _INPUT, x, _STAGES[0]), _draw_line(x, _STAGES[0], x, _HEAD)]
        parts += [_draw_box(owner, x, y) for y in _STAGES]
    return [*parts, _draw_input(middle)]


def _draw_input(middle: int) -> str:
    """The input that both tasks read."""
    return f'<circle class="quiet" cx="{middle}" cy="{_INPUT}" r="6"/>'


def _draw_soft(middle: int) -> list[str]:
    """Towers whose weights a penalty draws together."""
    inner = _APART - _WIDE // 2
    held = [_draw_line(middle - inner + 1, y, middle + inner - 1, y, "line held") for y in _STAGES]
    return [*_draw_towers(middle), *held]


def _draw_stitched(middle: int) -> list[str]:
    """Towers that pass features to each other between stages."""
    crossed = []
    for low, high in zip(_STAGES, (*_STAGES[1:], _HEAD), strict=True):
        for own in (-_APART, _APART):
            crossed.append(_draw_line(middle + own, low - _HIGH // 2, middle - own, high + _HIGH // 2))
    return [*crossed, *_draw_towers(middle)]


def _draw_experts(middle: int) -> list[str]:
    """Three experts that both own, and for each task a gate that mixes what they say."""
    experts, gate = (middle - 54, middle, middle + 54), _STAGES[2]
    flows = []
    for x in experts:
        flows += [_draw_line(middle, _INPUT, x, _STAGES[0]), _draw_line(x, _STAGES[0], x, _STAGES[1])]
        flows += [_draw_line(x, _STAGES[1], middle + own, gate) for own in (-_APART, _APART)]
    flows += [_draw_line(middle + own, gate, middle + own, _HEAD) for own in (-_APART, _APART)]
    boxes = [_draw_box("both", x, y, 44) for x in experts for y in _STAGES[:2]]
    gates = [
        f'<circle class="{owner}" cx="{x}" cy="{gate}" r="12"/>'
        for owner, x in (("a", middle - _APART), ("b", middle + _APART))
    ]
    return [*flows, *boxes, *gates, _draw_input(middle)]


def _draw_hard(middle: int) -> list[str]:
    """One trunk, and a head for each task."""
    flows = [_draw_line(middle, _INPUT, middle, _STAGES[2])]
    flows += [_draw_line(middle, _STAGES[2], middle + own, _HEAD) for own in (-_APART, _APART)]
    return [*flows, *(_draw_box("both", middle, y, 76) for y in _STAGES), _draw_input(middle)]


def _draw_axis() -> list[str]:
    """The line from apart to in common, below the panels."""
    y = HEIGHT - 16
    heads = f"M198 {y - 11}L190 {y - 5}L198 {y + 1}M686 {y - 11}L694 {y - 5}L686 {y + 1}"
    return [
        f'<path class="line" d="M190 {y - 5}H694{heads}"/>',
        f'<text class="quiet" x="96" y="{y}" font-size="16">everything apart</text>',
        f'<text class="quiet" x="794" y="{y}" font-size="16">everything in common</text>',
    ]


_DRAW = {
    "separate": _draw_towers,
    "soft": _draw_soft,
    "stitched": _draw_stitched,
    "experts": _draw_experts,
    "hard": _draw_hard,
}

if __name__ == "__main__":
    for file in sys.argv[1:] or ["docs/pictures/sharing.svg"]:
        write_whole(Path(file), draw_sharing())
