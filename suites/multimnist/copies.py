"""MNIST in the forms in which people have it: four IDX files packed or not, in any folder, Keras' archive, or a mirror.

Names as torchvision and Fashion-MNIST's authors have them (`train-images-idx3-ubyte[.gz]`), and as Kaggle's
copies do (`train-images.idx3-ubyte`). What is in them decides about MNIST; Fashion-MNIST is told by a folder of
its name.

Keras' archive is a zip of NumPy arrays, `x_train` (60000, 28, 28) and so on. What is kept are the four IDX
files, unpacked, in `NAME/raw`, as torchvision has them.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from bench.api import DataMissing
from bench.errors import make_printable
from bench.system.files import make_folder, write_whole
from bench.system.regular import open_regular
from suites.multimnist.files import (
    FILES,
    MAX_UNPACKED,
    NAMES,
    check_contents,
    read_unpacked,
    status,
    to_idx,
    unpack_stream,
)

ARCHIVES = ("mnist.npz", "fashion-mnist.npz", "fashion_mnist.npz")
PARTS = {
    "x_train": 3,
    "y_train": 1,
    "x_test": 3,
    "y_test": 1,
}  # axes of Keras' arrays, in the order of FILES
SPELLED = {  # as a file may be called -> its name
    name + packed: file for file in FILES for name in (file, file.replace("-idx", ".idx")) for packed in ("", ".gz")
}
PATIENCE = 30.0  # seconds without a byte from a mirror


def copy_digits(root: Path | None, source: Path | None) -> Iterator[str]:
    """Copy what is missing from `source`, or download it; yields what was done.

    root: the data folder.
    source: a folder, or a file in it; None downloads.

    Raises DataMissing where nothing is named, and where a download fails; a source without one of the two
    sets is a sentence, since people often have one.
    """
    if root is None:
        raise DataMissing("A data folder should be named with --data-dir.")
    for name, state in status(root).items():
        if state == "ready":
            yield f"{name}: ready already"
            continue
        if source is None:
            yield f"{name}: downloading"
            _keep(root, name, _download(name))
            continue
        try:
            content, where = _find_copy(source, name)
        except DataMissing as error:
            yield f"{name}: {error}"
            continue
        _keep(root, name, content)
        yield f"{name}: copied from {where}"


def _keep(root: Path, name: str, content: dict[str, bytes]) -> None:
    """Write the four files of a set. They were checked before: what is kept is whole."""
    folder = root / name / "raw"
    make_folder(folder)
    for file in FILES:
        write_whole(folder / file, content[file])


def _find_copy(source: Path, name: str) -> tuple[dict[str, bytes], Path]:
    """The four files of `name` at or below `source`, unpacked and checked, and their folder.

    source: folder or file.
    name: `MNIST` or `FashionMNIST`.

    Raises DataMissing, in one sentence, where none of the copies is whole: of the best of them.
    """
    copies: dict[Path, dict[str, Path]] = {}
    for path in _candidates(source):
        # The two sets have files of the same names.
        if ("fashion" in str(path.absolute()).lower()) == (name == "FashionMNIST"):
            file = SPELLED.get(path.name, "")
            inner = path.parent.name in SPELLED  # a folder for each file, as unpackers make
            copies.setdefault(path if not file else path.parent.parent if inner else path.parent, {})[file] = path
    said = []
    # The most complete copy first, then the nearest: the first that is whole is taken.
    for where, paths in sorted(copies.items(), key=lambda item: (-len(item[1]), len(item[0].parts), item[0])):
        try:
            if "" not in paths and (absent := [file for file in FILES if file not in paths]):
                raise DataMissing(f"{' and '.join(f'`{file}`' for file in absent)} should lie in `{where}` as well.")
            content = _read_archive(where) if "" in paths else {file: read_unpacked(paths[file]) for file in FILES}
            check_contents(name, content)
            return content, where
        except DataMissing as error:
            said.append(error)
    if said:
        raise said[0]
    there = make_printable(str(source))
    if name == "FashionMNIST":
        raise DataMissing(f"not under `{there}`, in a folder whose name has `fashion` in it.")
    forms = f"{NAMES}, packed by gzip or not, or Keras' `{ARCHIVES[0]}`"
    raise DataMissing(f"`{there}` should hold {forms}. None is there.")


def _candidates(source: Path) -> Iterator[Path]:
    """Files with one of the names, at or below `source`; of a file that is named, those beside it too."""
    if not source.is_dir():
        yield from (source.with_name(name) for name in SPELLED if source.with_name(name).exists())
        if source.name in ARCHIVES:
            yield source
        return
    for folder, folders, files in os.walk(source):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(files) if name in SPELLED or name in ARCHIVES)


def _read_archive(path: Path) -> dict[str, bytes]:
    """The arrays of Keras' archive as the four files. DataMissing where they are no bytes of the right axes."""
    content, name = {}, make_printable(path.name)
    for file, (part, axes) in zip(FILES, PARTS.items(), strict=True):
        try:
            with open_regular(path) as stream, zipfile.ZipFile(stream) as archive, archive.open(f"{part}.npy") as entry:
                # Read up to a limit: an entry of few bytes can unpack to any number.
                array = _from_npy(entry.read(MAX_UNPACKED + 1))
        except MemoryError:
            raise
        except Exception as error:  # whatever is wrong with an archive
            raise DataMissing(f"`{name}` should be Keras' archive, with `{part}`; it is damaged.") from error
        if (
            array.ndim != axes
            or array.dtype.kind not in "ui"
            or array.size == 0
            or array.min() < 0
            or array.max() > 255
        ):
            raise DataMissing(
                f"`{part}` of `{make_printable(path.name)}` should hold bytes on {axes} axes. Found {array.shape}."
            )
        content[file] = to_idx(array.astype(np.uint8))
    return content


