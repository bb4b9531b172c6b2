"""The rows that a player was sent, and suites that give no others."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partialmethod
from typing import Any, NoReturn

from bench.catalogue.registry import entries
from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.errors import UsageError


@dataclass(frozen=True)
class SentRows:
    """The splits that were sent, as suites give them."""

    splits: Mapping[str, dict[str, Any]]
    checksums: Mapping[str, str]

    def split(self, suite: Suite, split: str, seed: int) -> Dataset:
        """What the harness asks the suite for."""
        if split not in self.splits:
            _refuse_rows(suite, split, seed)
        sent = self.splits[split]
        return Dataset(sent["inputs"], sent["targets"], suite.transform if sent["transformed"] else None)


def close_splits(open_splits: Collection[str]) -> None:
    """Let the classes of suites give no rows but those of some splits, and no truth."""
    suites: set[type[Suite]] = {entry.cls for entry in entries("suite").values()}
    bases: set[Any] = {base for suite in suites for base in suite.__mro__ if "dataset" in vars(base)}
    for cls in bases:
        cls.dataset = partialmethod(_give_rows, cls.dataset, frozenset(open_splits))
    for closed in set[Any](suites):
        closed.sealed, closed.known_weights = _refuse_rows, _no_truth


def _give_rows(self: Suite, whole: Any, open_splits: frozenset[str], split: str, seed: int) -> Any:
    return whole(self, split, seed) if split in open_splits else _refuse_rows(self, split)


def _refuse_rows(self: Suite, split: str, *_: Any) -> NoReturn:
    raise UsageError(
        f"A method should not read the suite's data. Found a call of `dataset` for `{split}`; features are a function "
        "of the inputs that `forward` is given."
    )


def _no_truth(self: Suite, seed: int) -> None:
    return None
