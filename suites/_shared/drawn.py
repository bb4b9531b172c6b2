"""Tasks drawn from a truth that is known: what suites of them have in common."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from bench.api import Dataset, Regression, Split, Suite, Task, digest, mse_loss
from suites._shared.heads import make_linear_head

RowCounts = TypeVar("RowCounts", bound=int | tuple[int, ...])  # the same for every task, or one for each


def number_tasks(count: int) -> list[str]:
    """`task00`, `task01`, ..."""
    return [f"task{t:02d}" for t in range(count)]


class DrawnSuite(Suite, Generic[RowCounts]):
    """T tasks whose rows are drawn anew for each seed, the same for every method.

    names: of the tasks.
    rows: of each task, by split.
    """

    def __init__(self, data_dir: Path | None, names: Sequence[str], rows: Mapping[str, RowCounts]) -> None:
        super().__init__(data_dir)
        self.names, self.rows = list(names), dict(rows)

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


class DrawnRegression(DrawnSuite[RowCounts]):
    """Regressions on drawn rows; the primary error is the rmse.

    noise: standard deviation of the label noise. No predictor has an expected rmse below it.
    """

    def __init__(
        self, data_dir: Path | None, names: Sequence[str], noise: float, rows: Mapping[str, RowCounts]
    ) -> None:
        super().__init__(data_dir, names, rows)
        self.noise = noise
        self.tasks = [Task(name, partial(make_linear_head, 1), mse_loss, Regression) for name in self.names]

    @property
    def bayes_rmse(self) -> float:
        """The expected error that no predictor is below."""
        return self.noise

    def checksum_generator(self, *dials: Any) -> dict[str, str]:
        """Of the dials and the sum of the first labels: another generator gives others.

        dials: the formula and every number that decides about rows, as JSON values.
        """
        first = self.dataset("train", 0)
        drawn = [float(first.targets[name].double().sum()).hex() for name in self.names]
        return {"generator": digest([*dials, self.rows, drawn])}
