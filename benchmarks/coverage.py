"""What do the intervals of the leaderboard cover, and how often does a family of tests find what is not there?

    python -m benchmarks.coverage

Draws differences whose mean is known, and counts how often a nominal 95 % interval holds it. `overlapping splits`
are scores of 75/25 splits of the same 100 rows: the difference of the test errors of two least-squares fits, on five
features each, that are equally good by construction. Then draws runs of methods that do not differ, and counts how
often any of the primary comparisons is significant at 0.05.
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

SIZES = (3, 5, 10, 30)
DRAWS: dict[str, tuple[float, Callable[[np.random.Generator, int], np.ndarray]]] = {  # the mean, and a sample of n
    "normal": (0.0, lambda generator, n: generator.standard_normal(n)),
    "exponential": (1.0, lambda generator, n: generator.standard_exponential(n)),
    "log-normal difference": (0.0, lambda generator, n: generator.lognormal(size=n) - generator.lognormal(size=n)),
}
ROWS, FEATURES, TEST = 100, 5, 25
METHODS = 11


def splits(generator: np.random.Generator, n: int) -> np.ndarray:
    """[n] differences of test errors over n random splits of one data set; their expectation is 0."""
    x = generator.standard_normal((ROWS, 2 * FEATURES))
    y = x.sum(axis=1) + generator.standard_normal(ROWS)
    order = generator.permuted(np.tile(np.arange(ROWS), (n, 1)), axis=1)
    train, test = order[:, TEST:], order[:, :TEST]
    errors = []
    for features in (slice(FEATURES), slice(FEATURES, None)):
        seen = x[train][..., features]
        normal, right = seen.mT @ seen, seen.mT @ y[train][..., None]
        guess = x[test][..., features] @ np.linalg.solve(normal, right)
        errors.append(((guess[..., 0] - y[test]) ** 2).mean(axis=1))
    difference: np.ndarray = errors[0] - errors[1]
    return difference


def covered(
    draw: Callable[[np.random.Generator, int], np.ndarray],
    mean: float,
    method: Callable[[np.ndarray, np.random.Generator], Interval],
    n: int,
    replicates: int,
) -> str:
    """The share of intervals that hold the mean, in percent; a dash where the method has none at this n."""
    generator = np.random.default_rng(n)  # all methods see the same samples, up to what they draw themselves
    found = [method(draw(generator, n), generator) for _ in range(replicates)]
    if found[0].low is None:
        return "-"
    hits = [one.low <= mean <= one.high for one in found if one.low is not None and one.high is not None]
    return f"{100 * np.mean(hits):.1f}"


def coverage_rows(replicates: int, resamples: int) -> list[str]:
    """The lines of the first table."""
    methods: dict[str, Callable[[np.ndarray, np.random.Generator], Interval]] = {
        "paired t": lambda sample, _: interval(sample),
        "bootstrap, percentile": partial(bootstrap_interval, resamples=resamples),
        "bootstrap, BCa": partial(bootstrap_interval, resamples=resamples, method="bca"),
        "sign flips, inverted": partial(sign_flip_interval, replicates=resamples - 1),
    }
    cases = [(name, method, where, *DRAWS[where]) for name, method in methods.items() for where in DRAWS]
    overlapping = "overlapping splits", 0.0, splits
    cases.append(("paired t", methods["paired t"], *overlapping))
    cases.append(("corrected t", lambda sample, _: corrected_interval(sample, TEST / (ROWS - TEST)), *overlapping))
    return [
        row([name, where, *(covered(draw, mean, method, n, replicates) for n in SIZES)])
        for name, method, where, mean, draw in cases
    ]


def false_positives(where: str, n: int, replicates: int) -> list[str]:
    """Percent of families with any p of at most 0.05: uncorrected, Holm, max-t. Runs share their seed's luck."""
    generator = np.random.default_rng(n)
    draw = DRAWS[where][1]
    hits = np.zeros(3)
    for _ in range(replicates):
        runs = draw(generator, METHODS * n).reshape(METHODS, n) + draw(generator, n)
        differences = np.concatenate([runs[1:] - runs[0], runs[2:] - runs[1]])
        p = np.array([paired_t(row) for row in differences])
        hits += [found.min() <= 0.05 for found in (p, holm(p), max_t(differences, generator))]
    return [f"{100 * share:.1f}" for share in hits / replicates]


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=10_000, help="samples per cell")
    parser.add_argument("--resamples", type=int, default=2_000, help="of each bootstrap")
    given = parser.parse_args()
    print(row(["interval", "differences", *(f"n = {n}" for n in SIZES)]))
    print(row([":--", ":--", *("--:" for _ in SIZES)]))
    print("\n".join(coverage_rows(given.replicates, given.resamples)))
    error = 100 * 0.5 / given.replicates**0.5
    print(f"\nPercent of {given.replicates} samples; the standard error of a cell is at most {error:.1f}.\n")
    print(row(["runs", "n", "uncorrected", "Holm", "max-t"]))
    print(row([":--", "--:", "--:", "--:", "--:"]))
    for where in ("normal", "exponential"):
        for n in (5, 10):
            print(row([where, str(n), *false_positives(where, n, given.replicates)]))
    print(f"\nPercent of {given.replicates} families of {2 * METHODS - 3} comparisons of {METHODS} methods.")


if __name__ == "__main__":
    main()
