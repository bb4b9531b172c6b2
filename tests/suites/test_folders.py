"""A folder of `suites/` is a suite; `_shared` is none."""

import importlib
import pkgutil
import subprocess
import sys

import suites
from bench.catalogue.registry import list_entries
from bench.check.splits import _clear_caches
from suites.nyuv2.splits import official_images


def test_every_folder_is_one_suite_of_its_name():
    folders = {module.name for module in pkgutil.iter_modules(suites.__path__) if not module.name.startswith("_")}
    built_in = {
        name: entry for name, entry in list_entries("suite").items() if entry.cls.__module__.startswith("suites.")
    }
    assert built_in.keys() == folders
    for name, entry in built_in.items():
        assert entry.cls.__module__ == f"suites.{name}.suite"
        assert importlib.import_module(f"suites.{name}").__all__ == [entry.cls.__name__]


def test_what_suites_share_registers_nothing():
    code = (
        "import pkgutil, importlib, suites._shared as shared, bench.catalogue.registry as registry\n"
        "for m in pkgutil.walk_packages(shared.__path__, 'suites._shared.'): importlib.import_module(m.name)\n"
        "print(registry._ENTRIES['suite'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{}"


def test_data_made_anew_is_made_anew_in_every_module_of_a_suite():
    official_images("train")
    assert official_images.cache_info().currsize
    _clear_caches("suites.nyuv2.suite")
    assert not official_images.cache_info().currsize
