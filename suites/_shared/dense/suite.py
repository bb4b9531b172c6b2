"""What `scenes` and `nyuv2` have in common: everything but where the images come from."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import DataMissing, Dataset, Shape, Split, Suite, digest
from bench.backbones.encoder import encoder
from bench.backbones.resnet import resnet
from bench.backbones.segnet import segnet
from suites._shared.dense.augment import Decode
from suites._shared.dense.camera import NYUV2, parse_size
from suites._shared.dense.heads import aspp_head, plain_head, segnet_head
from suites._shared.dense.panels import panel
from suites._shared.dense.sets import DenseSet
from suites._shared.dense.tasks import dense_tasks

Augment = Literal["consistent", "mtan", "none"]
Network = Literal["encoder", "resnet18", "resnet34", "resnet50", "segnet"]
Weights = Literal["none", "imagenet"]


class DenseSuite(Suite):
    """Segmentation, depth and, where `normals` names them, surface normals, from one image.

    A suite of its own says where its set lies (`folder`), what to say without it (`missing_data`) and which
    rows validation takes (`validation`). `images` is the number of images in each stored split.
    """

    images: Mapping[str, int]

    def __init__(
        self,
        data_dir: Path | None,
        *,
        size: str,
        augment: Augment,
        backbone: Network,
        weights: Weights,
        normals: str | None,
    ) -> None:
        """Set tasks, camera, network and augmentation; the protocol is the subclass's.

        size: as ROWSxCOLUMNS.
        augment: see `Decode`.
        backbone: `encoder`, `segnet`, or one of torchvision's residual networks.
        weights: `imagenet` for the latter only; else ValueError.
        normals: the name of that task, None for two tasks.
        """
        super().__init__(data_dir)
        self.size = parse_size(size)
        self.camera = NYUV2.resize(self.size)
        self.input_shape = (3, *self.size)
        self.net, self.weights, self.normals = backbone, weights, normals
        if weights != "none" and not backbone.startswith("resnet"):
            raise ValueError(f"`weights` should be `none` for `{backbone}`. Found `weights = {weights}`.")
        self.transform = self.decode = Decode(self.camera, augment, normals)
        self.tasks = dense_tasks(self._head, normals)

    def _head(self, shape: Shape, outputs: int) -> nn.Module:
        """The head that belongs to the backbone: DeepLab's for residual networks."""
        head = {"encoder": plain_head, "segnet": segnet_head}.get(self.net, aspp_head)
        return head(shape, outputs, self.size)

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        if self.net == "encoder":
            return encoder(self.size, width=width)
        if self.net == "segnet":
            return segnet(self.size, width)
        return resnet(self.net, self.size, width, self.weights == "imagenet")

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the prepared set of this variant lies."""

    @abstractmethod
    def missing_data(self) -> DataMissing:
        """The one sentence for a user without the set."""

    @abstractmethod
    def validation(self) -> np.ndarray:
        """The rows of the stored training split that validation holds out."""

    def rows(self, split: Split) -> tuple[str, np.ndarray]:
        """The stored split that `split` is a part of, and its rows there, ascending int64.

        Validation is carved from the stored training split: sources have two splits only.
        """
        stored = "test" if split == "test" else "train"
        rows = np.arange(self.images[stored])
        held = np.isin(rows, self.validation())
        return stored, {"test": rows, "val": rows[held], "train": rows[~held]}[split]

    def open_set(self) -> DenseSet:
        """The prepared set, bytes unchecked: the first look at an array reads nothing. Raises DataMissing
        where there is none.
        """
        if self.data_dir is None or not (self.folder / "set.json").is_file():
            raise self.missing_data()
        return DenseSet(self.folder)

    def open_verified_set(self) -> DenseSet:
        """The prepared set, its bytes held against their checksums. Raises DataMissing where they differ."""
        prepared = self.open_set()
        if damaged := prepared.damaged_arrays():
            raise DataMissing(f"`{self.folder}` is damaged ({', '.join(damaged)}); prepare the set again.")
        return prepared

    def dataset(self, split: Split, seed: int) -> Dataset:
        self.open_set()
        name, rows = self.rows(split)
        arrays = _read(self.folder, name, tuple(rows.tolist()))
        return self.as_dataset(arrays)

    def as_dataset(self, arrays: Mapping[str, Tensor]) -> Dataset:
        """Stored rows, channels second, as the tasks see them: one input for all, decoded batch by batch."""
        targets = {"segmentation": arrays["label"], "depth": arrays["depth"]}
        if self.normals:
            targets[self.normals] = arrays["normal"]
        return Dataset(dict.fromkeys(targets, arrays["image"]), targets, self.decode)

    def checksums(self) -> dict[str, str]:
        rows = {split: self.rows(split)[1].tolist() for split in ("train", "val", "test")}  # type: ignore[arg-type]
        return {**self.open_verified_set().checksums, "rows": digest(rows)}

    def data_status(self) -> dict[str, str]:
        """This set, and the others of the suite that are there: name of the folder -> state."""
        others = {folder.parent.name for folder in self.folder.parent.glob("[!.]*/set.json")} - {self.folder.name}
        return {name: _state(self.folder.with_name(name)) for name in [self.folder.name, *sorted(others)]}

    def panel(
        self, inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], predictions: Mapping[str, Tensor]
    ) -> Any | None:
        return panel(inputs["depth"], targets, predictions)


def _state(folder: Path) -> str:
    """`missing`, `ready`, or `damaged` and what, of the set in a folder."""
    if not (folder / "set.json").is_file():
        return "missing"
    try:
        damaged = DenseSet(folder).damaged_arrays()
    except DataMissing:
        damaged = ["set.json"]
    return f"damaged ({', '.join(damaged)})" if damaged else "ready"


@cache
def _read(folder: Path, split: str, rows: tuple[int, ...]) -> dict[str, Tensor]:
    """The arrays of some rows as tensors, channels second; memory-mapped where the rows follow each other.

    Kept for the runs that follow in this process: `rows` is a tuple because the cache needs a key.
    """
    stored = DenseSet(folder)
    # Rows that do not follow each other are copied; a slice is not.
    chosen: Any = np.array(rows)
    if rows == tuple(range(rows[0], rows[-1] + 1)):
        chosen = slice(rows[0], rows[-1] + 1)  # a view: nothing is read before it is used
    arrays = {
        field: torch.from_numpy(stored.array(split, field)[chosen]) for field in ("image", "label", "depth", "normal")
    }
    return channels_second(arrays)


def channels_second(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rows as sets store them, as `as_dataset` takes them; nothing is copied.

    image and normal from (n, h, w, 3) to (n, 3, h, w), depth from (n, h, w) to (n, 1, h, w).
    """
    return dict(stored) | {
        "image": stored["image"].permute(0, 3, 1, 2),
        "depth": stored["depth"].unsqueeze(1),
        "normal": stored["normal"].permute(0, 3, 1, 2),
    }
