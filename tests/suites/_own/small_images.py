"""Small images with labels and with maps, and their import by the command."""

from pathlib import Path

import numpy as np

from bench.cli.main import main

IMAGES, ROWS, COLUMNS = 30, 20, 24


def numbers(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make_image(n: int) -> np.ndarray:
    return numbers(n).integers(0, 255, (ROWS, COLUMNS, 3), dtype=np.uint8)


def make_classes(n: int) -> np.ndarray:
    classes = numbers(n).integers(0, 3, (ROWS, COLUMNS), dtype=np.uint8)
    classes[0] = 255
    return classes


def run_import(folder: Path, *words: str) -> int:
    return main(["data", "import", str(folder), "--name", "mine", *words])


def import_photos(photos: Path, *words: str) -> int:
    return run_import(photos, "--labels", str(photos.parent / "labels.csv"), "--targets", "tone,red", *words)


def import_rooms(rooms: Path, *words: str) -> int:
    return run_import(rooms, "--maps", "--scale", "depth=0.001", "--ignore", "segmentation=255", *words)
