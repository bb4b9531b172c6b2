"""A longitudinal table of the user's own: a score at scheduled visits, from features at the first."""

import os
import shutil
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch

from bench.api import Affine, DataMissing, Dataset, Ge, Split, UsageError, derive_seed, register
from bench.errors import make_printable
from bench.system.files import atomic_file, make_folder
from bench.system.regular import NotRegular, TooLarge, open_regular
from suites._shared.linear_models import LinearSuite
from suites._shared.variables import file_stamp, sha256_of_file
from suites.visits.encoding import PatientArrays, encode_patients
from suites.visits.reading import MOST_BYTES, read_visits

FILE = "visits.csv"
MONTHS = (0.0, 6.0, 12.0, 24.0, 36.0, 48.0)
TRAIN = 0.75  # of the patients, rounded half up
ATTEMPTS = 100  # divisions tried until every visit has two scores on either side


@register(
    "visits",
    title="Your patients along visits",
    family="tables and patients",
    paper="after Zhou, Yuan, Liu, Ye, A Multi-Task Learning Formulation for Predicting Disease Progression, KDD 2011",
)
class Visits(LinearSuite):
    """A score of patients at scheduled months from features at month 0, in a table of yours: `visits.csv`.

    One line for each visit: `patient`, `month`, `score`, and features, of which those at month 0 count. Lines of a
    patient are in the order of months, the first at month 0; what is wrong is told with its line. Patients who leave
    have no further lines, and those scores are missing. A visit belongs to the scheduled month nearest to it. Patients
    are divided anew for each seed, 75 % for training. Features are scaled to mean 0 and variance 1 over the training
    patients, scores by the mean and deviation of all training scores; rmse is in the unit of the table.

    months: scheduled visits, two or more, ascending. Without month 0 the score at month 0 is a feature.
    """

    def __init__(self, data_dir: Path | None = None, *, months: tuple[Annotated[float, Ge(0)], ...] = MONTHS) -> None:
        """Tasks by `months`; columns and rows are those of the file that is there."""
        if len(months) < 2 or any(b <= a for a, b in pairwise(months)):
            raise UsageError(
                "`months` should be two or more, ascending. Found "
                f"`months={'/'.join(f'{month:g}' for month in months)}`."
            )
        self.months = tuple(months)
        super().__init__(data_dir, [f"month{month:g}".replace(".", "_") for month in months], 1)
        patients = 4
        try:
            arrays = self.load_arrays()
            self.input_shape, patients = (arrays.inputs.shape[1],), len(arrays.scores)
        except DataMissing:
            pass
        self.own_inputs = False
        train = _count_train(patients)
        self._define(
            "visits",
            1,
            {"train": train, "test": patients - train},
            "75 % and 25 % of the patients at random, anew for each seed",
            pooled=False,
            overlapping=True,
        )

    def path(self) -> Path:
        """Where the file is. DataMissing, in one sentence, where it is not."""
        path = (self.data_dir or Path()) / "visits" / FILE
        if not path.is_file():
            raise DataMissing(
                f"{FILE} should lie in `visits` of the data folder. Copy a table there with `mtlbench data prepare "
                "visits --source FILE`."
            )
        return path

    def load_arrays(self) -> PatientArrays:
        """What is in the file. DataMissing, in one sentence with file and line, where it cannot be read."""
        path = self.path()
        return _load(path, self.months, file_stamp(path))

    def dataset(self, split: Split, seed: int) -> Dataset:
        """Patients of a split: features (n, d) and scores (n, 1) of each month, NaN where missing, float32."""
        arrays = self.load_arrays()
        train, test = _divide(arrays.scores, seed)
        known = arrays.inputs[train]
        # Of a column that a division leaves without a number the mean is nothing: it is 0 everywhere.
        some = ~np.isnan(known).all(axis=0)
        mean, spread = np.zeros(known.shape[1]), np.ones(known.shape[1])
        mean[some], spread[some] = np.nanmean(known[:, some], axis=0), np.nanstd(known[:, some], axis=0)
        rows = train if split == "train" else test
        # A missing number is the mean; a column may stand still in the training rows of one seed.
        scaled = np.nan_to_num((arrays.inputs[rows] - mean) / np.where(spread > 0, spread, 1.0))
        # One unit for all months, or weights of two visits would not compare.
        unit = Affine(float(np.nanmean(arrays.scores[train])), float(np.nanstd(arrays.scores[train])) or 1.0)
        inputs = torch.from_numpy(scaled).float()
        scores = torch.from_numpy((arrays.scores[rows] - unit.shift) / unit.scale).float()
        return Dataset(
            dict.fromkeys(self.names, inputs),
            {name: scores[:, [t]] for t, name in enumerate(self.names)},
            units=dict.fromkeys(self.names, unit),
        )

    def data_status(self) -> dict[str, str]:
        """`missing`, `ready`, or `damaged` and how."""
        try:
            self.path()
        except DataMissing:
            return {FILE: "missing"}
        try:
            self.load_arrays()
        except DataMissing as error:
            return {FILE: f"damaged ({str(error).rstrip('.')})"}
        return {FILE: "ready"}

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        """Copy a table from `source`, a file of any name or a folder with `visits.csv`, if it can be read."""
        if source is None:
            self.load_arrays()
            yield "visits: ready already"
            return
        match = source / FILE if source.is_dir() else source
        if not match.exists():
            yield f"{FILE}: not in {make_printable(str(source))}"
            return
        _load(match, self.months, file_stamp(match))
        target = (self.data_dir or Path()) / "visits" / FILE
        make_folder(target.parent)
        with open_regular(match) as original, atomic_file(target) as copy:
            if os.fstat(original.fileno()).st_size > MOST_BYTES:
                raise DataMissing(f"`{make_printable(match.name)}` should have at most {MOST_BYTES >> 20} MB.")
            shutil.copyfileobj(original, copy)
        yield f"{FILE}: copied"

    def checksums(self) -> dict[str, str]:
        """Of the file."""
        self.load_arrays()
        return {FILE: sha256_of_file(self.path())}


def _load(path: Path, months: tuple[float, ...], stamp: tuple[int, int]) -> PatientArrays:
    """What is in a file, read once for each state of it. Raises DataMissing, in one sentence, where it is refused."""
    found = _read_or_refuse(path, months, stamp)
    if isinstance(found, str):
        raise DataMissing(found)
    return found


@cache
def _read_or_refuse(path: Path, months: tuple[float, ...], stamp: tuple[int, int]) -> PatientArrays | str:
    """What is in a file, or the sentence that refuses it."""
    try:
        return encode_patients(read_visits(path), months)
    except (UsageError, NotRegular) as error:
        return str(error)
    except TooLarge:
        return f"`{make_printable(path.name)}` should have at most {MOST_BYTES >> 20} MB."
    except OSError as error:
        return f"`{make_printable(path.name)}` cannot be read ({error.strerror or error})."


def _count_train(patients: int) -> int:
    """Training patients: three quarters, rounded half up."""
    return int(np.floor(TRAIN * patients + 0.5))


def _divide(scores: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test patients, ascending: the first division of `seed` with two scores of every month in each."""
    generator = np.random.Generator(np.random.PCG64(derive_seed("visits", seed)))
    for _ in range(ATTEMPTS):
        train, test = np.split(generator.permutation(len(scores)), [_count_train(len(scores))])
        if min((~np.isnan(scores[part])).sum(axis=0).min() for part in (train, test)) >= 2:
            return np.sort(train), np.sort(test)
    raise DataMissing("Every month should have two scores among test patients. Found none in many divisions.")
