"""Trained models in a store: weights and their description, two files beside the open record of their run.

    SUITE/METHOD/RUN_ID.safetensors     weights
    SUITE/METHOD/RUN_ID.model.json      what rebuilds the model; a model is there once this file is

They are no part of the results: no reader of records opens them, and `merge` leaves them where they are.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.system.files import make_folder, write_whole
from leaderboard.store.place import check_file_place

WEIGHTS = ".safetensors"
CARD = ".model.json"
MAX_CARD = 64 << 20  # bytes; that of an imported table has the names of all its categories
_CARD_NAME = re.compile(r"(?P<run>[0-9a-f]{16})\.model\.json\Z")


def is_model_card(name: str) -> bool:
    """Whether a file of this name describes a model, and is no record."""
    return _CARD_NAME.match(name) is not None


def place_weights(record: Path) -> Path:
    """Where the weights of a run lie, from the path of its open record."""
    return record.with_name(record.stem + WEIGHTS)


def place_card(record: Path) -> Path:
    """Where the description of a run's model lies, from the path of its open record."""
    return record.with_name(record.stem + CARD)


def has_model(record: Path) -> bool:
    """Whether a run has a model, or a note why it has none, from the path of its open record."""
    card = place_card(record)
    return card.is_file() and not card.is_symlink()


def write_model(root: Path, record: Path, card: str, weights: bytes) -> None:
    """Put a model beside the record of its run; readers see all of it or nothing.

    Args:
        root: of the store.
        record: path of the open record, whether or not it is there.
        card: the description as JSON, which names the SHA-256 of the weights.
        weights: a safetensors file; empty where the card says why there are none.

    Raises:
        OSError: the folder cannot be written, or something lies in the way.
    """
    for path in (place_weights(record), place_card(record)):
        check_file_place(root, path, "model")
    make_folder(record.parent)
    # The card goes first and comes last: in between there is no model.
    place_card(record).unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        place_weights(record).unlink()
    if weights:
        write_whole(place_weights(record), weights)
    write_whole(place_card(record), card)


def find_models(root: Path) -> Iterator[tuple[str, Path]]:
    """(run id, description) of every model in a store, in the order of their paths; links are not followed."""
    for path in sorted(root.glob(f"[!.]*/[!.]*/*{CARD}")):
        match = _CARD_NAME.match(path.name)
        if match and path.is_file() and not any(each.is_symlink() for each in (path, *path.parents[:2])):
            yield match["run"], path
