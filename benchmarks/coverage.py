"""What do the intervals of the leaderboard cover, and how often does a family of tests find what is not there?

    python -m benchmarks.coverage

Draws differences whose mean is known, and counts how often a nominal 95 % interval holds it. `overlapping splits` are
scores of 75/25 splits of the same 100 rows: the difference of the test errors of two least-squares fits, on five
features each, that are equally good by construction. Then draws runs of methods that do not differ, and counts how
often any of the primary comparisons is significant at 0.05.

Its two tables are in docs/statistics.md.
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

from leaderboard.analysis.statistics import (
    Interval,
    bootstrap_interval,
    corrected_interval,
    holm,
    interval,
    max_t,
    paired_t,
    sign_flip_interval,
)

SIZES = (3, 5, 10, 30)  # numbers of seeds: those of boards, and 30, where most intervals should be good
DRAWS: dict[str, tuple[float, Callable[[np.random.Generator, int], np.ndarray]]] = {  # the mean, and a sample of n
    "normal": (0.0, lambda generator, n: generator.standard_normal(n)),
    "exponential": (1.0, lambda generator, n: generator.standard_exponential(n)),
    "log-normal difference": (0.0, lambda generator, n: generator.lognormal(size=n) - generator.lognormal(size=n)),
}
ROWS, FEATURES, TEST = 100, 5, 25  # of overlapping splits; features of each of the two fits
METHODS = 11  # of a family of comparisons: a reference and ten others


def draw_overlapping_splits(generator: np.random.Generator, n: int) -> np.ndarray:
    """(n,) differences of test errors over n random splits of one data set; their expectation is 0.

    The fits on the two halves of the features are exchangeable, but differences of different splits are not
    independent: they have most rows in common.
    """
    x = generator.standard_normal((ROWS, 2 * FEATURES))
    y = x.sum(axis=1) + generator.standard_normal(ROWS)
    # A permutation of the rows for each split, of which the first TEST are the test rows.
    order = generator.permuted(np.tile(np.arange(ROWS), (n, 1)), axis=1)
    train, test = order[:, TEST:], order[:, :TEST]
    errors = []
    for features in (slice(FEATURES), slice(FEATURES, None)):
        seen = x[train][..., features]
        # The normal equations of all n fits at once: (n, features, features) and (n, features, 1).
        normal, right = seen.mT @ seen, seen.mT @ y[train][..., None]
        guess = x[test][..., features] @ np.linalg.solve(normal, right)
        errors.append(((guess[..., 0] - y[test]) ** 2).mean(axis=1))
    difference: np.ndarray = errors[0] - errors[1]
    return difference


def measure_coverage(
    draw: Callable[[np.random.Generator, int], np.ndarray],
    mean: float,
    method: Callable[[np.ndarray, np.random.Generator], Interval],
    n: int,
    replicates: int,
) -> str:
    """The share of intervals that hold the mean, in percent, as text; a dash where the method has none at this n.

    Args:
        draw: Draws a sample of n differences.
        mean: Their expectation.
        method: Makes an interval of a sample; it may draw from the generator.
        n: Size of a sample.
        replicates: How many samples.
    """
    generator = np.random.default_rng(n)  # all methods see the same samples, up to what they draw themselves
    intervals = [method(draw(generator, n), generator) for _ in range(replicates)]
    if intervals[0].low is None:
        return "-"
    hits = [one.low <= mean <= one.high for one in intervals if one.low is not None and one.high is not None]
    return f"{100 * np.mean(hits):.1f}"


def build_coverage_rows(replicates: int, resamples: int) -> list[str]:
    """The lines of the first table: an interval and a distribution each, a column per size.

    Args:
        replicates: Samples per cell.
        resamples: Of each bootstrap, and of the sign flips.
    """
    methods: dict[str, Callable[[np.ndarray, np.random.Generator], Interval]] = {
        "paired t": lambda sample, _: interval(sample),
        "bootstrap, percentile": partial(bootstrap_interval, resamples=resamples),
        "bootstrap, BCa": partial(bootstrap_interval, resamples=resamples, method="bca"),
        "sign flips, inverted": partial(sign_flip_interval, replicates=resamples - 1),
    }
    cases = [(name, method, where, *DRAWS[where]) for name, method in methods.items() for where in DRAWS]
    overlapping = "overlapping splits", 0.0, draw_overlapping_splits
    cases.append(("paired t", methods["paired t"], *overlapping))
    cases.append(("corrected t", lambda sample, _: corrected_interval(sample, TEST / (ROWS - TEST)), *overlapping))
    return [
        format_row([name, where, *(measure_coverage(draw, mean, method, n, replicates) for n in SIZES)])
        for name, method, where, mean, draw in cases
    ]


def count_false_positives(where: str, n: int, replicates: int) -> list[str]:
    """Percent of families with any p of at most 0.05: uncorrected, Holm, max-t.

    A family compares METHODS methods that do not differ with the first and the second of them. Runs of one seed have
    that seed's luck in common, as runs of a board do.

    Args:
        where: A distribution of DRAWS.
        n: Seeds per method.
        replicates: How many families.
    """
    generator = np.random.default_rng(n)
    draw = DRAWS[where][1]
    hits = np.zeros(3)
    for _ in range(replicates):
        # A method's own noise, and the luck of each seed, which all methods have in common.
        runs = draw(generator, METHODS * n).reshape(METHODS, n) + draw(generator, n)
        # Comparisons with the reference, and those with the second method.
        differences = np.concatenate([runs[1:] - runs[0], runs[2:] - runs[1]])
        p = np.array([paired_t(row) for row in differences])
        hits += [values.min() <= 0.05 for values in (p, holm(p), max_t(differences, generator))]
    return [f"{100 * share:.1f}" for share in hits / replicates]


def format_row(cells: list[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Read the command line, run the experiment, print its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=10_000, help="samples per cell")
    parser.add_argument("--resamples", type=int, default=2_000, help="of each bootstrap")
    given = parser.parse_args()
    print(format_row(["interval", "differences", *(f"n = {n}" for n in SIZES)]))
    print(format_row([":--", ":--", *("--:" for _ in SIZES)]))
    print("\n".join(build_coverage_rows(given.replicates, given.resamples)))
    error = 100 * 0.5 / given.replicates**0.5
    print(f"\nPercent of {given.replicates} samples; the standard error of a cell is at most {error:.1f}.\n")
    print(format_row(["runs", "n", "uncorrected", "Holm", "max-t"]))
    print(format_row([":--", "--:", "--:", "--:", "--:"]))
    for where in ("normal", "exponential"):
        for n in (5, 10):
            print(format_row([where, str(n), *count_false_positives(where, n, given.replicates)]))
    print(f"\nPercent of {given.replicates} families of {2 * METHODS - 3} comparisons of {METHODS} methods.")


if __name__ == "__main__":
    main()
