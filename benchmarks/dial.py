"""Draws the dial from single-task to hard sharing from the runs of a store, and says where it dips.

    mtlbench sweep multidigits soft+l2 --over halflife=inf/1e4..1:5/0 --seeds 0-4 --protocol 1 --store STORE
    mtlbench run multidigits single_task hard --seeds 0-4 --protocol 1 --store STORE
    mtlbench reproduce multidigits --store STORE
    python -m benchmarks.dial --store STORE --out dial.svg

Above: the test error (geometric mean over the tasks, each at its own best epoch) against the half-life of the copies'
differences, with 95 % intervals of its logarithm, and `single_task` and `hard` as bands. Below: the share of the
copies' updates that was common. One column for each dial of half-lives of the suite that the store holds. Printed:
every half-life against both ends, and the p-value that it is not below both, by Holm over the dial.

The figure is docs/dial.svg, which docs/dial.md shows.
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.records import ResultRecord
from bench.scores import primary_error
from leaderboard.analysis.dials import Dial, find_dials
from leaderboard.analysis.dips import compare_with_ends
from leaderboard.analysis.statistics import interval
from leaderboard.boards.board import boards
from leaderboard.store import Store

COLOURS = {"soft+l2": "#3b5b92", "single_task": "#d1800b", "hard": "#3a7d44"}
INK = "#333333"


def mean_error(record: ResultRecord) -> float:
    """The geometric mean over tasks of the primary error, every task at its own best epoch, in percent.

    exp(mean_t log e_t): errors of tasks on different scales weigh the same.
    """
    kinds, states = record.spec.protocol.metrics, record.statistics["per_task"]
    return 100 * math.exp(statistics.mean(math.log(primary_error(kinds[task], states[task])) for task in record.tasks))


def summarise_logarithms(sample: list[float]) -> tuple[float, float, float]:
    """Geometric mean of a sample, and the 95 % interval of the logarithms' mean, taken back.

    An interval of the errors themselves could go below zero. With one run both ends are the mean.
    """
    log = interval(np.log(sample))
    ends = (log.mean if end is None else end for end in (log.low, log.high))
    return (math.exp(log.mean), *map(math.exp, ends))  # type: ignore[return-value]


def summarise(sample: list[float]) -> tuple[float, float, float]:
    """Mean and 95 % t interval of a sample; with one run both ends are the mean."""
    own = interval(np.array(sample))
    return (own.mean, *(own.mean if end is None else end for end in (own.low, own.high)))  # type: ignore[return-value]


def mean_sharing(record: ResultRecord) -> float:
    """Effective sharing in [0, 1], the mean over layers."""
    return float(np.mean(list(record.effective_sharing.values())))


def draw(dials: Sequence[Dial], out: Path) -> None:
    """Write the figure as SVG, without dates and random ids, so that equal records give equal bytes.

    Args:
        dials: Of half-lives, one for each column.
        out: The file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "dial", "font.size": 9, "axes.edgecolor": INK, "text.color": INK})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        2, len(dials), figsize=(3.6 * len(dials), 5.2), sharex="col", squeeze=False, constrained_layout=True
    )
    for column, dial in enumerate(dials):
        _draw_path(axes[0][column], axes[1][column], dial)
        axes[0][column].set_title(name_column(dial), fontsize=9)
    axes[0][0].set_ylabel("test error, %")
    axes[1][0].set_ylabel("effective sharing of the updates")
    figure.savefig(out, metadata={"Date": None})


def name_column(dial: Dial) -> str:
    """What tells the runs of a dial from those of another: protocol, optimiser, rate, and how copies are held."""
    protocol = next(iter(dial.points.values()))[0].spec.protocol
    rate = "own best rates" if dial.of_best else f"rate {protocol.lr:g}"
    held = "mean and deviations" if protocol.coordinates == "mean" else "copies apart"
    return f"{protocol.optimiser}, {rate}, {held}\n(protocol {protocol.version})"


def _draw_path(above: Any, below: Any, dial: Dial) -> None:
    """Draw one column: errors into the axes `above`, effective sharing into `below`.

    Half-lives are evenly spaced and fall from left to right, from no sharing to all; on a logarithmic axis infinity and
    zero would have no place.
    """
    from matplotlib.ticker import MaxNLocator, NullLocator

    places = np.arange(len(dial.points))
    for axes, value, summary in ((above, mean_error, summarise_logarithms), (below, mean_sharing, summarise)):
        path = np.array([summary([value(run) for run in runs]) for runs in dial.points.values()])
        axes.fill_between(places, path[:, 1], path[:, 2], color=COLOURS["soft+l2"], alpha=0.2, linewidth=0)
        axes.plot(places, path[:, 0], "o-", color=COLOURS["soft+l2"], markersize=3.5, label="soft+l2")
        axes.spines[["top", "right"]].set_visible(False)
    for name, runs in dial.ends.items():
        middle, low, high = summarise_logarithms([mean_error(run) for run in runs])
        above.axhline(middle, color=COLOURS[name], linewidth=1, label=name)
        above.axhspan(low, high, color=COLOURS[name], alpha=0.12, linewidth=0)
    above.set_yscale("log")
    above.yaxis.set_major_locator(MaxNLocator(5))
    # Few plain numbers: the range of errors is too small for powers of ten.
    above.yaxis.set_minor_locator(NullLocator())
    above.yaxis.set_major_formatter("{x:g}")
    above.legend(frameon=False, fontsize=8)
    below.set_ylim(0, 1.03)
    below.set_xticks(places, ["∞" if np.isinf(h) else f"{h:g}" for h in dial.points], rotation=45)
    below.set_xlabel("half-life of the copies' differences, updates")


def print_dips(dial: Dial) -> None:
    """Print every half-life of a dial against both ends, with intervals, and the p-value of a dip."""
    print(name_column(dial).replace("\n", " "))
    for point in compare_with_ends(dial):
        changes = "  ".join(
            f"{end} {each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}]" for end, each in point.changes.items()
        )
        print(f"  half-life {point.value:>6g}: Δ log against {changes}; below both: p = {point.p:.2g}")


def main() -> None:
    """Read the runs of every dial of half-lives in the store, draw them, and say where they dip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--suite", default="multidigits", help="short name (default: multidigits)")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    parts = [part for board in boards().values() for part in board.parts]
    found = find_dials(Store(given.store).read().records, parts)
    dials = [dial for dial in found if dial.option == "halflife" and dial.suite == given.suite]
    # Those at one rate first, sgd before adam.
    dials.sort(key=lambda dial: (dial.of_best, next(iter(dial.points.values()))[0].spec.protocol.optimiser != "sgd"))
    draw(dials, given.out)
    for dial in dials:
        print_dips(dial)


if __name__ == "__main__":
    main()
