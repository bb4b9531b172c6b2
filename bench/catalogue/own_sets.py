"""Own data sets as suites, by name: looked up in the data folder, after everything that is registered."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.catalogue.options import fill_defaults
from bench.catalogue.registry import Choice, Entry, choose, is_registered
from bench.records import Call

_PACKAGE = "suites._own"  # by name, as the registry imports suites


def list_own_sets(data_dir: Path | None) -> list[str]:
    """Names of the own data sets in the data folder, sorted; torch is not loaded for it."""
    names: list[str] = importlib.import_module(f"{_PACKAGE}.folders").list_own_names(data_dir)
    return names


def read_own_entry(name: str, data_dir: Path | None) -> Entry:
    """The suite that an own data set is. Raises DataMissing where its description cannot be read."""
    return Entry("suite", name, importlib.import_module(f"{_PACKAGE}.suite").make_own_class(data_dir, name), 1, "")


def rebuild_own_suite(call: Call, kept: Mapping[str, Any]) -> Choice:
    """The suite of a call from the description that a trained model keeps of its own data set, without its data.

    Raises DataMissing or ValueError for a description that nothing here reads.
    """
    module = importlib.import_module(f"{_PACKAGE}.suite")
    description = importlib.import_module(f"{_PACKAGE}.description").OwnDescription.model_validate(kept)
    entry = Entry("suite", call.name, module.build_own_class(description), 1, "")
    return Choice(entry, fill_defaults(call.name, entry.options, call.options))


def choose_suite(call: Call, data_dir: Path | None) -> Choice:
    """The suite that a call names, registered or own, with its options.

    Raises UsageError with the nearest valid names, own data sets among them, or keys; DataMissing where the description
    of an own data set cannot be read.
    """
    own = list_own_sets(data_dir)
    if call.name not in own or is_registered("suite", call.name):
        return choose("suite", call, own)
    entry = read_own_entry(call.name, data_dir)
    return Choice(entry, fill_defaults(call.name, entry.options, call.options))
