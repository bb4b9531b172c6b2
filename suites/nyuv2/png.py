"""Trees of PNG files, in the two layouts met in the wild.

`tree-seg13`: `{train,test}_{rgb,seg13,depth[,sn]}/NNNN.png`, depth in units of 0.1 mm. Sixteen bits of them end at
6.55 m; the public script that makes such trees lets farther depths start again at 0, which nothing here can undo.
`tree-parts`: `{image,seg13,depth[,normal]}/{train,test}/NNNNN.png`, depth in mm.

In both, labels are 0 unlabelled, 1..13 the classes and 255 ignored; normals are (n + 1) / 2 times 255.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from bench.api import DataMissing
from bench.system.regular import NotRegular, open_regular
from suites.nyuv2.files import FilesSource
from suites.nyuv2.source import as_units, check_pixels

# Every decoder more is one that a crafted file can attack.
FORMATS = ("PNG", "JPEG")  # whatever the name says, no other decoder is tried


class PngTree(FilesSource):
    """What the two have in common: how a file is read and what its numbers mean.

    `units` are how many units of stored depth make a metre.
    """

    suffixes = (".png", ".jpg", ".jpeg")
    units: float  # of depth, to the metre

    def load(self, path: Path) -> np.ndarray:
        """Pixels as stored: (rows, columns) for grey values of 8 or 16 bits, (rows, columns, 3) for colours."""
        try:
            with open_regular(path) as stream, Image.open(stream, formats=FORMATS) as file:
                check_pixels(file.height, file.width, f"`{path}`")  # as declared: nothing is decoded yet
                wanted = file.convert("RGB") if file.mode in ("RGBA", "CMYK", "YCbCr") else file
                return np.asarray(wanted)
        except NotRegular as error:
            raise DataMissing(str(error)) from error
        except Image.DecompressionBombError as error:
            raise DataMissing(f"`{path}` cannot be read as an image: it declares too many pixels.") from error
        except (OSError, SyntaxError, ValueError) as error:  # a broken PNG: SyntaxError
            why = getattr(error, "strerror", None) or "it is damaged, or of another kind"
            raise DataMissing(f"`{path}` cannot be read as an image: {why}.") from error

    def convert(self, part: str, values: np.ndarray, where: str) -> np.ndarray:
        """As `FilesSource.convert`; labels 1..13 become 0..12, 0 and 255 become -1, depth becomes metres."""
        if part == "label":
            if ((values > 13) & (values != 255)).any():
                worst = values[(values > 13) & (values != 255)].max()
                raise DataMissing(f"{where} should hold 0 to 13, or 255 where ignored. Found {worst}.")
            return np.where(values == 255, -1, values.astype(np.int16) - 1).astype(np.int8)
        if part == "depth":
            # Depth of 8 bits was scaled by who knows what.
            if values.dtype in (np.uint8, np.bool_):
                raise DataMissing(
                    f"{where} should hold depth in 16 bits. Found {8 if values.dtype == np.uint8 else 1}."
                )
            return (values / self.units).astype(np.float32)
        if part == "normal":
            return as_units(values / np.float32(127.5) - 1, where)
        return super().convert(part, values, where)


class PngTreeSeg13(PngTree):
    """`{train,test}_{rgb,seg13,depth[,sn]}/NNNN.png`, depth in units of 0.1 mm."""

    name = "tree-seg13"
    units = 1e4

    def folder(self, root: Path, split: str, part: str) -> Path:
        """`train_rgb` and the like."""
        return root / f"{split}_{ {'image': 'rgb', 'label': 'seg13', 'normal': 'sn'}.get(part, part) }"


class PngTreeParts(PngTree):
    """`{image,seg13,depth[,normal]}/{train,test}/NNNNN.png`, depth in mm."""

    name = "tree-parts"
    units = 1e3

    def folder(self, root: Path, split: str, part: str) -> Path:
        """`image/train` and the like."""
        return root / {"label": "seg13"}.get(part, part) / split
