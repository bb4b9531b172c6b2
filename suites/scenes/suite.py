"""NYUv2-like rooms, rendered from a seed: the dense suite that everyone has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch

from bench.api import Added, DataMissing, Dataset, Interval, Protocol, Split, UsageError, register
from suites._shared.dense.suite import Augment, DenseSuite, Network, Weights, channels_second
from suites._shared.dense.tasks import kinds
from suites.scenes.release import RELEASE, VIEWS_PER_ROOM

BATCH = 4  # images of an update: within a few epochs, more updates of fewer images learn more
SEALED_IMAGES = 60  # of 20 rooms: half a minute on one core


@register("scenes", title="Rendered rooms", family="rooms")
class Scenes(DenseSuite):
    """Segmentation (13 classes), depth and surface normals of rendered rooms, seen by NYUv2's camera.

    Rooms, furniture, textures, lights and the sensor come from a seed; labels, depth and normals are exact,
    with gaps in the depth like a Kinect's. Validation is the last eighth of the training rooms; no room is
    in two splits.

    size: rows x columns: `72x96`, `144x192`, `288x384`, or any other.
    classes: share of the objects whose class is told by their texture only, in [0, 1]: 0 `shape`, by
        geometry only; it sets how much segmentation has in common with depth and normals.
    train: images for training and validation; 795 like the original.
    test: test images; 654 like the original.
    augment: `consistent` crops and flips with the scene; `mtan` as published; `none`.
    backbone: `encoder` (small, GroupNorm), or a torchvision network with an ASPP head.
    weights: `none`, or `imagenet` for torchvision's networks.
    split: number of the set, in [0, 999]: each has rooms of its own for training, validation and test.
    use: training images that are seen, the first of them; 0 means all. The number of updates, validation and test
        stay what they are with all.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        size: str = "72x96",
        classes: Annotated[float, Interval(ge=0, le=1)] = 0.0,
        train: Annotated[int, Interval(ge=24, le=100_000)] = 795,
        test: Annotated[int, Interval(ge=3, le=100_000)] = 654,
        augment: Augment = "consistent",
        backbone: Network = "encoder",
        weights: Weights = "none",
        use: Annotated[int, Interval(ge=0, le=100_000), Added()] = 0,
        split: Annotated[int, Interval(ge=0, le=999), Added()] = 0,
    ) -> None:
        super().__init__(data_dir, size=size, augment=augment, backbone=backbone, weights=weights, normals="normals")
        self.classes, self.number, self.images = classes, split, {"train": train, "test": test}
        val = max(1, round(train / 8 / VIEWS_PER_ROOM)) * VIEWS_PER_ROOM
        # Validation takes whole rooms, or a network could know them.
        self.first_val = (train - val) // VIEWS_PER_ROOM * VIEWS_PER_ROOM  # a whole number of rooms trains
        if use and not BATCH <= use <= self.first_val:
            raise ValueError(f"`use` of `scenes` should be 0 or in [{BATCH}, {self.first_val}]. Found `{use}`.")
        self.seen = use or self.first_val
        splits = {"train": self.seen, "val": train - self.first_val, "test": test}
        first = Protocol(
            name="scenes",
            version=1,
            splits=splits,
            split_rule="rooms of their own in each split, three pictures of each; validation: the last training rooms",
            epochs=10,
            steps_per_epoch=max(1, self.first_val // BATCH),
            batch_size=BATCH,
            optimiser="adam",
            lr=1e-3,
            schedule="cosine",
            augmentation=augment,
            metrics=kinds(self.tasks),
        )
        self.earlier_protocols = (first,)
        # Twice the epochs: after ten, every method was best in one of the last, and the board compared speeds.
        self.protocol = first.model_copy(update={"version": 2, "epochs": 20, "coordinates": "mean"})

    @property
    def folder(self) -> Path:
        """One folder for each choice that changes a byte of the images."""
        rows = "+".join(str(count) for count in self.images.values())
        name = f"{self.size[0]}x{self.size[1]}-{rows}-classes-{self.classes!r}-release-{RELEASE}"
        return (self.data_dir or Path()) / "scenes" / (f"{name}-split-{self.number}" if self.number else name)

    def missing_data(self) -> DataMissing:
        """The one sentence for a user without the set; the command in it names only what is not the default."""
        options = {
            "classes": (repr(self.classes), "0.0"),
            "size": ("x".join(map(str, self.size)), "72x96"),
            "split": (str(self.number), "0"),
            "test": (str(self.images["test"]), "654"),
            "train": (str(self.images["train"]), "795"),
        }
        given = ",".join(f"{key}={value}" for key, (value, default) in options.items() if value != default)
        return DataMissing(
            f"The images of `scenes` are not in `{self.data_dir}`: "
            f"render them with `mtlbench data prepare scenes{':' * bool(given)}{given}`."
        )

    def validation(self) -> np.ndarray:
        """The last rooms of the training split."""
        return np.arange(self.first_val, self.images["train"])

    def rows(self, split: Split) -> tuple[str, np.ndarray]:
        """As `DenseSuite.rows`; of the training rows, those that `use` leaves."""
        stored, rows = super().rows(split)
        return stored, rows[: self.seen] if split == "train" else rows

    def sealed(self, seed: int, draw: int) -> Dataset:
        from suites.scenes.generate import make_sealed

        arrays = make_sealed(SEALED_IMAGES, draw, self.size, self.classes)
        return self.as_dataset(channels_second({field: torch.from_numpy(array) for field, array in arrays.items()}))

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        from suites.scenes.generate import write_set

        if source is not None:
            raise UsageError("`scenes` is rendered, not read: `--source` should be left out.")
        if self.data_status()[self.folder.name] == "ready":
            yield f"{self.folder.name}: ready already"
            return
        yield from write_set(self.folder, self.size, self.images, self.classes, number=self.number)
