"""Prints what every constraint does at its default: the share of the copies' updates that was common.

    python -m benchmarks.defaults --run --store STORE
    python -m benchmarks.defaults --store STORE

The first line trains `soft` with every constraint on multidigits under the suite's own protocol, seeds 0 to 2, once
with `coordinates=mean` and once with `coordinates=copies`, and beside them `soft+l2:halflife=inf`, which holds nothing.
The second prints the table of docs/methods.md: the mean over layers and seeds, and the spread over seeds.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.catalogue.method import Method
from bench.catalogue.registry import list_entries
from bench.records import ResultRecord
from leaderboard.store import Store

FREE = "soft+l2:halflife=inf"
COORDINATES = ("mean", "copies")
SEEDS = "0-2"
APART = 0.05  # of a default that does something, from the free copies and from tied ones


def list_methods() -> list[str]:
    """Free copies, then every constraint at its default."""
    return [FREE, *(f"soft+{name}" for name in list_entries("constraint"))]


def train(store: Path) -> None:
    """Train what the table needs and the store lacks, one coordinate system after the other."""
    for coordinates in COORDINATES:
        words = ["run", "multidigits", *list_methods(), "--seeds", SEEDS, "--set", f"coordinates={coordinates}"]
        subprocess.run([sys.executable, "-m", "bench.cli.main", *words, "--store", str(store)], check=True)


def measure_sharing(records: Sequence[ResultRecord], method: str, coordinates: str) -> list[float]:
    """Effective sharing of every run of `method` at today's defaults, as the mean over its layers."""
    canonical = Method.parse(method).canonical
    return [
        statistics.mean(record.effective_sharing.values())
        for record in records
        if record.spec.method == canonical
        and record.spec.protocol.coordinates == coordinates
        and record.effective_sharing
    ]


def format_row(records: Sequence[ResultRecord], method: str) -> str:
    """One row of the table; a star where the default is nearer than 0.05 to free or to tied copies."""
    cells = [f"`{method}`"]
    for coordinates in COORDINATES:
        shares = measure_sharing(records, method, coordinates)
        free = measure_sharing(records, FREE, coordinates)
        if not shares or not free:
            cells.append("")
            continue
        mean = statistics.mean(shares)
        near = method != FREE and not statistics.mean(free) + APART <= mean <= 1 - APART
        cells.append(f"{mean:.3f} ± {(max(shares) - min(shares)) / 2:.3f}{' *' if near else ''}")
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or print the table of what is stored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="folder of records")
    parser.add_argument("--run", action="store_true", help="train what is missing")
    given = parser.parse_args(arguments)
    if given.run:
        train(given.store)
    records = Store(given.store).read().records
    print(
        "\n".join(["| | mean | copies |", "|---|--:|--:|", *(format_row(records, method) for method in list_methods())])
    )


if __name__ == "__main__":
    main()
