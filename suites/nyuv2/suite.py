"""NYUv2, from any of the forms in which people have it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.api import DataMissing, Protocol, register
from bench.errors import make_printable
from suites._shared.dense.sets import DenseSet
from suites._shared.dense.suite import Augment, DenseSuite, Network, Weights
from suites._shared.dense.tasks import kinds
from suites.nyuv2.splits import validation_rows

OFFICIAL = {"train": 795, "test": 654}
# Derived normals are another task than measured ones, so that no table compares the two.
TASK = {"pseudo": "pseudo_normals", "measured": "normals", "none": None}  # the mark travels with the task's name
TRAINING: dict[str, dict[str, Any]] = {
    "lite": {"epochs": 20, "batch_size": 4, "lr": 1e-3, "schedule": "cosine"},
    # SegNet and DeepLab rows of the literature: 200 epochs, halved after 100 (PROTOCOL of MTAN and LibMTL)
    "paper": {
        "epochs": 200,
        "batch_size": 8,
        "lr": 1e-4,
        "weight_decay": 1e-5,
        "schedule": "step",
        "decay_every": 100,
        "decay_factor": 0.5,
    },
}


@register(
    "nyuv2",
    title="NYUv2",
    family="rooms",
    paper="Silberman, Hoiem, Kohli, Fergus, Indoor Segmentation and Support Inference, ECCV 2012",
)
class NYUv2(DenseSuite):
    """Segmentation (13 classes), depth and surface normals of 1,449 photographed rooms.

    The images cannot be shipped: `mtlbench data prepare nyuv2 --source PATH` converts the official file, a
    folder in MTAN's layout or a tree of PNGs. The official 795/654 split; validation is a fixed part of the
    795, whole scenes. The test split is read once.

    size: rows x columns of the prepared set.
    normals: `pseudo`, derived from depth and so a function of its labels; `measured`, where the source has
        them; `none`, the two-task form.
    training: `lite`, 20 epochs; `paper`, 200 epochs with the papers' rates.
    augment: `consistent` crops and flips with the scene; `mtan` as published; `none`.
    backbone: `encoder` (small, GroupNorm), or a torchvision network with an ASPP head.
    weights: `none`, or `imagenet` for torchvision's networks.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        size: str = "72x96",
        normals: Literal["pseudo", "measured", "none"] = "pseudo",
        training: Literal["lite", "paper"] = "lite",
        augment: Augment = "consistent",
        backbone: Network = "encoder",
        weights: Weights = "none",
    ) -> None:
        super().__init__(
            data_dir, size=size, augment=augment, backbone=backbone, weights=weights, normals=TASK[normals]
        )
        self.kind = normals
        self.images = self._counts()
        budget = TRAINING[training]
        partial = self.images != OFFICIAL
        splits = {split: len(self.rows(split)[1]) for split in ("train", "val", "test")}  # type: ignore[arg-type]
        first = Protocol(
            name=f"nyuv2/{training}",
            version=1,
            splits=splits,
            split_rule="official train and test; validation: whole scenes of the training part, a published list",
            steps_per_epoch=max(1, splits["train"] // budget["batch_size"]),
            optimiser="adam",
            augmentation=augment,
            ranked=not partial,
            metrics=kinds(self.tasks),
            **budget,
        )
        self.earlier_protocols = (first,)
        # More epochs of `lite`: after twenty, validation was still rising. The papers' budget is theirs.
        longer = {"epochs": 30} if training == "lite" else {}
        self.protocol = first.model_copy(update={"version": 2, "coordinates": "mean", **longer})

    def _counts(self) -> dict[str, int]:
        """Images of each stored split; a copy that lacks some is told apart by its protocol.

        The official numbers where there is no set, or one that cannot be trained on: the sentence about
        it comes when data is asked for, and not when the suite is named.
        """
        try:
            rows = DenseSet(self.folder).rows
        except DataMissing:
            return OFFICIAL
        usable = rows.keys() == OFFICIAL.keys() and all(0 < rows[split] <= OFFICIAL[split] for split in OFFICIAL)
        return rows if usable and 0 < len(validation_rows(rows["train"])) < rows["train"] else OFFICIAL

    @property
    def folder(self) -> Path:
        """One folder for each size; which normals it holds is in its header."""
        return (self.data_dir or Path()) / "nyuv2" / f"{self.size[0]}x{self.size[1]}"

    def missing_data(self) -> DataMissing:
        """The one sentence for a user without the set, with the command that makes it."""
        rows, columns = self.size
        return DataMissing(
            f"NYUv2 at {rows}x{columns} is not in `{self.data_dir}`: "
            f"convert your copy with `mtlbench data prepare nyuv2 --source PATH --size {rows}x{columns}`."
        )

    def validation(self) -> np.ndarray:
        """Rows of the training split, a published list (see `splits`)."""
        return validation_rows(self.images["train"])

    def open_set(self) -> DenseSet:
        """As `DenseSuite.open_set`. Raises DataMissing where the set holds the other kind of normals."""
        prepared = super().open_set()
        held = prepared.header.get("normals")
        if self.kind not in ("none", held):
            size, held = "x".join(map(str, self.size)), make_printable(str(held), 40)
            raise DataMissing(
                f"The prepared NYUv2 holds {held} normals; name them as in `nyuv2:normals={held},size={size}`."
            )
        return prepared

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        # Here: HDF5 and PNG are needed by who prepares, not by who trains.
        """Convert the copy at `source`; without one, DataMissing with the command."""
        from suites.nyuv2.prepare import convert_copy

        if source is None:
            raise self.missing_data()
        yield from convert_copy(self.folder, source, self.size, measured=self.kind == "measured")
