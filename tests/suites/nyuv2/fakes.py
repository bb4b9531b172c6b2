"""Small copies of NYUv2 in every form, of one truth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from PIL import Image

from suites.nyuv2.prepare import convert_copy
from suites.nyuv2.recognise import recognise
from suites.nyuv2.splits import official_images

SIZE = (36, 48)

COUNT = 12  # images 0..11 of the official file: 9 train, 3 test

ROWS = {"train": 9, "test": 3}

NORMALS = np.array([[0, 1, 0], [0.6, 0, -0.8], [-0.6, 0, -0.8], [0, 0, -1.0], [0, -0.6, -0.8], [0.48, 0.36, -0.8]])

TO_40 = np.arange(894) % 40 + 1  # a made-up mapClass


@dataclass
class Truth:
    """What the fakes hold, in the official order of images: labels of 894 classes and what they mean."""

    image: np.ndarray
    raw: np.ndarray
    label: np.ndarray
    depth: np.ndarray
    normal: np.ndarray

    def rows(self, split: str) -> list[int]:
        return [int(index) for index in official_images(split)[: ROWS[split]]]


def write_mat(folder: Path, truth: Truth, scenes: bool = True) -> Path:
    """MATLAB 7.3 as h5py sees it: axes reversed, cells of references to arrays of characters."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = truth.image.transpose(0, 3, 2, 1)
        file["labels"] = truth.raw.transpose(0, 2, 1)
        file["depths"] = truth.depth.transpose(0, 2, 1)
        if scenes:
            train = set(official_images("train").tolist())
            names = [f"{'kitchen' if image in train else 'office'}_{image // 3:04d}" for image in range(COUNT)]
            cells = file.create_dataset("scenes", (1, COUNT), dtype=h5py.ref_dtype)
            for image, name in enumerate(names):
                text = file.create_dataset(f"#refs#/{image}", data=np.array([[ord(c)] for c in name], np.uint16))
                cells[0, image] = text.ref
    scipy.io.savemat(folder / "classMapping40.mat", {"mapClass": TO_40[None].astype(np.uint8)})
    return path


def write_mtan(root: Path, truth: Truth, normals: bool = False, dtype: str = "float32") -> Path:
    for split, name in (("train", "train"), ("test", "val")):
        for part in ("image", "label", "depth", *(["normal"] if normals else [])):
            (root / name / part).mkdir(parents=True)
        for row, image in enumerate(truth.rows(split)):
            np.save(root / name / "image" / f"{row}.npy", (truth.image[image] / 255).astype(dtype))
            np.save(root / name / "label" / f"{row}.npy", truth.label[image].astype(dtype))
            np.save(root / name / "depth" / f"{row}.npy", truth.depth[image][..., None].astype("float32"))
            if normals:
                np.save(root / name / "normal" / f"{row}.npy", truth.normal[image].astype("float64"))
    return root


def write_tree(root: Path, truth: Truth, layout: str, numbers: str = "counted", normals: bool = True) -> Path:
    """`tree-seg13`, numbered by the official images from 1 as in the wild or by position; or `tree-parts`."""
    for split in ("train", "test"):
        for row, image in enumerate(truth.rows(split)):
            label = np.where(truth.label[image] < 0, 0, truth.label[image] + 1).astype(np.uint8)
            units = 1e4 if layout == "tree-seg13" else 1e3
            depth = np.rint(truth.depth[image] * units).astype(np.uint16)
            normal = np.rint((truth.normal[image] + 1) / 2 * 255).astype(np.uint8)
            arrays = {"rgb": truth.image[image], "seg13": label, "depth": depth, "sn": normal}
            if layout == "tree-parts":
                arrays["seg13"] = np.where(label == 0, 255, label).astype(np.uint8)
            for part, array in arrays.items():
                if part == "sn" and not normals:
                    continue
                if layout == "tree-seg13":
                    path = root / f"{split}_{part}" / f"{(image if numbers == 'official' else row) + 1:04d}.png"
                else:
                    path = root / {"rgb": "image", "sn": "normal"}.get(part, part) / split / f"{row:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


WRITERS: dict[str, tuple[str, Callable[[Path, Truth], Path], float]] = {  # layout, writer, error of depth in metres
    "official": ("official", lambda root, truth: write_mat(root, truth), 0),
    "mtan": ("mtan", lambda root, truth: write_mtan(root, truth), 0),
    "mtan-half": ("mtan", lambda root, truth: write_mtan(root, truth, dtype="float16"), 0),
    "mtan-normals": ("mtan", lambda root, truth: write_mtan(root, truth, normals=True, dtype="float64"), 0),
    "seg13": ("tree-seg13", lambda root, truth: write_tree(root, truth, "tree-seg13"), 5.1e-5),
    "seg13-official": ("tree-seg13", lambda root, truth: write_tree(root, truth, "tree-seg13", "official"), 5.1e-5),
    "seg13-no-normals": (
        "tree-seg13",
        lambda root, truth: write_tree(root, truth, "tree-seg13", normals=False),
        5.1e-5,
    ),
    "parts": ("tree-parts", lambda root, truth: write_tree(root, truth, "tree-parts"), 5.1e-4),
}


def run(source: Path, folder: Path, size: tuple[int, int] = (18, 24)) -> list[str]:
    return list(convert_copy(folder, source, size, open_copy=recognise))


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array.flat[5] = value
        return array

    return change
