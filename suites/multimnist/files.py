"""Where MNIST's files are, and what they hold: the IDX format, read as it is or unpacked from gzip.

IDX (LeCun, Cortes, Burges, The MNIST database): two zero bytes, one for the type (8: unsigned bytes), one for
the number of axes, then the length of each axis as four bytes, the highest first, then the data, row by row.
MNIST is four such files: images (60000, 28, 28) and (10000, 28, 28), grey values with 0 for the ground, and
labels of 0 to 9.
"""

import gzip
import hashlib
import zlib
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bench.api import DataMissing
from bench.errors import make_printable
from bench.system.reading.mistaken import identify_content
from bench.system.regular import NotRegular, open_regular

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
MD5 = {  # of the uncompressed files of MNIST
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
SOURCES = ("MNIST", "FashionMNIST")
ROWS = {"train": 60_000, "t10k": 10_000}
SIDE = 28
# The largest has 47 million bytes; a packed one of few bytes could unpack to any number.
MAX_UNPACKED = 64 << 20  # bytes of a file, unpacked
NAMES = ", ".join(f"`{file}`" for file in FILES)


def missing_files(root: Path | None, source: str) -> DataMissing:
    """The one sentence for a user without the files of `source`."""
    return DataMissing(
        f"{source} is not in `{make_printable(str(root))}`: download it with `mtlbench data prepare multimnist`, or "
        f"without a network add `--source FOLDER`, a folder that holds {NAMES}, packed by gzip or not; where it lies "
        "elsewhere, name that data folder with --data-dir."
    )


def base_images(root: Path | None, source: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) uint8 and labels (n,) int64 of a part.

    root: the data folder; None is as if nothing were there.
    source: `MNIST` or `FashionMNIST`.
    part: `train` or `test`.

    Raises DataMissing, with the command that mends it, where files are missing or damaged.
    """
    raw = (root or Path()) / source / "raw"
    if root is None or not all((raw / name).is_file() for name in FILES):
        raise missing_files(root, source)
    # The test files are called so for their ten thousand digits.
    prefix = "t10k" if part == "test" else "train"
    try:
        content = {name: read_unpacked(raw / name) for name in FILES if name.startswith(prefix)}
        images, labels = images_and_labels(content, prefix)
    except DataMissing as error:
        raise DataMissing(
            f"{source} in `{make_printable(str(root))}` cannot be read ({str(error).rstrip('.')}); fetch it again with "
            "`mtlbench data prepare multimnist`."
        ) from error
    return images, labels.astype(np.int64)


def images_and_labels(content: dict[str, bytes], prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) and labels (n,) of `train` or `t10k`, uint8.

    content: name of a file -> its bytes, unpacked.
    prefix: `train` or `t10k`.

    Raises DataMissing where a file is another, or the two do not belong together.
    """
    first, second = (name for name in FILES if name.startswith(prefix))
    images, labels = _from_idx(content[first], first, 3), _from_idx(content[second], second, 1)
    if images.shape[1:] != (SIDE, SIDE) or len(images) != len(labels):
        raise DataMissing(
            f"`{first}` should hold images of {SIDE}x{SIDE} as many as `{second}` has labels, {len(labels)}. Found the "
            f"shape {images.shape}."
        )
    if labels.size and labels.max() > 9:
        raise DataMissing(f"`{second}` should hold labels 0 to 9. Found {labels.max()}.")
    return images, labels


def read_unpacked(path: Path) -> bytes:
    """The bytes of a plain file, or of what gzip packed in it; DataMissing where they are damaged or too many."""
    try:
        with open_regular(path) as file:
            return unpack_stream(file, path.name)
    except NotRegular as error:
        raise DataMissing(str(error)) from error
    except OSError as error:
        raise DataMissing(f"`{make_printable(path.name, 200)}` cannot be read ({error.strerror or error}).") from error


def unpack_stream(file: BinaryIO, name: str) -> bytes:
    """As `read_unpacked`, of a stream that can be rewound; `name` is what sentences call it."""
    # By its first bytes, not its name: people rename files.
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    try:
        content = gzip.GzipFile(fileobj=file).read(MAX_UNPACKED + 1) if packed else file.read(MAX_UNPACKED + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataMissing(f"`{make_printable(name, 200)}` is packed by gzip, and damaged.") from error
    if len(content) > MAX_UNPACKED:
        raise DataMissing(f"`{make_printable(name, 200)}` should hold at most {MAX_UNPACKED >> 20} MB. Found more.")
    return content


def to_idx(array: np.ndarray) -> bytes:
    """Bytes as IDX: two zeros, type 8, the number of axes, their lengths, the data."""
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def _from_idx(content: bytes, name: str, axes: int) -> np.ndarray:
    """The array of an IDX file of bytes with so many axes; DataMissing where its header or its length is another."""
    start = 4 + 4 * axes
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) < start:
        raise DataMissing(
            f"`{name}` should be a file of bytes in the IDX format. Found {identify_content(content[:64])}."
        )
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    # Python's whole numbers: numpy's product of made-up lengths could overflow.
    size = 1
    for length in shape:
        size *= length
    if len(content) - start != size:
        raise DataMissing(f"`{name}` should hold {size:,} bytes of data. Found {len(content) - start:,}.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def check_contents(source: str, content: dict[str, bytes]) -> None:
    """Hold the four files of a source against what they should be: rows, and for MNIST the sums of the files.

    content: name of a file -> its bytes, unpacked.

    Raises DataMissing, in one sentence, where they are not its own.
    """
    for prefix, rows in ROWS.items():
        images, _ = images_and_labels(content, prefix)
        if len(images) != rows:
            raise DataMissing(f"`{prefix}-images-idx3-ubyte` should hold {rows:,} images. Found {len(images):,}.")
    if source == "MNIST":
        for name, wanted in MD5.items():
            if hashlib.md5(content[name], usedforsecurity=False).hexdigest() != wanted:
                raise DataMissing(f"`{name}` is not MNIST's: its md5 should be {wanted}.")


def status(root: Path | None) -> dict[str, str]:
    """source -> state of what is in `root`: ready, missing, or damaged and how."""
    return {source: _state(root, source) for source in SOURCES}


def _state(root: Path | None, source: str) -> str:
    """`ready`, `missing`, or `damaged` and how, of one source."""
    paths = [root / source / "raw" / name for name in FILES] if root else []
    if not paths or not all(path.is_file() for path in paths):
        return "missing"
    states = ((stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in paths))
    return _check_files(source, tuple(paths), tuple(states))


@cache
def _check_files(source: str, paths: tuple[Path, ...], states: tuple[tuple[int, int], ...]) -> str:
    """`ready`, or `damaged` and how: once for each state of the files, sizes and times of change."""
    try:
        check_contents(source, {path.name: read_unpacked(path) for path in paths})
    except DataMissing as error:
        return f"damaged ({str(error).rstrip('.')})"
    return "ready"
