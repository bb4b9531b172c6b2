"""The rows that a player was sent, and suites that give no others.

Runs inside the player: a method that calls a suite's own `dataset` there gets an error instead of rows. It is a clear
sentence for honest authors; what keeps targets away is that they are not in the process.
"""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partialmethod
from typing import Any, NoReturn

from bench.catalogue.registry import list_entries
from bench.core.data import Dataset
from bench.core.suite import Split, Suite, derive_suite, refuse_rows


@dataclass(frozen=True)
class SentRows:
    """The splits that were sent, in the form of a suite's own.

    `splits` maps a split to `inputs`, `targets`, `masks` and `transformed`; `checksums` are those of the judge's data.
    """

    splits: Mapping[str, dict[str, Any]]
    checksums: Mapping[str, str]

    def serve(self, suite: Suite) -> Suite:
        """`suite` with these rows for its own; it raises UsageError for a split that was not sent."""
        rows = self

        class Sent(Suite):
            def dataset(self, split: Split, seed: int) -> Dataset:
                if split not in rows.splits:
                    refuse_rows(split)
                sent = rows.splits[split]
                transform = self.transform if sent["transformed"] else None
                return Dataset(sent["inputs"], sent["targets"], transform, masks=sent["masks"] or None)

            def checksums(self) -> dict[str, str]:
                return dict(rows.checksums)

        return derive_suite(suite, Sent)


def close_splits(open_splits: Collection[str]) -> ExitStack:
    """Let all suites refuse their rows but those of `open_splits`, and know no truth.

    Classes are patched, so that suites which a method constructs itself refuse as well. Leaving what is returned gives
    the rows back; left alone, the change is for the rest of the process, which is a copy that ends with the request.
    """
    undo = ExitStack()
    suites: set[type[Suite]] = {entry.cls for entry in list_entries("suite").values()}
    bases: set[Any] = {base for suite in suites for base in suite.__mro__ if "dataset" in vars(base)}
    for cls in bases:
        _replace(undo, cls, "dataset", partialmethod(_give_rows, cls.dataset, frozenset(open_splits)))
    for closed in suites:
        _replace(undo, closed, "sealed", _refuse_sealed)
        _replace(undo, closed, "known_weights", _give_no_truth)
    return undo


def _replace(undo: ExitStack, cls: type, name: str, value: object) -> None:
    """Set an attribute of a class until `undo` is left; one that the class inherits is inherited again then."""
    if name in vars(cls):
        undo.callback(setattr, cls, name, vars(cls)[name])
    else:
        undo.callback(delattr, cls, name)
    setattr(cls, name, value)


def _give_rows(self: Suite, whole: Any, open_splits: frozenset[str], split: str, seed: int) -> Any:
    """Replacement of `Suite.dataset`: `whole`, the method it replaces, for splits that are open."""
    return whole(self, split, seed) if split in open_splits else refuse_rows(split)


def _refuse_sealed(self: Suite, seed: int, draw: int) -> NoReturn:
    """Replacement of `Suite.sealed`, whose rows have labels as those of the test split have."""
    refuse_rows("test")


def _give_no_truth(self: Suite, seed: int) -> None:
    """Replacement of `Suite.known_weights`: as a suite whose true weights are unknown."""
    return
