"""Which form of NYUv2 a path holds: a folder is known by the names of its folders, not by what is in them."""

from pathlib import Path

from bench.api import DataMissing
from suites.nyuv2.files import FilesSource
from suites.nyuv2.mat import FILE, MatFile
from suites.nyuv2.mtan import MtanFolder
from suites.nyuv2.png import PngTreeParts, PngTreeSeg13
from suites.nyuv2.source import Source

# layout -> folders of which one is enough to know it, so that a missing one is named as missing
SIGNS: dict[type[FilesSource], tuple[str, ...]] = {
    MtanFolder: tuple(f"{split}/{part}" for split in ("train", "val") for part in ("image", "label", "depth")),
    PngTreeSeg13: tuple(f"{split}_{part}" for split in ("train", "test") for part in ("rgb", "seg13", "depth")),
    PngTreeParts: tuple(f"{part}/{split}" for split in ("train", "test") for part in ("image", "seg13", "depth")),
}


def recognise(path: Path) -> Source:
    """The copy at `path`, opened and checked.

    path: the official file, a folder that holds it, or a folder of one of the layouts in SIGNS.

    Raises DataMissing where there is none, and where what is there is not whole.
    """
    if path.is_file():
        return MatFile(path)
    if (path / FILE).is_file():
        return MatFile(path / FILE)
    for layout, signs in SIGNS.items():
        if any((path / sign).is_dir() for sign in signs):
            return layout(path)
    raise DataMissing(
        f"`{path}` should be `{FILE}` or hold it, or hold `{{train,val}}/{{image,label,depth}}/<i>.npy`, "
        f"`{{train,test}}_{{rgb,seg13,depth}}/NNNN.png` or `{{image,seg13,depth}}/{{train,test}}/NNNNN.png`; "
        f"none of these is there."
    )
