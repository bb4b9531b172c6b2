"""A part of a method that is a package: its `__init__` registers it, its other modules are its own."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.catalogue import registry
from bench.catalogue.plugin_files import read_plugin
from bench.catalogue.registry import find_entry
from bench.errors import UsageError

INIT = """
from bench.api import register
from bench.sharing.folded.helper import Base

@register("folded")
class Folded(Base):
    'One trunk.'
"""
HELPER = """
from bench.api import Blueprint
from bench.sharing.hard import Hard

class Base(Hard):
    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__(blueprint)
"""


@pytest.fixture
def folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package among the sharings, of a module that registers and a module that does not."""
    folder = tmp_path / "folded"
    folder.mkdir()
    (folder / "__init__.py").write_text(INIT)
    (folder / "helper.py").write_text(HELPER)
    sharings = importlib.import_module("bench.sharing")
    monkeypatch.setattr(sharings, "__path__", [*sharings.__path__, str(tmp_path)])
    yield folder
    for name in [name for name in sys.modules if name.startswith("bench.sharing.folded")]:
        del sys.modules[name]
    vars(sharings).pop("folded", None)


def test_a_package_is_found_by_itself(folded: Path) -> None:
    before = set(registry._ENTRIES["sharing"])
    registry._walk.__wrapped__("sharing")  # again, since what was found is remembered
    assert set(registry._ENTRIES["sharing"]) - before == {"folded"}
    entry = find_entry("sharing", "folded")
    assert (entry.module, entry.cls.__module__) == ("", "bench.sharing.folded")
    assert entry.code is None  # it comes with the project


def test_gaussian_processes_are_such_a_package() -> None:
    for name in ("gp_icm", "gp_shared", "gp_single"):
        entry = find_entry("sharing", name)
        assert entry.cls.__module__ == "bench.sharing.gaussian_process"
        assert entry.code is None


def test_a_folder_is_no_plug_in_and_the_sentence_says_how_a_package_is(folded: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_plugin(folded)
    assert str(caught.value) == (
        f"A plug-in should be a Python file, `NAME.py`. Found the folder `{folded}`; install it as a package that "
        "names itself under the entry point group `mtlbench.plugins`."
    )
