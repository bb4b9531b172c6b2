"""Fixtures of the tests of prepared sets."""

from pathlib import Path

import pytest

from suites._shared.dense.writer import SetWriter
from tests.suites._shared.dense.small_set import ROWS, SIZE, fill, folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a small set of `scenes`."""
    with SetWriter(folder(tmp_path), SIZE, ROWS, {"normals": "exact"}) as writer:
        fill(writer)
        writer.finish()
    return tmp_path
