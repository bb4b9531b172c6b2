"""The rows that a player was sent, and suites that give no others.

Runs inside the player: a method that calls a suite's own `dataset` there gets an error instead of rows. It is a clear
sentence for honest authors; what keeps targets away is that they are not in the process.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partialmethod
from typing import Any, NoReturn

from bench.catalogue.registry import list_entries
from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.errors import UsageError


@dataclass(frozen=True)
class SentRows:
    """The splits that were sent, in the form of a suite's own.

    `splits` maps a split to `inputs`, `targets` and `transformed`; `checksums` are those of the judge's data.
    """

    splits: Mapping[str, dict[str, Any]]
    checksums: Mapping[str, str]

    def split(self, suite: Suite, split: str, seed: int) -> Dataset:
        """The rows of a split as a Dataset. Raises UsageError for a split that was not sent."""
        if split not in self.splits:
            _refuse_rows(suite, split, seed)
        sent = self.splits[split]
        return Dataset(sent["inputs"], sent["targets"], suite.transform if sent["transformed"] else None)


def close_splits(open_splits: Collection[str]) -> None:
    """Let all suites refuse their rows but those of `open_splits`, and know no truth.

    Classes are patched, so that suites which a method constructs itself refuse as well. The change is for the rest of
    the process, which is a copy that ends with the request.
    """
    suites: set[type[Suite]] = {entry.cls for entry in list_entries("suite").values()}
    bases: set[Any] = {base for suite in suites for base in suite.__mro__ if "dataset" in vars(base)}
    for cls in bases:
        cls.dataset = partialmethod(_give_rows, cls.dataset, frozenset(open_splits))
    for closed in set[Any](suites):
        closed.sealed, closed.known_weights = _refuse_rows, _give_no_truth


def _give_rows(self: Suite, whole: Any, open_splits: frozenset[str], split: str, seed: int) -> Any:
    """Replacement of `Suite.dataset`: `whole`, the method it replaces, for splits that are open."""
    return whole(self, split, seed) if split in open_splits else _refuse_rows(self, split)


def _refuse_rows(self: Suite, split: str, *_: Any) -> NoReturn:
    """Raise UsageError: a method should not read the suite's data."""
    raise UsageError(
        f"A method should not read the suite's data. Found a call of `dataset` for `{split}`; features are a function "
        "of the inputs that `forward` is given."
    )


def _give_no_truth(self: Suite, seed: int) -> None:
    """Replacement of `Suite.known_weights`: as a suite whose true weights are unknown."""
    return
