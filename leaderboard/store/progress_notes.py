"""Notes of runs that go on in a store, from which `site --watch` shows progress.

`bench/execution/live_notes` writes a note for each process that runs cells; this module reads and removes them. A note
is named after its process, since a killed one cannot remove its own.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

from leaderboard.store.limits import parse_json, read_limited

NOTES_FOLDER = ".live"
MAX_NOTE = 64 * 1024


def read_live(root: Path) -> dict[str, Any]:
    """Read what runs in a store.

    Args:
        root: the store.

    Returns:
        `{"runs": [...]}` as the overview's template takes it, each with a title, a summary, counts of cells and the
        cells that train. Notes of dead processes, and files that are no notes, are skipped.
    """
    runs = []
    for path in sorted((root / NOTES_FOLDER).glob("*.json")):
        try:
            note = parse_json(read_limited(path, MAX_NOTE))
            if not is_alive(path):
                continue
            runs.append(
                {
                    "title": str(note["title"]),
                    "summary": str(note["summary"]),
                    "planned": int(note["planned"]),
                    "ended": int(note["ended"]),
                    "cells": [
                        {"name": str(cell["name"]), "done": int(cell["done"]), "epochs": int(cell["epochs"])}
                        for cell in note["cells"]
                    ],
                }
            )
        except (ValueError, KeyError, TypeError):
            continue  # somebody else's file, or one that is written just now
    return {"runs": runs}


def clear_notes(root: Path) -> None:
    """Remove the notes of processes that ended, and those that this process left before.

    What cannot be removed stays, as its next reader skips it anyway.
    """
    mine = make_note_prefix(os.getpid())
    with contextlib.suppress(OSError):
        for note in (root / NOTES_FOLDER).glob("*.json"):
            if not is_alive(note) or note.name.startswith(mine):
                note.unlink(missing_ok=True)
        (root / NOTES_FOLDER).rmdir()


def make_note_prefix(pid: int) -> str:
    """The start of a note's name: process id and start time.

    The time, in the system's clock ticks, tells processes apart that had one id after another; it is 0 where the system
    does not say.
    """
    try:
        began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]  # after a name with any sign in it
    except (OSError, IndexError):
        began = "0"
    return f"{pid}-{began}-"


def is_alive(note: Path) -> bool:
    """Whether the process that a note is named after still runs on this machine.

    Another user's process, which may not be signalled, counts as running.
    """
    try:
        pid = int(note.name.partition("-")[0])
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return note.name.startswith(make_note_prefix(pid))
