"""What all figures share: colours that the colour-blind tell apart, quiet axes, and a size that fits a column."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Okabe and Ito (2008), without the yellow, which is too light for lines on paper; black is for text and axes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK, FAINT = "#222222", "#9A9A9A"
COLUMN = 5.5  # inches: the width of a text column in most templates of the field
_SETTINGS: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
}


@contextmanager
def open_axes(ax: "Axes | None", height: float) -> "Iterator[Axes]":
    """The axes to draw into: those given, or new ones of a column's width.

    New ones are of a figure of `matplotlib.pyplot`, so that a notebook shows them.

    Args:
        ax: of the caller, whose own style stays.
        height: of a new figure, in inches.
    """
    if ax is not None:
        yield ax
        return
    from matplotlib import pyplot

    with pyplot.rc_context(_SETTINGS):
        yield pyplot.subplots(figsize=(COLUMN, height), layout="constrained", dpi=150)[1]


def quiet(ax: "Axes", grid: Literal["both", "x", "y"] = "x") -> None:
    """Take away what carries no number: the frame on two sides, and all but a faint grid along one axis."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(True, axis=grid, color="#E6E6E6", linewidth=0.6)
    ax.set_axisbelow(True)


def add_legend(ax: "Axes", handles: "Sequence[Artist]", own: bool) -> None:
    """A legend that covers nothing: above the axes of a figure of ours, inside axes of the caller where there is room.

    Args:
        ax: the axes.
        handles: lines and points with labels, in their order.
        own: whether the figure was made by `open_axes`.
    """
    place: dict[str, Any] = {"loc": "outside upper right"} if own else {"loc": "best"}
    owner = ax.figure if own else ax
    owner.legend(handles=handles, frameon=False, ncols=min(4, len(handles)), handlelength=1.6, **place)  # type: ignore[union-attr]
