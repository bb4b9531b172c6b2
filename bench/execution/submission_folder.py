"""The folder of a submission while it is made: locked, packed from a store of runs, and checked as a reviewer will."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leaderboard.boards import board as committed
from leaderboard.boards.board import Board
from leaderboard.intake.manifest import MANIFEST, METHOD, RESULTS, Manifest, format_manifest
from leaderboard.intake.submission import read_submission
from leaderboard.store import Problem, Store
from leaderboard.store.committed import read_committed_suite
from leaderboard.store.json_text import write_whole


@contextmanager
def lock_partial(partial: Path) -> Iterator[Path]:
    """Hold an exclusive lock on the folder of unfinished work; yields the folder.

    It is made where it is absent. The lock ends with the process, however that ends.

    Raises:
        OSError: With one sentence where it cannot be written, or another `submit` holds the lock.
    """
    try:
        partial.mkdir(parents=True, exist_ok=True)
        file = (partial / "lock").open("w")
    except OSError as error:
        raise OSError(
            f"--out should lie where files can be written. `{partial}` cannot be ({error.strerror})."
        ) from error
    with file:
        try:
            # Not waited for: the other command may take a day.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OSError(f"Another `mtlbench submit` is at work in `{partial}`; wait for its end.") from error
        yield partial


def pack_submission(draft: Manifest, code: bytes, board: Board, runs: Path, packed: Path) -> Path:
    """Write the folder of the submission anew, at `packed`: file, records and manifest.

    Records are copied byte by byte; only finished ones of the board's seeds.

    Args:
        draft: The manifest; it gets the short names of the methods that were run.
        code: The file, as it was checked and run.
        board: Decides about the seeds.
        runs: The store of the runs.
        packed: The folder; what lies there is removed.
    """
    shutil.rmtree(packed, ignore_errors=True)
    (packed / RESULTS).mkdir(parents=True)
    write_whole(packed / METHOD, code)
    store = Store(runs)
    records = [record for record in store.read().records if record.status == "done"]
    records = [record for record in records if record.spec.seed in board.seed_list]
    for record in records:
        write_whole(packed / RESULTS / f"{record.run_id}.json", store.path(record.spec).read_bytes())
    methods = sorted({record.method for record in records})
    write_whole(packed / MANIFEST, format_manifest(draft.model_copy(update={"methods": methods})))
    return packed


def find_submission_problems(folder: Path, board: Board) -> list[Problem]:
    """What is wrong with a packed folder, by the checks of `mtlbench verify`; empty where it is sound.

    `board` gives the committed runs that it is compared with.
    """
    return read_submission(folder, committed.boards(), read_committed_suite(board.suite)).problems
