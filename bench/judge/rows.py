"""The rows that a player was sent, and suites that give no others."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partialmethod
from typing import Any, NoReturn

from bench.catalogue.registry import entries
from bench.core.data import Dataset
from bench.core.suite import Split, Suite, derive_suite, refuse_rows


@dataclass(frozen=True)
class SentRows:
    """The splits that were sent, as suites give them."""

    splits: Mapping[str, dict[str, Any]]
    checksums: Mapping[str, str]

    def serve(self, suite: Suite) -> Suite:
        """`suite` with these rows for its own, and no others."""
        rows = self

        class Sent(Suite):
            def dataset(self, split: Split, seed: int) -> Dataset:
                if split not in rows.splits:
                    refuse_rows(split)
                sent = rows.splits[split]
                return Dataset(sent["inputs"], sent["targets"], self.transform if sent["transformed"] else None)

            def checksums(self) -> dict[str, str]:
                return dict(rows.checksums)

        return derive_suite(suite, Sent)


def close_splits(open_splits: Collection[str]) -> None:
    """Let the classes of suites give no rows but those of some splits, and no truth."""
    suites: set[type[Suite]] = {entry.cls for entry in entries("suite").values()}
    bases: set[Any] = {base for suite in suites for base in suite.__mro__ if "dataset" in vars(base)}
    for cls in bases:
        cls.dataset = partialmethod(_give_rows, cls.dataset, frozenset(open_splits))
    for closed in set[Any](suites):
        closed.sealed, closed.known_weights = _refuse_sealed, _no_truth


def _give_rows(self: Suite, whole: Any, open_splits: frozenset[str], split: str, seed: int) -> Any:
    return whole(self, split, seed) if split in open_splits else refuse_rows(split)


def _refuse_sealed(self: Suite, seed: int, draw: int) -> NoReturn:
    refuse_rows("test")


def _no_truth(self: Suite, seed: int) -> None:
    return None
