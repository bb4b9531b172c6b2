"""MultiMNIST in four published variants, on real MNIST, Fashion-MNIST or one of each."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import DataMissing, Dataset, Interval, Protocol, Shape, Split, Suite, register
from bench.backbones.lenet import lenet
from suites._shared.overlay import TASKS, Normalise, checksum_arrays, digit_dataset, digit_tasks, place, shrink
from suites.multimnist.copies import copy_digits
from suites.multimnist.files import base_images, status
from suites.multimnist.variants import VARIANTS, Variant

# Left and right digit.
SOURCES = {"mnist": ("MNIST", "MNIST"), "fashion": ("FashionMNIST", "FashionMNIST"), "mixed": ("FashionMNIST", "MNIST")}


class ChannelMask(nn.Module):
    """Keeps each entry of the second axis with probability 1/2 and doubles it, in training only.

    For features (n, c) and (n, c, h, w): whole channels of an image are dropped, as by `Dropout2d`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (n, c, ...), of its shape."""
        if not self.training:
            return x
        keep = torch.rand(x.shape[:2], device=x.device).lt(0.5).to(x.dtype) * 2
        return x * keep.reshape(*keep.shape, *[1] * (x.dim() - 2))


@register(
    "multimnist",
    title="MultiMNIST",
    family="digits",
    paper="Sabour, Frosst, Hinton, NeurIPS 2017; Sener, Koltun, NeurIPS 2018; "
    "Lin et al. (ParetoMTL), NeurIPS 2019; Ma, Du, Matusik, ICML 2020",
)
class MultiMNIST(Suite):
    """Name the left and the right of two overlapping MNIST digits, 28 x 28 pixels each.

    "MultiMNIST" is a different data set in every paper, so a number is comparable inside one variant only.
    Every base digit is a left digit once; base digits are disjoint between train (50k), validation (the
    last 10k of MNIST's training file) and test (10k); partners come from a published seed.

    variant: `sener` digits at opposite corners of 36x36, pixel maximum, resized to 28x28; `pareto` shifted
        by up to four pixels in 36x36, different digits; `continuous` shifted, summed and clipped, resized;
        `sener_legacy` 60k training pairs, channel masks and no validation split, to stand beside published
        numbers, unranked.
    digits: `mnist`, `fashion`, or `mixed`: left Fashion-MNIST, right MNIST.
    train: training pairs; fewer use the first base digits, with the same number of updates. 0 means all.
    """

    resident = True

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        variant: Literal["sener", "pareto", "continuous", "sener_legacy"] = "sener",
        digits: Literal["mnist", "fashion", "mixed"] = "mnist",
        train: Annotated[int, Interval(ge=0, le=60_000)] = 0,
    ) -> None:
        """Tasks and protocol of a variant. ValueError where `train` is below one batch or above what there is."""
        super().__init__(data_dir)
        self.variant: Variant = VARIANTS[variant]
        self.sources = SOURCES[digits]
        rows = dict(self.variant.rows)
        batch = self.variant.training["batch_size"]
        if train and not batch <= train <= rows["train"]:
            raise ValueError(f"`train` of `multimnist` should be 0 or in [{batch}, {rows['train']}]. Found `{train}`.")
        rows["train"] = train or rows["train"]
        mean, std = self.variant.normalise
        # Means are of values in 0..1, images are bytes.
        self.transform = Normalise(255 * mean, 255 * std)
        self.tasks = digit_tasks(self._head)
        self.input_shape = (1, self.variant.side, self.variant.side)
        first = Protocol(
            name=f"multimnist/{variant}",
            version=1,
            splits=rows,
            split_rule="MNIST's files; base digits disjoint between splits; partners drawn from published seeds",
            memory_format="channels_last",
            metrics=dict.fromkeys(TASKS, "classification"),
            **self.variant.training,
        )
        self.earlier_protocols = (first,)
        self.protocol = first.model_copy(update={"version": 2, "coordinates": "mean"})

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """LeNet of the variant; the legacy one drops channels at the end of its second stage."""
        stages = lenet(self.input_shape, self.variant.kernels, (10, 20, 50), width)
        if self.variant.channel_mask:
            # In the stage, so that it is shared or owned with it.
            stages[1].add_module("mask", ChannelMask())
        return stages

    def _head(self, shape: Shape) -> nn.Module:
        """One linear layer, or fifty hidden units where the variant has them."""
        if not self.variant.deep_head:
            return nn.Linear(shape[0], 10)
        mask = [ChannelMask()] if self.variant.channel_mask else []
        return nn.Sequential(nn.Linear(shape[0], 50), nn.ReLU(), *mask, nn.Linear(50, 10))

    def dataset(self, split: Split, seed: int) -> Dataset:
        """Images (n, 1, side, side) and labels of a split, the same for every seed."""
        return _compose(self.data_dir, self.variant, self.sources, split, self.protocol.splits[split])

    def sealed(self, seed: int, draw: int) -> Dataset:
        """Test digits in other pairs, by the generator of `draw`."""
        rows = self.protocol.splits["test"]
        pairs = _pair(self.data_dir, self.variant, self.sources, "test", rows, draw)
        return _overlay(self.data_dir, self.variant, self.sources, "test", pairs)

    def data_status(self) -> dict[str, str]:
        """`MNIST` and `FashionMNIST` -> state."""
        return status(self.data_dir)

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        """As `copy_digits`: from `source`, or a download."""
        return copy_digits(self.data_dir, source)

    def checksums(self) -> dict[str, str]:
        """Of pair lists and base images, which name the data whatever its files are packed in."""
        return _checksums(self.data_dir, self.variant, self.sources, tuple(self.protocol.splits.items()))


@cache
def _base_rows(
    root: Path | None, variant: Variant, source: str, split: str, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images (rows, 28, 28) and labels (rows,) that pairs of a split are made of; validation follows after training."""
    images, labels = base_images(root, source, "test" if split == "test" else "train")
    first = variant.rows["train"] if split == "val" else 0
    if len(images) < first + rows:
        raise DataMissing(f"{source} should hold {first + rows:,} images for `{split}`. Found {len(images):,}.")
    return images[first : first + rows], labels[first : first + rows]


@cache
def _pairs(root: Path | None, variant: Variant, sources: tuple[str, str], split: str, rows: int) -> np.ndarray:
    """As `_pair`, from the published seed, kept for the runs that follow."""
    return _pair(root, variant, sources, split, rows)


def _pair(
    root: Path | None, variant: Variant, sources: tuple[str, str], split: str, rows: int, seed: int | None = None
) -> np.ndarray:
    """The pair list of a split, int64 (rows, 6), see `Variant.pair`.

    root: the data folder.
    variant: its rules.
    sources: of left and right digits.
    split: `train`, `val` or `test`.
    rows: pairs, and base digits of each side.
    seed: instead of the published one, for sealed rows.
    """
    left, right = (_base_rows(root, variant, source, split, rows)[1] for source in sources)
    return variant.pair(left, right, split, seed)


@cache
def _checksums(
    root: Path | None, variant: Variant, sources: tuple[str, str], splits: tuple[tuple[str, int], ...]
) -> dict[str, str]:
    """Of pair lists and base images of every split; hashing takes a moment, so it is kept."""
    sums = {}
    for split, rows in splits:
        sums[f"pairs.{split}"] = checksum_arrays(_pairs(root, variant, sources, split, rows))
        sums[f"images.{split}"] = checksum_arrays(
            *(array for source in sources for array in _base_rows(root, variant, source, split, rows))
        )
    return sums


@cache
def _compose(root: Path | None, variant: Variant, sources: tuple[str, str], split: str, rows: int) -> Dataset:
    """One split; kept in memory for the runs that follow."""
    return _overlay(root, variant, sources, split, _pairs(root, variant, sources, split, rows))


def _overlay(root: Path | None, variant: Variant, sources: tuple[str, str], split: str, pairs: np.ndarray) -> Dataset:
    """Read, overlay and resize pairs of the base digits of a split.

    pairs: (rows, 6), as `_pair` gives them.

    The sum of two digits may exceed 255 and is cut there, in 16 bits; the maximum cannot.
    """
    (left_images, left_labels), (right_images, right_labels) = (
        _base_rows(root, variant, source, split, len(pairs)) for source in sources
    )
    corners = pairs[:, 2:].reshape(-1, 2, 2)
    left = place(left_images[pairs[:, 0]], corners[:, 0], 36)
    right = place(right_images[pairs[:, 1]], corners[:, 1], 36)
    if variant.overlap == "max":
        canvas = np.maximum(left, right)
    else:
        canvas = np.minimum(left.astype(np.uint16) + right, 255).astype(np.uint8)
    # Overlaid first, then resized, as in the published code.
    if variant.side != 36:
        canvas = shrink(canvas, variant.side)
    mean, std = variant.normalise
    labels = np.stack([left_labels[pairs[:, 0]], right_labels[pairs[:, 1]]], axis=1)
    return digit_dataset(canvas, labels, 255 * mean, 255 * std, stored=True)
