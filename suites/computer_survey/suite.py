"""How likely people are to buy computers, a regression for each person.

A conjoint analysis: people rate made-up computers, each described by 13 attributes of two levels, and their
weights say what they care for.
"""

from pathlib import Path

import numpy as np

from bench.api import DataMissing, register
from suites._shared.matlab import FileSize, SplitSuite, TaskArrays
from suites._shared.variables import Variables

FILE = "conjointAnalysisComputerBuyers.mat"


@register(
    "computer_survey",
    title="Ratings of computers",
    family="tables and patients",
    paper="Lenk, DeSarbo, Green, Young, Hierarchical Bayes Conjoint Analysis, Marketing Science 15, 1996; as in "
    "Argyriou, Evgeniou, Pontil, NeurIPS 2006",
)
class ComputerSurvey(SplitSuite):
    """How likely a person is to buy a computer, 0 to 10, from its 13 attributes: 190 people, 20 computers each.

    `conjointAnalysisComputerBuyers.mat` of pmtkdata, with `designMarix` (20, 14; the name is the file's, its constant
    column is left out) and `likeBuy` (people, 20). Each person keeps 15 computers of 20, anew for each seed. Scores are
    pooled over all people.
    """

    folder, files = "computer_survey", {FILE: ("designMarix", "likeBuy")}
    source = "it is in the collection pmtkdata (github.com/probml/pmtkdata)"
    official = FileSize(190, 13, 2_850, 950)

    def __init__(self, data_dir: Path | None = None) -> None:
        """Tasks and rows of the file that is there, or of the official one."""
        super().__init__(data_dir, (), 0)
        size = self.size()
        self._reshape([f"person{t:03d}" for t in range(1, size.tasks + 1)], size.features)
        self._define(
            "computer_survey",
            1,
            {"train": size.train, "test": size.test},
            "per person 15 and 5 of the 20 computers at random, anew for each seed",
            overlapping=True,
        )

    @staticmethod
    def read(content: Variables) -> TaskArrays:
        # All people rated the same 20 computers, so the inputs of all tasks are one array.
        """Inputs (20, 14), the same for all, and ratings (20,) of each person.

        Raises DataMissing where the two do not belong together.
        """
        design, ratings = content.matrix("designMarix"), content.matrix("likeBuy")
        if ratings.shape[1] != len(design):
            raise DataMissing(
                f"`likeBuy` of {content.file} should have a column for each of the {len(design)} computers of "
                f"`designMarix`. Found {ratings.shape[1]}."
            )
        # A column of `likeBuy` is a computer, a row a person.
        return TaskArrays((design,) * len(ratings), tuple(np.ascontiguousarray(row) for row in ratings))
