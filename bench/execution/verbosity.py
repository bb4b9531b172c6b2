"""How much a command that runs cells says on standard error beside errors, which it always says."""

import sys
from enum import IntEnum

from bench.errors import make_printable
from bench.records import ResultRecord, RunSpec
from bench.scores import list_metrics
from leaderboard.store import Store


class Verbosity(IntEnum):
    """`QUIET`, which is false, is for scripts; `VERBOSE` tells what became of each cell as it ends."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2

    def tell(self, sentence: str) -> None:
        """Say what helps a person, unless quiet."""
        if self:
            print(sentence, file=sys.stderr, flush=True)

    def detail(self, sentence: str) -> None:
        """Say what only who asked for more wants to know."""
        if self >= Verbosity.VERBOSE:
            print(sentence, file=sys.stderr, flush=True)

    def detail_result(self, spec: RunSpec, store: Store) -> None:
        """Say what came of a cell that is done, and where its record lies, where more was asked for."""
        if self >= Verbosity.VERBOSE and (record := store.get(spec)):
            name = make_printable(f"{record.method} seed {spec.seed}")
            self.detail(f"  {name}: {describe_result(record)}; {store.path(spec)}")


def describe_result(record: ResultRecord) -> str:
    """The first score of each task, with the seconds of training, as a part of a sentence.

    Scores are those of the epoch that validation chose, else of the last one; a run without scores has its errors on
    validation.
    """
    rule = "val" if "val" in record.scores else next(iter(record.scores), "")
    parts = []
    for task in record.tasks:
        metrics = list_metrics(record.spec.protocol.metrics.get(task, ""))
        name = next(iter(metrics), "")
        value = record.scores.get(rule, {}).get(task, {}).get(name)
        if value is not None:
            parts.append(f"{task} {name} {value:.5g}{f' {metrics[name].unit}' if metrics[name].unit else ''}")
        elif task in record.validation:
            parts.append(f"{task} validation error {record.validation[task]:.5g}")
    seconds = [f"{record.cost.train_seconds:.1f} s of training"] if record.cost else []
    return ", ".join([*parts, *seconds])
