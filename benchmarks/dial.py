"""Draws the dial from single-task to hard sharing from the runs of a sweep.

    mtlbench sweep multidigits soft+l2 --over halflife=inf/1e4..1:5/0 --seeds 0-4 --protocol 1 --store STORE
    mtlbench run multidigits single_task hard --seeds 0-4 --protocol 1 --store STORE
    python -m benchmarks.dial --store STORE --out dial.svg

Above: the test error (geometric mean over the tasks, each at its own best epoch) against the half-life of the copies'
differences, with 95 % intervals of its logarithm, and `single_task` and `hard` as bands. Below: the share of the
copies' updates that was common. One column for each optimiser that the store holds.

The figure is docs/dial.svg, which the README shows.
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.records import ResultRecord, parse_method
from bench.scores import primary_error
from leaderboard.analysis.dials import find_dials
from leaderboard.analysis.statistics import interval
from leaderboard.store import Store

COLOURS = {"soft+l2": "#3b5b92", "single_task": "#d1800b", "hard": "#3a7d44"}
INK = "#333333"


def read_halflife(record: ResultRecord) -> float | None:
    """The half-life of a run of `soft+l2`, in updates; None for other methods and other options of it."""
    constraint = parse_method(record.spec.method).constraint
    if constraint is None or constraint.name != "l2" or constraint.options["halflife"] == "none":
        return None
    return float(constraint.options["halflife"])


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


def draw(records: Sequence[ResultRecord], out: Path) -> None:
    """Write the figure as SVG, without dates and random ids, so that equal records give equal bytes.

    Args:
        records: Runs of `soft+l2` with half-lives, of `single_task` and of `hard`; others have no place in it.
        out: The file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "dial", "font.size": 9, "axes.edgecolor": INK, "text.color": INK})
    from matplotlib import pyplot

    optimisers = sorted({record.spec.protocol.optimiser for record in records}, reverse=True)
    figure, axes = pyplot.subplots(
        2, len(optimisers), figsize=(4.2 * len(optimisers), 5.2), sharex=True, squeeze=False, constrained_layout=True
    )
    for column, optimiser in enumerate(optimisers):
        own = [record for record in records if record.spec.protocol.optimiser == optimiser]
        _draw_path(axes[0][column], axes[1][column], own)
        axes[0][column].set_title(f"under {optimiser}")
    axes[0][0].set_ylabel("test error, %")
    axes[1][0].set_ylabel("effective sharing of the updates")
    figure.savefig(out, metadata={"Date": None})


def _draw_path(above: Any, below: Any, records: Sequence[ResultRecord]) -> None:
    """Draw one column: errors into the axes `above`, effective sharing into `below`.

    Half-lives are evenly spaced and fall from left to right, from no sharing to all; on a logarithmic axis infinity and
    zero would have no place.
    """
    from matplotlib.ticker import MaxNLocator, NullLocator

    swept = sorted({h for record in records if (h := read_halflife(record)) is not None}, reverse=True)
    places = np.arange(len(swept))
    for axes, value, summary in ((above, mean_error, summarise_logarithms), (below, mean_sharing, summarise)):
        path = np.array([summary([value(r) for r in records if read_halflife(r) == h]) for h in swept])
        axes.fill_between(places, path[:, 1], path[:, 2], color=COLOURS["soft+l2"], alpha=0.2, linewidth=0)
        axes.plot(places, path[:, 0], "o-", color=COLOURS["soft+l2"], markersize=3.5, label="soft+l2")
        axes.spines[["top", "right"]].set_visible(False)
    for name in ("single_task", "hard"):
        runs = [mean_error(record) for record in records if record.method == name]
        if runs:
            middle, low, high = summarise_logarithms(runs)
            above.axhline(middle, color=COLOURS[name], linewidth=1, label=name)
            above.axhspan(low, high, color=COLOURS[name], alpha=0.12, linewidth=0)
    above.set_yscale("log")
    above.yaxis.set_major_locator(MaxNLocator(5))
    # Few plain numbers: the range of errors is too small for powers of ten.
    above.yaxis.set_minor_locator(NullLocator())
    above.yaxis.set_major_formatter("{x:g}")
    above.legend(frameon=False, fontsize=8)
    below.set_ylim(0, 1.03)
    below.set_xticks(places, ["∞" if np.isinf(h) else f"{h:g}" for h in swept], rotation=45)
    below.set_xlabel("half-life of the copies' differences, updates")


def main() -> None:
    """Read the runs of every dial of half-lives in the store, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    swept = [dial for dial in find_dials(Store(given.store).read().records) if dial.option == "halflife"]
    groups = [runs for dial in swept for runs in (*dial.points.values(), *dial.ends.values())]
    draw([record for runs in groups for record in runs], given.out)


if __name__ == "__main__":
    main()
