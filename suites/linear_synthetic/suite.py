"""Linear regressions whose tasks are related in a known way, one assumption for each truth."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from bench.api import Added, Dataset, Interval, Split, derive_seed, digest, register
from suites._shared.drawn import number_tasks
from suites._shared.linear_models import LinearSuite
from suites.linear_synthetic.truths import DIMENSION, FORMS, draw_weights

TEST = 200  # rows per task
# Part of the checksum: a change of the text is another data set.
FORM = "y_t = x_t w_t + noise, x ~ N(0, I)"


@register(
    "linear_synthetic",
    title="Linear regressions of related weights",
    family="generated, truth known",
    paper="after the assumptions of Evgeniou, Pontil, KDD 2004; Obozinski, Taskar, Jordan, 2010; Argyriou, Evgeniou, "
    "Pontil, NeurIPS 2006; Jacob, Bach, Vert, NeurIPS 2008; Chen, Zhou, Ye, KDD 2011",
)
class LinearSynthetic(LinearSuite):
    """y_ti = x_ti w_t + e, x ~ N(0, I_30), e ~ N(0, noise^2); every weight of w_t has expected square 1/6.

    Weights, inputs and noise are drawn anew for each seed, the same for every method. Rows of all tasks are scored
    together: no predictor has an expected rmse below `noise`.

    truth: how the weights of the tasks are related. `mean`: w_0 + v_t, v a fifth of the variance. `sparse`: the same 6
        of 30 inputs. `low_rank`: 2 directions. `clustered`: 3 centres, a tenth of the variance around them. `graph`:
        a smooth random walk around a ring. `outliers`: 2 directions, but a fifth of the tasks have weights of their
        own. `unrelated`: nothing in common.
    tasks: number of tasks, 6 to 100.
    train: training rows per task.
    noise: standard deviation of the label noise, the Bayes rmse.
    inputs: `own`, each task has rows of its own, or `shared`, all tasks label the same rows, each with its own noise,
        and are scored one by one.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        truth: Literal["mean", "sparse", "low_rank", "clustered", "graph", "outliers", "unrelated"] = "mean",
        tasks: Annotated[int, Interval(ge=6, le=100)] = 20,
        train: Annotated[int, Interval(ge=5, le=10_000)] = 25,
        noise: Annotated[float, Interval(gt=0, le=1000)] = 1.0,
        inputs: Annotated[Literal["own", "shared"], Added()] = "own",
    ) -> None:
        super().__init__(data_dir, number_tasks(tasks), DIMENSION)
        self.truth, self.noise, self.rows = truth, noise, {"train": train, "test": TEST}
        self.own_inputs = inputs == "own"
        counts = {split: rows * (tasks if self.own_inputs else 1) for split, rows in self.rows.items()}
        rule = "independent draws, anew for each seed"
        # Statistics of a pool count each test row once.
        self._define("linear_synthetic", 1, counts, rule, pooled=self.own_inputs)

    def known_weights(self, seed: int) -> Tensor:
        """The weights (d, T) behind the labels, float64."""
        return torch.from_numpy(draw_weights(self.truth, len(self.names), seed))

    def dataset(self, split: Split, seed: int) -> Dataset:
        """Rows of a split: inputs (rows, 30) and targets (rows, 1) of every task, float32."""
        return self._draw_rows(split, seed, (split,))

    def sealed(self, seed: int, draw: int) -> Dataset:
        """Fresh test rows of the same tasks, which nobody has seen."""
        return self._draw_rows("test", seed, ("sealed", draw))

    def _draw_rows(self, split: Split, seed: int, stream: tuple[str | int, ...]) -> Dataset:
        """As many rows as `split` has."""
        return _draw(self.truth, seed, stream, tuple(self.names), self.noise, self.rows[split], self.own_inputs)

    def checksums(self) -> dict[str, str]:
        """Of the formula, the dials and the sums of the first labels."""
        first = self.dataset("train", 0)
        drawn = [float(target.double().sum()).hex() for target in first.targets.values()]
        return {"generator": digest([FORM, FORMS[self.truth], DIMENSION, self.noise, self.rows, drawn])}


@cache
def _draw(
    truth: str, seed: int, stream: tuple[str | int, ...], names: tuple[str, ...], noise: float, rows: int, own: bool
) -> Dataset:
    """Rows of the problem of `seed`, kept for the runs that follow.

    truth: how the weights are related, a key of FORMS.
    stream: names the split, or what else they are drawn for.
    names: of the tasks.
    noise: standard deviation of the label noise.
    rows: of each task.
    own: whether each task has rows of its own.
    """
    W = draw_weights(truth, len(names), seed)
    generator = np.random.Generator(np.random.PCG64(derive_seed("linear_synthetic", seed, *stream)))
    inputs: dict[str, Tensor] = {}
    targets: dict[str, Tensor] = {}
    for name, w in zip(names, W.T, strict=True):
        if own or not inputs:
            x = generator.standard_normal((rows, DIMENSION))
            stored = torch.from_numpy(x).float()
        y = x @ w + noise * generator.standard_normal(rows)
        inputs[name], targets[name] = stored, torch.from_numpy(y).float()[:, None]
    return Dataset(inputs, targets)
