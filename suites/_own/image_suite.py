"""A folder of images as a suite: images with labels, or with maps of their size."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.api import Dataset, Split
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
        decode = Decoded(tuple(own.details["mean"]), tuple(own.details["deviation"]))
        return Dataset(dict.fromkeys(targets, images), targets, decode, masks=masks or None, units=units)
