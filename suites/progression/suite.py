"""A score of patients at six visits of four years, from biomarkers at the first: a regression for each visit."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from bench.api import Dataset, Interval, Split, derive_seed, digest, register
from suites._shared.linear_models import LinearSuite
from suites.progression.truths import BIOMARKERS, COURSES, MONTHS, draw_courses

TEST = 500  # patients, all of whose scores are known
NAMES = [f"month{month:02d}" for month in MONTHS]
ORDERS = {"time": [0, 1, 2, 3, 4, 5], "mixed": [0, 3, 1, 5, 2, 4]}  # of the visits among the tasks
# Part of the checksum: a change of the text is another data set.
FORM = "y_t = x w_t + noise, x ~ N(0, I); a patient leaves before month m with probability leave m / 48"


@register(
    "progression",
    title="Patients along visits",
    family="tables and patients",
    paper="after Zhou, Yuan, Liu, Ye, A Multi-Task Learning Formulation for Predicting Disease Progression, KDD 2011; "
    "Zhou, Liu, Narayan, Ye, Modeling Disease Progression via Fused Sparse Group Lasso, KDD 2012",
)
class Progression(LinearSuite):
    """y_t = x w_t + e at the months 0, 6, 12, 24, 36, 48: scores of a patient from 60 biomarkers x ~ N(0, I).

    Biomarkers are of month 0; e ~ N(0, noise^2), anew for each visit; signals have the variance 2. Training patients
    leave and do not come back: their later scores are missing. All scores of the 500 test patients are known, of those
    who would have left, too. Visits are scored one by one; no predictor has an expected rmse below `noise`.

    truth: how weights change from visit to visit. `late`: three groups of 5 biomarkers enter at the months 0, 12 and
        36, with weights above 0 that stay as they are. `few`: the same 9 biomarkers at all visits, whose weights change
        smoothly. `smooth`: all biomarkers, whose weights change smoothly. `unrelated`: weights anew for each visit.
    patients: training patients.
    leave: the share of them that has left by month 48; by month m, m / 48 of it.
    leaving: who leaves: `random`, or `sick`, those with the highest expected score at month 0, first.
    noise: standard deviation of the noise, the Bayes rmse.
    order: of the tasks: `time`, or `mixed`, months 0, 24, 6, 48, 12 and 36, so that neighbours among the tasks are none
        in time: what a constraint on neighbours gains there, it does not gain by time.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        truth: Literal["late", "few", "smooth", "unrelated"] = "late",
        patients: Annotated[int, Interval(ge=30, le=10_000)] = 100,
        leave: Annotated[float, Interval(ge=0, le=0.9)] = 0.5,
        leaving: Literal["random", "sick"] = "random",
        noise: Annotated[float, Interval(gt=0, le=1000)] = 1.0,
        order: Literal["time", "mixed"] = "time",
    ) -> None:
        self.visits = ORDERS[order]
        super().__init__(data_dir, [NAMES[visit] for visit in self.visits], BIOMARKERS)
        # All visits are of the same patients.
        self.own_inputs = False
        self.truth, self.leave, self.leaving, self.noise = truth, leave, leaving, noise
        self._define(
            "progression",
            1,
            {"train": patients, "test": TEST},
            "independent draws of patients, anew for each seed",
            pooled=False,
        )

    def known_weights(self, seed: int) -> Tensor:
        """The weights (60, 6) behind the scores, float64."""
        return torch.from_numpy(draw_courses(self.truth, seed)[:, self.visits])

    def dataset(self, split: Split, seed: int) -> Dataset:
        """Patients of a split: biomarkers (n, 60) and scores (n, 1) of each visit, NaN where they left; float32."""
        if split == "train":
            return self._draw_patients(seed, ("train",), self.protocol.splits["train"], self.leave)
        return self._draw_patients(seed, ("test",), TEST, 0.0)

    def sealed(self, seed: int, draw: int) -> Dataset:
        """Fresh test patients of the same truth, whom nobody has seen."""
        return self._draw_patients(seed, ("sealed", draw), TEST, 0.0)

    def _draw_patients(self, seed: int, stream: tuple[str | int, ...], patients: int, leave: float) -> Dataset:
        """So many of them, kept for the runs that follow. stream: names the split, or what else they are drawn for."""
        drawn = _draw(self.truth, seed, stream, patients, leave, self.leaving, self.noise)
        targets = {name: drawn.targets[name] for name in self.names}
        return Dataset({name: drawn.inputs[name] for name in self.names}, targets)

    def checksums(self) -> dict[str, str]:
        """Of the formula, the dials and the sums of the first scores."""
        first = self.dataset("train", 0)
        drawn = [float(target.double().nansum()).hex() for target in first.targets.values()]
        dials = [self.leave, self.leaving, self.noise, self.protocol.splits]
        return {"generator": digest([FORM, COURSES[self.truth], *dials, drawn])}


@cache
def _draw(
    truth: str, seed: int, stream: tuple[str | int, ...], patients: int, leave: float, leaving: str, noise: float
) -> Dataset:
    """Patients of the problem of `seed`; the arguments are the options of the suite, `leave` of these patients."""
    W = draw_courses(truth, seed)
    generator = np.random.Generator(np.random.PCG64(derive_seed("progression", seed, *stream)))
    x = generator.standard_normal((patients, BIOMARKERS))
    y = x @ W + noise * generator.standard_normal((patients, len(MONTHS)))
    when = generator.permutation(patients) if leaving == "random" else np.argsort(np.argsort(-(x @ W[:, 0])))
    # The k-th to leave does so when k of n patients are `leave` m / 48 of all.
    gone = (when[:, None] + 0.5) / patients < leave * np.array(MONTHS) / MONTHS[-1]
    y[gone] = np.nan
    inputs, scores = torch.from_numpy(x).float(), torch.from_numpy(y).float()
    return Dataset(dict.fromkeys(NAMES, inputs), {name: scores[:, [t]] for t, name in enumerate(NAMES)})
