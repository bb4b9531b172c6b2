"""A folder of images as a suite: images with labels, or with maps of their size."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.api import Dataset, NewRows, Split, UsageError
from bench.errors import make_printable
from suites._own.pictures import IMAGE_SUFFIXES, list_pictures, read_resized_image
from suites._own.suite import OwnSuite, map_array
from suites._own.table_suite import read_unit


@dataclass(frozen=True)
class Decoded:
    """From bytes (n, rows, columns, channels) to images (n, channels, rows, columns) of mean 0 and deviation 1.

    mean, deviation: of each channel, over the training images.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(
        self, rows: Tensor, targets: dict[str, Tensor], generator: torch.Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        images = rows.to(torch.float32)
        mean, deviation = (torch.tensor(values, device=rows.device) for values in (self.mean, self.deviation))
        return ((images - mean) / deviation).movedim(3, 1), targets


class ImageSuite(OwnSuite):
    """Images of the user's own with labels or maps, divided once; bytes are mapped from their file.

    backbone: name and options of a network, as `resnet18` or `timm:model=convnext_atto`; by default that of the
        description.
    """

    def dataset(self, split: Split, seed: int) -> Dataset:
        own, folder = self.description, self.folder
        start, stop = own.details["bounds"][split]
        images = torch.from_numpy(map_array(folder, own, "images.npy"))[start:stop]
        targets: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for task in own.tasks:
            target = torch.from_numpy(map_array(folder, own, f"target_{task.name}.npy"))[start:stop]
            there = torch.from_numpy(map_array(folder, own, f"labelled_{task.name}.npy"))[start:stop]
            targets[task.name] = target
            if task.details.get("partly") or not bool(there.all()):
                masks[task.name] = there
        units: dict[str, Any] = {name: read_unit(unit) for name, unit in own.details["units"].items()}
        return Dataset(dict.fromkeys(targets, images), targets, self.decode, masks=masks or None, units=units)

    @property
    def decode(self) -> Decoded:
        """From stored bytes to inputs."""
        return Decoded(tuple(self.description.details["mean"]), tuple(self.description.details["deviation"]))

    def describe_for_predictions(self, seed: int) -> dict[str, Any]:
        """As of every own set, with the units of targets."""
        return super().describe_for_predictions(seed) | {"units": self.description.details["units"]}

    def read_new_rows(self, path: Path, kept: Mapping[str, Any]) -> NewRows | None:
        """Images of a folder, or one, at the size and with the channels of those that were imported; `.npy` as arrays.

        Raises UsageError where there is none, or a file cannot be read or has colours that training lacked.
        """
        if not path.is_dir() and path.suffix.lower() not in IMAGE_SUFFIXES:
            return None
        root, files = (path, list_pictures(path)) if path.is_dir() else (path.parent, [path])
        if not files:
            raise UsageError(f"`{make_printable(str(path))}` should hold images, .png, .jpg or .npy. Found none.")
        channels, rows, columns = self.input_shape
        images = np.empty((len(files), rows, columns, channels), np.uint8)
        for number, file in enumerate(files):
            images[number] = read_resized_image(file, (rows, columns), channels)
        names = [file.relative_to(root).as_posix() for file in files]
        return NewRows(names, dict.fromkeys((t.name for t in self.tasks), torch.from_numpy(images)), {}, self.decode)
