"""Three regressions whose relation is known, for the tests of `ask`: linear, and solved in moments."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch

from bench.api import Dataset, Interval, Split, derive_seed, digest, register
from suites._shared.linear_models import LinearSuite

NAMES = ("a", "b", "c")
INPUTS = 10
ROWS = {"train": 16, "test": 100}


@register("three_tables")
class ThreeTables(LinearSuite):
    """y_t = x w_t + e, x ~ N(0, I_10), e ~ N(0, 1), |w_t|^2 about 10.

    kind: `related`, one w for all; `unrelated`, independent ones; `opposite`, w for a and b, -w for c; `one_pair`, one
        w for a and b, another for c; `null`, independent ones, and rows that are dealt out anew from one table for each
        seed, so that seeds are splits of the same rows.
    draw: number of the truth; another number is another data set.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        kind: Literal["related", "unrelated", "opposite", "one_pair", "null"] = "related",
        draw: Annotated[int, Interval(ge=0, le=10_000)] = 0,
    ) -> None:
        super().__init__(data_dir, NAMES, INPUTS)
        self.kind, self.number = kind, draw
        counts = {split: 3 * rows for split, rows in self.rows.items()}
        self._define("three_tables", 1, counts, "drawn", pooled=False, overlapping=kind == "null")
        self.protocol = self.protocol.model_copy(update={"folds": 3, "strengths": 6})

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each task, by split."""
        return {"train": 90, "test": 30} if self.kind == "null" else ROWS

    def weights(self) -> np.ndarray:
        """(3, 10): the truth of this number."""
        generator = np.random.default_rng(derive_seed("three_tables", self.number))
        one, other, third = generator.standard_normal((3, INPUTS))
        rows = {"related": (one, one, one), "opposite": (one, one, -one), "one_pair": (one, one, other)}
        return np.stack(rows.get(self.kind, (one, other, third)))

    def dataset(self, split: Split, seed: int) -> Dataset:
        fixed = self.kind == "null"
        stream = ("table",) if fixed else (split, seed)
        generator = np.random.default_rng(derive_seed("three_tables", self.number, *stream))
        inputs, targets, count = {}, {}, sum(self.rows.values()) if fixed else self.rows[split]
        for name, w in zip(NAMES, self.weights(), strict=True):
            x = generator.standard_normal((count, INPUTS))
            y = x @ w + generator.standard_normal(count)
            if fixed:
                order = np.random.default_rng(derive_seed("deal", seed, name)).permutation(count)
                part = order[: self.rows["train"]] if split == "train" else order[self.rows["train"] :]
                x, y = x[part], y[part]
            inputs[name], targets[name] = torch.from_numpy(x).float(), torch.from_numpy(y).float()[:, None]
        return Dataset(inputs, targets)

    def checksums(self) -> dict[str, str]:
        return {"table": digest([self.kind, self.number])}
