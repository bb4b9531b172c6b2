"""The one step of a build that pyproject.toml cannot say: a package carries a compact copy of the committed results.

A clone has them in `leaderboard/results`, too large for a package. `build_py` writes the copy into the wheel, `sdist`
into the archive, from where a wheel that is built of it takes the same file. So it is with the files at the root that
pages quote.
"""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
RESULTS = HERE / "leaderboard" / "results"
COPY = Path("leaderboard") / "results.jsonl.xz"  # where the package looks for it
QUOTED = ("CITATION.cff", "CHANGELOG.md")


def load_compact() -> ModuleType:
    """The module that writes the copy, by its file: the package itself needs more than a build has installed."""
    spec = importlib.util.spec_from_file_location("compact", HERE / "leaderboard" / "store" / "compact.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def place_copy(folder: Path) -> None:
    """Write the copies into a tree of the package at `folder`: of the files of a clone, else those that are there."""
    if any(RESULTS.glob("*/*.jsonl")):  # an archive has the folder, with the license
        load_compact().write_compact(RESULTS, folder / COPY)
    elif (HERE / COPY).is_file():
        (folder / COPY).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / COPY, folder / COPY)
    for name in QUOTED:
        source = next((path for path in (HERE / name, HERE / "leaderboard" / name) if path.is_file()), None)
        if source:
            (folder / "leaderboard").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / "leaderboard" / name)


class BuildWithResults(build_py):
    """As setuptools builds, and the copy; not where the package stays in its clone, which has the records."""

    def run(self) -> None:
        """Build."""
        super().run()
        if not self.editable_mode:
            place_copy(Path(self.build_lib))


class ArchiveWithResults(sdist):
    """As setuptools makes a source archive, and the copy."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Lay out the tree that is packed."""
        super().make_release_tree(base_dir, files)
        place_copy(Path(base_dir))


setup(cmdclass={"build_py": BuildWithResults, "sdist": ArchiveWithResults})