def _from_npy(content: bytes) -> np.ndarray:
    """An array in NumPy's format, whose header is believed only where as many bytes follow; ValueError otherwise.

    `numpy.load` would allocate what the header says.
    """
    stream = io.BytesIO(content)
    # The two versions of the format that arrays of numbers are written in.
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, by_columns, dtype = readers[np.lib.format.read_magic(stream)](stream)
    rest = memoryview(content)[stream.tell() :]
    if dtype.hasobject or by_columns or dtype.itemsize * int(np.prod(shape, dtype=object)) != len(rest):
        raise ValueError("another number of bytes")
    return np.frombuffer(rest, dtype).reshape(shape)


def _download(name: str) -> dict[str, bytes]:
    """The four files from the mirrors that torchvision knows, each held against its md5: name -> bytes, unpacked."""
    from torchvision import datasets

    known = getattr(datasets, name)
    return {file.removesuffix(".gz"): _fetch(name, known.mirrors, file, md5) for file, md5 in known.resources}


def _fetch(name: str, mirrors: list[str], file: str, md5: str) -> bytes:
    """One file from the first mirror that has it, unpacked.

    name: of the set, for the sentence.
    mirrors: addresses of folders.
    file: its name there, packed.
    md5: of the packed file.

    Raises DataMissing, with a reason, where none has it.
    """
    reason = ""
    for mirror in mirrors:
        try:
            with urlopen(f"{mirror}{file}", timeout=PATIENCE) as answer:
                content: bytes = answer.read(MAX_UNPACKED + 1)
        except (OSError, ValueError) as error:
            cause = getattr(error, "reason", error)  # as urllib wraps it
            reason = reason or make_printable(str(getattr(cause, "strerror", None) or cause), 200)
            continue
        # Against mistakes, not attackers: it is the sum that is published.
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
            return unpack_stream(io.BytesIO(content), file)
        reason = "what came is another file"
    raise DataMissing(
        f"{name} could not be downloaded ({reason}). Without a network, put {NAMES}, packed by gzip or not, in a "
        "folder, and name it with `--source`."
    )
