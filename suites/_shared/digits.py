"""The scans of handwritten digits that scikit-learn carries.

They are its `digits.csv.gz`, the test part of Alpaydin and Kaynak's optical digits (UCI, 1998): 1,797 rows of 64 grey
values, 0 to 16, and the digit.
"""

from functools import cache
from importlib.metadata import distribution

import numpy as np


@cache
def read_digit_scans() -> tuple[np.ndarray, np.ndarray]:
    """The scans (1797, 8, 8) as uint8 and their digits; `load_digits` without an import that outlasts torch's."""
    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(str(file), delimiter=",", dtype=np.int64)
    return table[:, :-1].reshape(-1, 8, 8).astype(np.uint8), table[:, -1]
