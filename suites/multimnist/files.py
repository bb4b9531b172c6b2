"""Where MNIST's files are, how to get them, and the checksums they should have."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.api import DataMissing

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
MD5 = {  # of the uncompressed files of MNIST
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
SOURCES = ("MNIST", "FashionMNIST")


def missing(root: Path | None, source: str) -> DataMissing:
    """The one sentence for a user without the files."""
    return DataMissing(
        f"{source} is not in `{root}`: download it with `mtlbench data prepare multimnist`, or without a network put "
        f"its four uncompressed files under `{source}/raw/` of a folder and name that folder with --data-dir."
    )


def base_images(root: Path | None, source: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) uint8 and labels (n,) int64 of `train` or `test`, read by torchvision."""
    from torchvision import datasets

    if root is None or not all((root / source / "raw" / name).is_file() for name in FILES):
        raise missing(root, source)
    try:
        read = getattr(datasets, source)(root=str(root), train=part == "train", download=False)
    except (RuntimeError, ValueError, EOFError, AssertionError) as error:
        raise DataMissing(
            f"{source} in `{root}` cannot be read ({error}); fetch it again with `mtlbench data prepare multimnist`."
        ) from error
    return read.data.numpy(), read.targets.numpy()


def status(root: Path | None) -> dict[str, str]:
    """source -> state of what is in `root`: ready, missing, or damaged."""
    return {source: _state(root, source) for source in SOURCES}


def _state(root: Path | None, source: str) -> str:
    paths = [root / source / "raw" / name for name in FILES] if root else []
    if not paths or not all(path.is_file() for path in paths):
        return "missing"
    if source == "MNIST" and any(hashlib.md5(path.read_bytes()).hexdigest() != MD5[path.name] for path in paths):
        return "damaged (a file's md5 is not MNIST's)"
    return "ready"


def prepare(root: Path | None, source: Path | None) -> Iterator[str]:
    """Copy what is missing from the folder `source`, or let torchvision download it; yields what was done."""
    if root is None:
        raise DataMissing("A data folder should be named with --data-dir.")
    for name, state in status(root).items():
        if state == "ready":
            yield f"{name}: ready already"
        elif source is None:
            yield f"{name}: downloading"
            from torchvision import datasets

            getattr(datasets, name)(root=str(root), train=True, download=True)
        else:
            yield _copy(root, name, source)


def _copy(root: Path, name: str, source: Path) -> str:
    found = [next(iter(sorted(source.rglob(f"{name}/raw/{file}"))), None) for file in FILES]
    files = [file for file in found if file is not None]
    if len(files) < len(FILES):
        return f"{name}: the four files of `{name}/raw` are not under {source}"
    folder = root / name / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        temporary = folder / f".{file.name}"
        shutil.copyfile(file, temporary)
        temporary.replace(folder / file.name)
    return f"{name}: copied from {source}"
