"""What the reading process runs for each mutated file: everything of it that a suite would read."""

from pathlib import Path

import numpy as np

from bench.system.reading.values import Value
from suites.nyuv2.mtan import MtanFolder
from suites.nyuv2.png import PngTreeSeg13
from suites.nyuv2.recognise import recognise


def read_official(path: str) -> Value:
    """Images and scenes of the official file of NYUv2."""
    source = recognise(Path(path))
    try:
        found = [vars(source.read(split, row)) for split, count in source.rows.items() for row in range(min(count, 3))]
        return {"items": found, "scenes": source.scenes("train")}
    finally:
        source.close()


def read_png(path: str) -> Value:
    """A label of a tree of PNG files."""
    tree = object.__new__(PngTreeSeg13)
    return tree.convert("label", np.asarray(tree.load(Path(path))), "it")


def read_npy(path: str) -> Value:
    """Depth of a folder in MTAN's layout."""
    folder = object.__new__(MtanFolder)
    return folder.convert("depth", folder.load(Path(path)), "it")
