"""Exam scores of pupils in 139 schools, a regression for each school."""

from pathlib import Path

from bench.api import register
from suites._shared.matlab import FileSize, SplitSuite, TaskArrays
from suites._shared.variables import Variables


@register(
    "school",
    title="Exam scores of 139 schools",
    family="tables and patients",
    paper="Goldstein, Multilevel Modelling of Survey Data, The Statistician 40, 1991; as in Argyriou, Evgeniou, "
    "Pontil, NeurIPS 2006, and MALSAR (Zhou, Chen, Ye, 2011)",
)
class School(SplitSuite):
    """The exam score of a pupil from 27 columns (year, pupil, school): 139 schools, 15,362 pupils, 22 to 251 each.

    MALSAR's `school.mat`; its 28th column is constant, and left out: intercepts are not in the columns. Ten splits,
    75 % and 25 % of every school's pupils, are seeds 0 to 9. Scores are pooled over all schools: explained variance 1 -
    MSE / variance, and rmse. Most of what schools gain from each other is an intercept: `hard:split=1+l2` shares the
    weights and shrinks one intercept per school to a common one.
    """

    folder, files = "school", {"school.mat": ("X", "Y")}
    source = "it is data/school.mat of MALSAR (github.com/jiayuzhou/MALSAR)"
    official = FileSize(139, 27, 11_535, 3_827)

    def __init__(self, data_dir: Path | None = None) -> None:
        """Tasks and rows of the file that is there, or of MALSAR's."""
        super().__init__(data_dir, (), 0)
        size = self.size()
        # Known only now: the file says how many schools it has.
        self._reshape([f"school{t:03d}" for t in range(1, size.tasks + 1)], size.features)
        self._define(
            "school",
            1,
            {"train": size.train, "test": size.test},
            "per school 75 % and 25 % of the pupils at random, anew for each seed",
            overlapping=True,
        )

    @staticmethod
    def read(content: Variables) -> TaskArrays:
        """Columns (n_t, 28) and scores (n_t,) of every school."""
        targets = content.cells("Y")
        return TaskArrays(tuple(content.cells("X")), tuple(cell.ravel() for cell in targets))
