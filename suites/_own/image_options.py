"""What a user says about a folder of images."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from suites._own.table_import import SHARES


@dataclass(frozen=True)
class ImageOptions:
    """What the user says about a folder of images.

    targets: columns of the table of labels, or folders of maps; empty for all such folders.
    file_column: of the table, with names of files; None to find it.
    group: a column; or `prefix`, the name of a file up to the first `_` or `-`.
    types: target -> kind.
    size: rows and columns that all images are brought to; None where they have one size.
    scale: task -> factor on the stored numbers. ignore: task -> number that stands for a missing label.
    shares: of training, validation and test. seed: of the division.
    """

    targets: tuple[str, ...] = ()
    file_column: str | None = None
    group: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    scale: Mapping[str, float] = field(default_factory=dict)
    ignore: Mapping[str, int] = field(default_factory=dict)
    shares: tuple[float, ...] = SHARES
    seed: int = 0
