"""A small table of the user's own, written without an importer: two targets that follow from two columns."""

from pathlib import Path
from typing import Any

import numpy as np

from suites._own.columns import Feature, dump_features
from suites._own.description import OwnDescription, OwnTask
from suites._own.folders import write_own_set

PROTOCOL: dict[str, Any] = {
    "split_rule": "random",
    "epochs": 2,
    "steps_per_epoch": 3,
    "batch_size": 16,
    "optimiser": "adam",
    "lr": 3e-3,
    "schedule": "cosine",
}
ROWS = 60


def make_columns(seed: int = 0) -> dict[str, np.ndarray]:
    """numbers (60, 2), codes (60, 1), and targets (60, 2): a sum in thousands, and whether it is above its median."""
    generator = np.random.default_rng(seed)
    numbers = generator.standard_normal((ROWS, 2))
    codes = generator.integers(0, 3, (ROWS, 1)).astype(np.int32)
    total = numbers.sum(axis=1)
    targets = np.stack([5000 + 1000 * total, total > np.median(total)], axis=1)
    return {"numbers": numbers, "codes": codes, "targets": targets.astype(np.float64)}


def describe(name: str, **changes: Any) -> OwnDescription:
    """The description of such a table, before it has sums."""
    features = (
        Feature(name="a", kind="number"),
        Feature(name="b", kind="number"),
        Feature(name="c", kind="category", levels=("x", "y", "z")),
    )
    content: dict[str, Any] = {
        "name": name,
        "kind": "table",
        "tasks": (OwnTask(name="y", title="y", kind="real"), OwnTask(name="up", title="up?", kind="binary")),
        "rows": {"train": 36, "val": 12, "test": 12},
        "input_shape": (sum(feature.width for feature in features),),
        "backbone": "mlp:hidden=8",
        "protocol": PROTOCOL | {"overlapping": True},
        "details": {"features": dump_features(features), "redrawn": True, "shares": [0.6, 0.2, 0.2]},
    }
    return OwnDescription.model_validate(content | changes)


def write_table(data_dir: Path, name: str = "mine", replace: bool = False, seed: int = 0, **changes: Any) -> Path:
    """Write one into a data folder; returns its own folder."""
    with write_own_set(data_dir, name, replace) as (folder, publish):
        for file, array in make_columns(seed).items():
            np.save(folder / f"{file}.npy", array)
        return publish(describe(name, **changes))
