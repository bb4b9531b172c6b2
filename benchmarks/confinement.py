"""What a confined cell costs compared with one of this process: the same cell both ways, alternately, medians.

    python -m benchmarks.confinement [SUITE ...] [--rounds N]

Processor seconds of all processes, and seconds on the clock. The start of a player, once for many cells, is a row of
its own. Scores must be equal digit for digit: confinement may cost time, and may not move a number.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from bench.catalogue.plugin_files import load_plugin
from bench.judge.cells import MethodSource, judge_cell
from bench.judge.host import Player, Usage
from bench.judge.limits import Limits
from bench.planning.plan import plan
from bench.records import ResultRecord
from bench.training.fit import fit

EXAMPLE = Path(__file__).parents[1] / "examples" / "scale_and_bias.py"
SUITES = ("synthetic", "multidigits")


class Measured(Player):
    """A player that adds up what its requests use, in processor seconds."""

    used = 0.0

    def _finish(self) -> Usage:
        """As the player's own, noting the usage that it returns."""
        usage = super()._finish()
        self.used += usage.seconds
        return usage


def measure(player: Measured, suite: str, rounds: int) -> tuple[float, float, float, float]:
    """Medians over `rounds`: processor seconds of a plain and a judged cell, and their seconds on the clock.

    The judged cell's processor time is that of this process and of the player. Raises SystemExit where scores differ.
    """
    source = MethodSource(EXAMPLE.name, EXAMPLE.read_text())
    [spec] = plan(suite, ["scale_and_bias"], [0], device="cpu")
    times: list[tuple[float, float, float, float]] = []
    for _ in range(rounds):
        began, clock = time.process_time(), time.perf_counter()
        plain = fit(spec)
        middle, half = time.process_time(), time.perf_counter()
        # The start of a player and earlier cells are not counted.
        player.used = 0.0
        judged = judge_cell(player, source, spec, plain.method).record
        end, last = time.process_time(), time.perf_counter()
        _check_equal(plain, judged)
        times.append((middle - began, end - middle + player.used, half - clock, last - half))
    a, b, c, d = (statistics.median(each) for each in zip(*times, strict=True))
    return a, b, c, d


def _check_equal(plain: ResultRecord, judged: ResultRecord) -> None:
    """Raise SystemExit where the two records have different scores."""
    if judged.scores != plain.scores:
        raise SystemExit(f"The judged cell should have the scores of the plain one. Found {judged.error}.")


def main() -> None:
    """Print one line per suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=SUITES)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    load_plugin(EXAMPLE)
    began = time.perf_counter()
    with Measured(Limits(seconds=86400)) as player:
        print(f"start of a player ({player.confinement}): {time.perf_counter() - began:.1f} s")
        for suite in options.suites:
            plain, judged, wall, judged_wall = measure(player, suite, options.rounds)
            print(
                f"{suite}: processor {plain:.2f} s plain, {judged:.2f} s judged ({judged - plain:+.2f} s, "
                f"{100 * (judged / plain - 1):+.1f} %); clock {wall:.2f} s, {judged_wall:.2f} s"
            )


if __name__ == "__main__":
    main()
