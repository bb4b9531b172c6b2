"""Checks the place of a file before anything is written, so that what is in the way is said while nothing is lost."""

import os
from pathlib import Path


def check_file_place(root: Path, path: Path, what: str = "file") -> None:
    """Check that nothing lies in the way of a file of a store; files, links and pipes at `path` give way to it.

    Args:
        root: the store, which need not exist.
        path: where the file should lie in it, at any depth.
        what: what the file is, for the sentence.

    Raises:
        OSError: one sentence: a folder of the path is a link out of the store or no folder, or the file is a folder.
    """
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise OSError(f"A {what} should stay inside the store. `{path.parent}` is a link that leads outside it.")
    between = [folder for folder in path.parents if folder.is_relative_to(root) and folder != root]
    for folder in reversed(between):  # from the root on: what is under a file is not there either
        if os.path.lexists(folder) and not folder.is_dir():
            raise NotADirectoryError(f"`{folder}` should be a folder of {what}s. Found something else; remove it.")
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(f"`{path}` should be a {what} or nothing. Found a folder; remove it.")
