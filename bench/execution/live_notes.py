"""Progress notes: a small file beside the records while cells run, read by `mtlbench site --watch`."""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.engines.events import Ended, Event
from bench.execution.progress import Tracker, name
from bench.records import RunSpec
from leaderboard.store.json_text import write_whole
from leaderboard.store.progress_notes import NOTES_FOLDER, named_after

PAUSE = 1.0  # seconds between two notes, at least


@contextmanager
def journal(store: Path, specs: list[RunSpec], jobs: int) -> Iterator[Callable[[Event], None]]:
    """Write events to the progress note until the context ends; yields the callback. A read-only store has no note."""
    folder = store / NOTES_FOLDER
    note = folder / f"{named_after(os.getpid())}{secrets.token_hex(4)}.json"
    tracker = Tracker(specs, jobs)
    cells: dict[str, dict[str, object]] = {}
    last = 0.0

    def write() -> None:
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
        nonlocal last
        tracker.see(event)
        if isinstance(event, Ended):
            cells.pop(event.spec.run_id, None)
        else:
            cells[event.spec.run_id] = {"name": name(event.spec), "done": event.done, "epochs": event.epochs}
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
