"""Two digits on one canvas: pairing and composition, shared by every MultiMNIST-like suite.

After Sabour, Frosst, Hinton, NeurIPS 2017, and Sener, Koltun, NeurIPS 2018. Images are uint8 until they are
normalised.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bench.api import Classification, Dataset, Shape, Task, cross_entropy_loss

# Of a pair, column 0 is the left digit, column 1 the right one.
TASKS = ("left", "right")


def checksum_arrays(*arrays: np.ndarray) -> str:
    """SHA-256 over the bytes of `arrays` in order.

    Each is taken as a contiguous little-endian array: the same on every machine.
    """
    state = hashlib.sha256()
    for array in arrays:
        state.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return state.hexdigest()


def draw_partners(rows: int, repeats: int, seed: int) -> np.ndarray:
    """Pairs (rows * repeats, 2) int64 of row numbers: every row is a left digit `repeats` times, its partner uniform.

    The partner may be of the same class, or the same scan, as in Sener & Koltun's generator.
    """
    # PCG64 by name: numpy may change what `default_rng` is.
    generator = np.random.Generator(np.random.PCG64(seed))
    left = np.tile(np.arange(rows), repeats)
    return np.stack([left, generator.integers(0, rows, size=left.size)], axis=1)


def place(digits: np.ndarray, corners: np.ndarray, canvas: int) -> np.ndarray:
    """Digits on black canvases, (n, canvas, canvas) uint8.

    digits: (n, h, h) uint8.
    corners: (n, 2), row and column of each top-left pixel.
    canvas: pixels of a side; digits should fit.
    """
    side = digits.shape[1]
    out = np.zeros((len(digits), canvas, canvas), dtype=np.uint8)
    # Corner by corner, all its digits at once: there are few corners and many digits.
    for row, column in np.unique(corners, axis=0):
        chosen = (corners == (row, column)).all(axis=1)
        out[chosen, row : row + side, column : column + side] = digits[chosen]
    return out


def shrink(images: np.ndarray, side: int) -> np.ndarray:
    """Nearest-neighbour resize (n, s, s) to `side` pixels; output pixel i reads input pixel floor(i * from / side)."""
    index = np.arange(side) * images.shape[1] // side
    return images[:, index][:, :, index]


@dataclass(frozen=True)
class Normalise:
    """Rows of grey values (n, 1, s, s) to (x - mean) / std, float32; the transform of a `Dataset`."""

    mean: float
    std: float

    def __call__(
        self, rows: Tensor, targets: dict[str, Tensor], generator: torch.Generator | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return rows.to(torch.float32, copy=True).sub_(self.mean).div_(self.std), targets


def digit_dataset(images: np.ndarray, labels: np.ndarray, mean: float, std: float, stored: bool = False) -> Dataset:
    """One split: images (n, 1, s, s), seen by both tasks, and labels (n,) int64 of each.

    images: (n, s, s) uint8.
    labels: (n, 2), left and right.
    mean, std: of grey values, 0..255.
    stored: keep the bytes and normalise each batch: a quarter of the memory.
    """
    pixels, normalise = torch.from_numpy(images).unsqueeze(1), Normalise(mean, std)
    if stored:
        pixels = pixels.contiguous(memory_format=torch.channels_last)  # once here, not once for every run
    else:
        pixels, _ = normalise(pixels, {})
    return Dataset(
        inputs=dict.fromkeys(TASKS, pixels),
        targets={task: torch.from_numpy(labels[:, t].astype(np.int64)) for t, task in enumerate(TASKS)},
        transform=normalise if stored else None,
    )


def digit_tasks(head: Callable[[Shape], nn.Module]) -> list[Task]:
    """Left and right digit, ten classes each: cross-entropy, accuracy from one confusion matrix.

    head: builds a head from the shape of the features; each task gets one.
    """
    return [Task(name, head, cross_entropy_loss, lambda: Classification(10)) for name in TASKS]
