"""Small Matlab files in the forms that suites read."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

SHORT = {"folds": "2", "strengths": "3"}


def cells(arrays: list[np.ndarray]) -> np.ndarray:
    found = np.empty((1, len(arrays)), dtype=object)
    for number, array in enumerate(arrays):
        found[0, number] = array
    return found


def write_school(root: Path, **changes: object) -> None:
    generator = np.random.default_rng(0)
    X = [generator.integers(0, 3, (n, 5)).astype(np.uint8) for n in (8, 13, 21)]
    for x in X:
        x[:, 4] = 1  # the constant column
    Y = [(10 * x[:, :1] + t + generator.integers(0, 4, (len(x), 1))).astype(np.uint8) for t, x in enumerate(X)]
    content = {"X": cells(X), "Y": cells(Y)} | changes
    (root / "school").mkdir(parents=True, exist_ok=True)
    savemat(root / "school" / "school.mat", content)


def write_landmine(root: Path, labels: tuple[int, int] = (0, 1), few: bool = False) -> None:
    generator = np.random.default_rng(0)
    X = [generator.standard_normal((n, 9)) for n in (30, 41)]
    y = [(x[:, 0] + 0.3 * generator.standard_normal(len(x)) > 0.7) for x in X]
    if few:
        y[1][:] = False
        y[1][0] = True
    label = [np.where(v, labels[1], labels[0]).astype(np.float64)[:, None] for v in y]
    (root / "landmine").mkdir(parents=True, exist_ok=True)
    savemat(root / "landmine" / "LandmineData.mat", {"feature": cells(X), "label": cells(label)})


def write_survey(root: Path) -> None:
    generator = np.random.default_rng(0)
    design = np.column_stack([np.ones(20), generator.choice([-1.0, 1.0], (20, 13))])
    ratings = np.clip(np.round(5 + generator.standard_normal((6, 14)) @ design.T), 0, 10)
    (root / "computer_survey").mkdir(parents=True, exist_ok=True)
    path = root / "computer_survey" / "conjointAnalysisComputerBuyers.mat"
    savemat(path, {"designMarix": design, "likeBuy": ratings})


def write_sarcos(root: Path) -> np.ndarray:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((60, 21))
    rows = np.hstack([x, x[:, :7] * np.arange(1, 8) + 0.1 * generator.standard_normal((60, 7))])
    (root / "sarcos").mkdir(parents=True, exist_ok=True)
    savemat(root / "sarcos" / "sarcos_inv.mat", {"sarcos_inv": rows})
    savemat(root / "sarcos" / "sarcos_inv_test.mat", {"sarcos_inv_test": rows[[3, 17, 40, 41, 59]]})
    return rows


WRITERS = {"school": write_school, "landmine": write_landmine, "computer_survey": write_survey}
