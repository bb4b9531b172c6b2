"""A small prepared set of `scenes`, for tests."""

from pathlib import Path

import numpy as np

from bench.planning.plan import parse_suite
from suites._shared.dense.writer import SetWriter, pack_normals

ROOT = Path(__file__).parents[4]

SIZE, ROWS = (24, 32), {"train": 24, "test": 3}

SUITE = "scenes:size=24x32,test=3,train=24"


def image(number: int) -> dict[str, np.ndarray]:
    return {
        "image": np.full((*SIZE, 3), number, np.uint8),
        "label": np.full(SIZE, number % 13, np.int8),
        "depth": np.full(SIZE, 1 + number, np.float32),
        "normal": pack_normals(np.broadcast_to([0.0, 0.0, -1.0], (*SIZE, 3))),
    }


def fill(writer: SetWriter, most: int = 100) -> None:
    for split, row in writer.missing_rows()[:most]:
        writer.put(split, row, image(row))


def folder(root: Path) -> Path:
    _, suite = parse_suite(SUITE, root)
    return suite.folder  # type: ignore[attr-defined, no-any-return]
