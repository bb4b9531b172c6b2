"""Folders of images on the disk, the data folder that they are imported into, and an importer of tables."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.suites._own.small_csv import Importer
from tests.suites._own.small_images import COLUMNS, IMAGES, ROWS, make_classes, make_image, numbers


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images in one folder and, beside it, labels: a class, and numbers of which some are missing."""
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = [["file", "tone", "red", "person"]]
    for n in range(IMAGES):
        Image.fromarray(make_image(n)).save(folder / f"{'ab'[n % 2]}_{n:02}.png")
        lines.append(
            [
                f"{'ab'[n % 2]}_{n:02}.png",
                ("dark", "light", "grey")[n % 3],
                "" if n % 5 == 0 else str(n / 7),
                str(n // 5),
            ]
        )
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """Maps of four kinds in four formats; normals of every other image are missing."""
    folder = tmp_path / "rooms"
    for name in ("image", "segmentation", "depth", "normals", "heat"):
        (folder / name).mkdir(parents=True)
    for n in range(IMAGES):
        Image.fromarray(make_image(n)).save(folder / "image" / f"r{n}.png")
        Image.fromarray(make_classes(n)).save(folder / "segmentation" / f"r{n}.png")
        depth = numbers(n).integers(0, 5000, (ROWS, COLUMNS)).astype(np.uint16)
        Image.fromarray(depth).save(folder / "depth" / f"r{n}.png")
        if n % 2:
            np.save(folder / "normals" / f"r{n}.npy", numbers(n).normal(size=(ROWS, COLUMNS, 3)))
        heat = numbers(n).normal(3, 2, (ROWS, COLUMNS)).astype(np.float32)
        heat[1, 1] = np.nan
        np.save(folder / "heat" / f"r{n}.npy", heat)
    return folder


@pytest.fixture
def importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    return Importer(tmp_path, capsys)
