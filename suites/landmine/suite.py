"""Landmines in radar images of 29 fields, a classification for each field.

Mines are rare: about one spot of sixteen. So the score is the area under the ROC curve and not the accuracy,
and parts are dealt out class by class.
"""

from pathlib import Path

import numpy as np

from bench.api import DataMissing, register
from suites._shared.matlab import FileSize, SplitSuite, TaskArrays
from suites._shared.variables import Variables

# Copies of the file have one or the other.
LABELS = ((0.0, 1.0), (-1.0, 1.0))  # clutter and mine


@register(
    "landmine",
    title="Landmines in 29 fields",
    family="tables and patients",
    paper="Xue, Liao, Carin, Krishnapuram, Multi-Task Learning for Classification, JMLR 8, 2007",
)
class Landmine(SplitSuite):
    """Mine or clutter from 9 features of a spot in a radar image, in 29 fields.

    `LandmineData.mat`, with cells `feature` and `label` (0 or 1, or -1 or 1). 75 % and 25 % of the mines and of the
    clutter of every field, anew for each seed. Logistic loss; the score is the area under the ROC curve of each field.
    """

    folder, files, classes = "landmine", {"LandmineData.mat": ("feature", "label")}, True
    source = "it is the file of Xue et al. (2007), which several collections of multi-task data hold"
    official = FileSize(29, 9, 11_115, 3_705)

    def __init__(self, data_dir: Path | None = None) -> None:
        """Tasks and rows of the file that is there, or of the official one."""
        super().__init__(data_dir, (), 0)
        size = self.size()
        self._reshape([f"field{t:02d}" for t in range(1, size.tasks + 1)], size.features)
        self._define(
            "landmine",
            1,
            {"train": size.train, "test": size.test},
            "per field and class 75 % and 25 % at random, anew for each seed",
            loss="logistic",
            overlapping=True,
        )

    @staticmethod
    def read(content: Variables) -> TaskArrays:
        """Features (n_t, 9) and labels (n_t,) as 0 and 1 of every field.

        Raises DataMissing where labels are others, and where a field has fewer than two of a class: one
        is needed on either side of the split.
        """
        labels = [cell.ravel() for cell in content.cells("label")]
        known = np.unique(np.concatenate(labels))
        if not any(set(known) <= set(pair) for pair in LABELS):
            some = ", ".join(f"{value:g}" for value in known[:4])
            raise DataMissing(
                f"`label` of {content.file} should be 0 for clutter and 1 for mines, or -1 and 1. Found "
                f"{some}{' and others' if len(known) > 4 else ''}; write them anew."
            )
        # The logistic loss is of 0 and 1, whatever the copy has.
        targets = [(y > 0).astype(np.float64) for y in labels]
        for field, y in enumerate(targets, 1):
            if min(y.sum(), len(y) - y.sum()) < 2:
                raise DataMissing(
                    f"Field {field} of {content.file} should have 2 mines and 2 of clutter or more. Found "
                    f"{int(y.sum())} and {int(len(y) - y.sum())}."
                )
        return TaskArrays(tuple(content.cells("feature")), tuple(targets))
