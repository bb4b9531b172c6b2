"""Progress notes: a small file beside the records while cells run, read by `mtlbench site --watch`.

One file per command, in a folder of the store; `leaderboard.store.progress_notes` reads it.
"""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.engines.events import Ended, Event
from bench.execution.progress import Tracker, name_cell
from bench.records import RunSpec
from leaderboard.store.json_text import write_whole
from leaderboard.store.progress_notes import NOTES_FOLDER, make_note_prefix

PAUSE = 1.0  # seconds between two writes, at least; the site looks every two


@contextmanager
def write_live_note(store: Path, specs: list[RunSpec], jobs: int) -> Iterator[Callable[[Event], None]]:
    """Keep the progress note up to date until the context ends; yields the function to call with each event.

    The file is replaced as a whole, so that a reader never sees half of it, and removed at the end. Errors of writing
    are ignored: a store that can only be read has no note.
    """
    folder = store / NOTES_FOLDER
    # Named after this process, so that a note whose command was killed can be told from a live one.
    note = folder / f"{make_note_prefix(os.getpid())}{secrets.token_hex(4)}.json"
    tracker = Tracker(specs, jobs)
    cells: dict[str, dict[str, object]] = {}
    last = 0.0

    def write() -> None:
        """Replace the file."""
        content = {
            "title": ", ".join(dict.fromkeys(spec.suite.partition(":")[0] for spec in specs)),
            "summary": tracker.summary(),
            "planned": len(specs),
            "ended": tracker.done + tracker.failed,
            "cells": list(cells.values()),
        }
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(note, json.dumps(content))

    def see(event: Event) -> None:
        """Take an event; an end of a cell is written at once."""
        nonlocal last
        tracker.see(event)
        if isinstance(event, Ended):
            cells.pop(event.spec.run_id, None)
        else:
            cells[event.spec.run_id] = {"name": name_cell(event.spec), "done": event.done, "epochs": event.epochs}
        if isinstance(event, Ended) or time.monotonic() - last > PAUSE:
            last = time.monotonic()
            write()

    write()
    try:
        yield see
    finally:
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)
            folder.rmdir()
