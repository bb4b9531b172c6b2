"""Copies of one file for each image and part: numbered files in folders, checked against each other.

Whatever is missing, doubled or out of line is named before the first image is read: a copy that lost one file
would otherwise pair every later image with another's depth.
"""

import re
from abc import abstractmethod
from pathlib import Path

import numpy as np

from bench.api import DataMissing
from suites.nyuv2.source import (
    Item,
    Source,
    as_depth,
    as_image,
    as_labels,
    as_units,
    check_folders,
    fingerprint,
    fit_shape,
)
from suites.nyuv2.splits import official_images

SPLITS = ("train", "test")
PARTS = ("image", "label", "depth", "normal")


class FilesSource(Source):
    """Folders of numbered files, one folder for each split and part; `normal` may be absent from both splits.

    A subclass is a layout: where the folders are (`folder`), how a file is read (`load`), and, where its
    numbers mean something else than `Item`'s, `convert`. `suffixes` are of the files that count, in lower
    case.
    """

    suffixes: tuple[str, ...]

    def __init__(self, root: Path) -> None:
        """Look at the folders under `root` and at one depth image. DataMissing, in one sentence, where
        they are not whole.
        """
        folders = {(split, part): self.folder(root, split, part) for split in SPLITS for part in PARTS}
        self.has_normals = any(folders[split, "normal"].is_dir() for split in SPLITS)
        self.parts = PARTS if self.has_normals else PARTS[:-1]
        self._files: dict[tuple[str, str], list[Path]] = {}
        wanted = {(split, part): folders[split, part] for split in SPLITS for part in self.parts}
        for (split, part), folder in zip(wanted, check_folders(root, wanted.values()), strict=True):
            self._files[split, part] = self._sort_files(split, folder)
        self.rows = {split: len(self._files[split, "image"]) for split in SPLITS}
        for (split, part), paths in self._files.items():
            if len(paths) != self.rows[split]:
                raise DataMissing(
                    f"`{folders[split, part]}` should hold as many files as `{folders[split, 'image']}`, "
                    f"{self.rows[split]}. Found {len(paths)}."
                )
        if not sum(self.rows.values()):
            raise DataMissing(f"`{root}` should hold images. Its folders are empty.")
        split = next(split for split in SPLITS if self.rows[split])
        first = self._files[split, "depth"][0]
        depth = self.load(first)
        # A single channel may come first, as torch has it, or last.
        shape = depth.shape[1:] if depth.ndim == 3 and depth.shape[0] == 1 != depth.shape[-1] else depth.shape
        if len(shape) < 2:
            raise DataMissing(f"`{first}` should have the shape (rows, columns). Found {depth.shape}.")
        self.size = (shape[0], shape[1])
        self.fingerprint = fingerprint(self.name, root, (path for paths in self._files.values() for path in paths))

    @abstractmethod
    def folder(self, root: Path, split: str, part: str) -> Path:
        """Where the files of a split (`train`, `test`) and a part (of PARTS) are."""

    @abstractmethod
    def load(self, path: Path) -> np.ndarray:
        """The array of a file, as it is stored; raises DataMissing where it cannot be read."""

    def convert(self, part: str, values: np.ndarray, where: str) -> np.ndarray:
        """An array of the file as `Item` has it.

        part: `image`, `label`, `depth` or `normal`.
        values: as `load` gave them, of the right shape.
        where: the file, for sentences.
        """
        return {"image": as_image, "label": as_labels, "depth": as_depth, "normal": as_units}[part](values, where)

    def read(self, split: str, row: int) -> Item:
        """One image from its three or four files, each of which is checked by itself."""
        arrays = {}
        for part in self.parts:
            path = self._files[split, part][row]
            shape = (*self.size, 3) if part in ("image", "normal") else self.size
            arrays[part] = self.convert(part, fit_shape(self.load(path), shape, f"`{path}`"), f"`{path}`")
        return Item(**arrays)

    def _sort_files(self, split: str, folder: Path) -> list[Path]:
        """The files by number, which counts from 0 or 1 or is the official one (0-based or 1-based).

        Other files of the folder are passed over: hidden ones, and those without a number or with
        another suffix.
        """
        numbered: dict[int, Path] = {}
        for path in folder.iterdir():
            number = re.search(r"(\d+)$", path.stem)
            if path.suffix.lower() not in self.suffixes or path.name.startswith(".") or number is None:
                continue
            if int(number[1]) in numbered:
                raise DataMissing(f"`{folder}` should hold one file of the number {int(number[1])}. Found two.")
            numbered[int(number[1])] = path
        have = sorted(numbered)
        counted = np.arange(len(have))
        known = official_images(split)[: len(have)]
        if len(have) > len(official_images(split)):
            raise DataMissing(
                f"`{folder}` should hold at most {len(official_images(split))} images. Found {len(have)}."
            )
        # A partial copy has the first images of a split, under any of the four ways to count.
        if not any(np.array_equal(have, base + start) for base in (counted, known) for start in (0, 1)):
            absent = sorted(set(range(have[0], have[0] + len(have))) - set(have))
            raise DataMissing(
                f"The files of `{folder}` should be numbered 0, 1, 2, ... or 1, 2, 3, ... or by the official images "
                f"of the split, without gaps. Number {absent[0] if absent else have[0]} is out of line."
            )
        return [numbered[number] for number in have]
