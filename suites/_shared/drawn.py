"""Regression tasks drawn from a truth that is known: what suites of them have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch import nn

from bench.api import Dataset, Regression, Shape, Split, Suite, Task, digest, mse_loss

RowCounts = TypeVar("RowCounts", bound=int | tuple[int, ...])  # the same for every task, or one for each


def number_tasks(count: int) -> list[str]:
    """`task00`, `task01`, ..."""
    return [f"task{t:02d}" for t in range(count)]


class DrawnRegression(Suite, Generic[RowCounts]):
    """T regressions whose rows are drawn anew for each seed, the same for every method; the primary error is the rmse.

    names: of the tasks.
    noise: standard deviation of the label noise. No predictor has an expected rmse below it.
    rows: of each task, by split.
    """

    def __init__(
        self, data_dir: Path | None, names: Sequence[str], noise: float, rows: Mapping[str, RowCounts]
    ) -> None:
        super().__init__(data_dir)
        self.names = list(names)
        self.noise, self.rows = noise, dict(rows)
        self.tasks = [Task(name, _make_head, mse_loss, Regression) for name in self.names]

    @property
    def bayes_rmse(self) -> float:
        """The expected error that no predictor is below."""
        return self.noise

    @abstractmethod
    def draw(self, seed: int, stream: tuple[str | int, ...], rows: RowCounts) -> Dataset:
        """Rows of the problem of `seed`: task -> inputs (rows, d) and targets (rows, 1), float32.

        stream: names the split, or what else they are drawn for.
        rows: of each task.
        """

    def dataset(self, split: Split, seed: int) -> Dataset:
        """The rows of `split`, drawn for `seed`."""
        return self.draw(seed, (split,), self.rows[split])

    def sealed(self, seed: int, draw: int) -> Dataset:
        """Further rows of the functions of `seed`, by the generator of `draw`."""
        return self.draw(seed, ("sealed", draw), self.rows["test"])

    def checksum_generator(self, *dials: Any) -> dict[str, str]:
        """Of the dials and the sum of the first labels: another generator gives others.

        dials: the formula and every number that decides about rows, as JSON values.
        """
        first = self.dataset("train", 0)
        drawn = [float(first.targets[name].double().sum()).hex() for name in self.names]
        return {"generator": digest([*dials, self.rows, drawn])}


def _make_head(shape: Shape) -> nn.Module:
    return nn.Linear(shape[0], 1)
