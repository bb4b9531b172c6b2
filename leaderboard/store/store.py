"""The store: a folder of records that any number of processes write at once.

A record is one file while runs go on, and a line of its method's file once it is packed (`merge`); reading takes both.
Beside the records lie pictures, checkpoints of runs that are not finished, and marks of records that wait to be copied
to a mirror.
"""

import contextlib
import errno
import gc
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bench.records import ResultRecord, RunSpec, slug
from bench.records.record import MAX_BYTES
from bench.system.files import clear_abandoned, folder_lock, make_folder
from leaderboard.store.json_text import write_whole
from leaderboard.store.load import Loaded, load_lines, load_record
from leaderboard.store.models import has_model, is_model_card, place_weights, write_model
from leaderboard.store.packed import PANELS, ProtocolShelf, find_packed_files, find_packed_path
from leaderboard.store.place import check_file_place
from leaderboard.store.problem import Problem
from leaderboard.store.progress_notes import NOTES_FOLDER as LIVE
from leaderboard.store.progress_notes import clear_notes
from leaderboard.store.room import format_record
from leaderboard.store.walk import list_record_files

_NUMBER = re.compile(r"[0-9a-f]+\.\d{1,4}\.png\Z")
# Hidden folders, which no walk over records enters.
UNMIRRORED = ".unmirrored"
CHECKPOINTS = ".checkpoints"  # where runs that go on keep their state; no part of the results, and free to delete


@dataclass(frozen=True)
class StoreContents:
    """What was read of a store: its sound records in the order of their paths, and the files that were left out.

    `root` is None for records that lie in no store; `paths` maps a run id to where its record lies, relative to the
    root, a line as `FILE:NUMBER`. `ledger` are the lines of verification that came with records without a store.
    """

    records: list[ResultRecord] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    root: Path | None = None
    paths: dict[str, str] = field(default_factory=dict)  # run id -> where its record lies, relative to the root
    ledger: Sequence[str] = ()


class Store:
    """A folder of records, open and packed.

    Runs are written open, as `root/<suite>/<method>/<run_id>.json` with slugs of the canonical names, so that
    writers never meet in one file. `leaderboard.store.merge` packs them; everything here reads both forms.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._shelf = ProtocolShelf(self.root)

    def path(self, spec: RunSpec) -> Path:
        """Where the open record of a run lies, whether or not it is there."""
        return self.root / slug(spec.suite) / slug(spec.method) / f"{spec.run_id}.json"

    def checkpoint(self, spec: RunSpec) -> Path:
        """Where a run keeps its state until its record is stored."""
        return self.root / CHECKPOINTS / f"{spec.run_id}.pt"

    def unmirrored_mark(self, spec: RunSpec) -> Path:
        """A file that exists while the record of a run should be copied to the mirror and is not."""
        return self.root / UNMIRRORED / spec.run_id

    def write(self, record: ResultRecord) -> Path:
        """Store a record; readers see the old file or the new one, never a part.

        A failed record replaces no finished one, and nothing replaces a packed one that is finished. A finished record
        ends the checkpoint of its run.

        Args:
            record: sealed and sound.

        Returns:
            The file that holds the result of the run now, which is another one where a finished record was there
            already.

        Raises:
            ValueError: the record is unsound or above MAX_BYTES.
            OSError: the folder cannot be written.
        """
        if problems := record.find_problems():
            raise ValueError(f"A record should be sound and sealed before it is stored. Found: {'; '.join(problems)}.")
        text = format_record(record)
        size = len(text.encode())
        if size > MAX_BYTES:
            raise ValueError(f"A record should be at most {MAX_BYTES} bytes. Found {size} in run {record.run_id}.")
        target = self.path(record.spec)
        self.check_place(record.spec)
        for packed in self._read_packed(record.spec, record.run_id):
            if packed.run_id == record.run_id and packed.status == "done":
                self._drop_checkpoint(record.spec)
                return self.root / find_packed_path(packed)
        make_folder(target.parent)
        with folder_lock(
            target.parent
        ):  # a failure that looked before another writer finished would overwrite its record
            if record.status == "failed" and self.has_done(record.spec):
                return target
            write_whole(target, text)
        if record.status == "done":
            self._drop_checkpoint(record.spec)
        return target

    def clear(self, done: Iterable[RunSpec] = ()) -> None:
        """Remove what killed runs left: notes, temporary files, and the checkpoints of those that are `done`."""
        for folder, folders, _ in os.walk(self.root):
            hidden = (CHECKPOINTS, LIVE) if Path(folder) == self.root else ()
            folders[:] = [name for name in folders if not name.startswith(".") or name in hidden]
            clear_abandoned(Path(folder))
        # After temporary files: one that was left among checkpoints would keep their folder.
        for spec in done if (self.root / CHECKPOINTS).is_dir() else ():
            self._drop_checkpoint(spec)
        clear_notes(self.root)

    def _drop_checkpoint(self, spec: RunSpec) -> None:
        """Remove the checkpoint of a run, and the folder of checkpoints if it was the last."""
        with contextlib.suppress(OSError):  # there is none; others are left
            self.checkpoint(spec).unlink(missing_ok=True)
            (self.root / CHECKPOINTS).rmdir()

    def write_panels(self, spec: RunSpec, panels: list[bytes]) -> None:
        """Store the pictures of a run, PNG bytes, as `<run_id>.0.png` and so on; earlier ones are removed."""
        folder = self.path(spec).parent
        make_folder(folder)
        for old in self.panels(spec):
            old.unlink(missing_ok=True)
        for number, data in enumerate(panels):
            write_whole(folder / f"{spec.run_id}.{number}.png", data)

    def panels(self, spec: RunSpec) -> list[Path]:
        """The pictures of a run in order: those beside its open record, else those of the packed one."""
        for folder in (self.path(spec).parent, self.root / PANELS):
            if folder.is_symlink():
                continue
            panels = [path for path in folder.glob(f"{spec.run_id}.*.png") if _NUMBER.match(path.name)]
            if panels:
                return sorted(panels, key=lambda path: int(path.name.split(".")[1]))
        return []

    def write_model(self, spec: RunSpec, card: str, weights: bytes) -> None:
        """Store the trained model of a run; raises as `leaderboard.store.models.write_model`."""
        write_model(self.root, self.path(spec), card, weights)

    def has_model(self, spec: RunSpec) -> bool:
        """Whether a run has a model, or a note why it has none."""
        return has_model(self.path(spec))

    def has_weights(self, spec: RunSpec) -> bool:
        """Whether a run has a model, and no note in its place."""
        return self.has_model(spec) and place_weights(self.path(spec)).is_file()

    def get(self, spec: RunSpec) -> ResultRecord | None:
        """The sound record of a run, or None; a finished one comes before a failed one, open or packed."""
        path = self.path(spec)
        if not path.resolve().is_relative_to(self.root.resolve()):
            return None
        loaded = load_record(path)
        if isinstance(loaded, ResultRecord) and loaded.run_id == spec.run_id and loaded.status == "done":
            return loaded
        packed = [record for record in self._read_packed(spec, spec.run_id) if record.run_id == spec.run_id]
        if packed:
            return packed[0]
        return loaded if isinstance(loaded, ResultRecord) and loaded.run_id == spec.run_id else None

    def _read_packed(self, spec: RunSpec, holding: str = "") -> Iterator[ResultRecord]:
        """Sound packed records of the suite and the method of `spec` on lines with the text `holding`."""
        for path in find_packed_files(self.root, spec):
            if path.resolve().is_relative_to(self.root.resolve()):
                for _, loaded in load_lines(path, self._shelf, holding=holding):
                    if isinstance(loaded, ResultRecord):
                        yield loaded

    def list_siblings(self, spec: RunSpec) -> list[ResultRecord]:
        """The sound records of a run's suite and method under whatever seed, settings and code."""
        files = sorted(self.path(spec).parent.glob("*.json"))
        loaded = [load_record(path) for path in files if not is_model_card(path.name)]
        same = {record.run_id: record for record in self._read_packed(spec)}
        same |= {record.run_id: record for record in loaded if isinstance(record, ResultRecord)}
        return [
            record for record in same.values() if (record.spec.suite, record.spec.method) == (spec.suite, spec.method)
        ]

    def has_done(self, spec: RunSpec) -> bool:
        """Whether a sound, finished record of `spec` is stored."""
        record = self.get(spec)
        return record is not None and record.status == "done"

    def read(self, suite: str | None = None, *, check: bool = True) -> StoreContents:
        """Every sound record; whatever is corrupt, tampered with, too large or double is named and left out.

        The order is that of the open form's paths, whatever form records have. A record that lies packed and open, as
        where packing was interrupted, counts once, and a finished open one in place of a packed failure.

        Args:
            suite: The name of a suite, without options: only its records, under whatever options.
            check: Whether digests and scores are recomputed, which takes two thirds of the time.
        """
        contents = StoreContents(root=self.root)
        taken: dict[str, tuple[ResultRecord, str]] = {}
        with pause_collector():
            for where, loaded in self._load_all(contents.problems, suite, check):
                if isinstance(loaded, ResultRecord) and loaded.run_id in taken:
                    first, first_where = taken[loaded.run_id]
                    if _is_packed(where) != _is_packed(first_where):
                        packed, opened = (loaded, first) if _is_packed(where) else (first, loaded)
                        if packed.digest == opened.digest:
                            continue
                        if packed.status == "failed":
                            taken[loaded.run_id] = (opened, first_where if opened is first else where)
                            continue
                    which = "this copy" if loaded.digest == first.digest else "the one that should not count"
                    loaded = [f"run_id: already read from {first_where}; remove {which}"]
                if isinstance(loaded, list):
                    contents.problems.append(Problem(where, loaded))
                else:
                    taken[loaded.run_id] = loaded, where
            entries = list(taken.values())
            # Packed files come in an order of their own; tables and tests should not depend on the form.
            if any(_is_packed(where) for _, where in entries):
                entries.sort(key=lambda entry: make_place(entry[0].spec))
            for record, where in entries:
                contents.records.append(record)
                contents.paths[record.run_id] = where
        return contents

    def _load_all(self, problems: list[Problem], suite: str | None, check: bool) -> Iterator[tuple[str, Loaded]]:
        """(where it lies, record or reasons) of everything that should be a record; a line is at `FILE:NUMBER`."""
        for path in list_record_files(self.root, problems, suite):
            where = path.relative_to(self.root).as_posix()
            if path.suffix == ".json":
                items = iter([(where, load_record(path, check=check))])
            else:
                lines = load_lines(path, self._shelf, check=check)
                items = ((f"{where}:{number}" if number else where, loaded) for number, loaded in lines)
            for place, loaded in items:
                other = isinstance(loaded, ResultRecord) and suite and loaded.spec.suite.partition(":")[0] != suite
                if not other:
                    yield place, loaded

    def check_writable(self) -> None:
        """Check that a record could be written here; nothing is left behind.

        Raises:
            OSError: one sentence: the root or a parent of it is no folder, a name is too long, it is read-only, or has
                no room for a record of MAX_BYTES.
        """
        nearest = self.root
        while not os.path.lexists(nearest) and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            where = "" if nearest == self.root else f" at `{nearest}`"
            raise NotADirectoryError(f"The store `{self.root}` should be a folder. Found a file{where}.")
        try:
            for part in self.root.relative_to(nearest).parts:
                if len(os.fsencode(part)) > os.pathconf(nearest, "PC_NAME_MAX"):
                    raise OSError("File name too long")
            # Writing a real file is the only test that read-only mounts, full disks and a superuser cannot fool.
            with tempfile.TemporaryFile(dir=nearest) as file:
                file.write(bytes(MAX_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OSError(
                    f"The store `{self.root}` should have room for a record of {MAX_BYTES >> 10} KiB, but has not "
                    f"({reason}); free some, and the same command goes on."
                ) from error
            raise OSError(f"The store `{self.root}` should be writable, but `{nearest}` is not ({reason}).") from error

    def check_place(self, spec: RunSpec) -> None:
        """Check that nothing lies in the way of the record of a run.

        Raises:
            OSError: one sentence: its folder is a link out of the store or no folder, or its file is a folder.
        """
        check_file_place(self.root, self.path(spec), "record")


def _is_packed(where: str) -> bool:
    """Whether a place of `StoreContents.paths` is a line: an open record's path ends in `.json`."""
    return not where.endswith(".json")


def make_place(spec: RunSpec) -> tuple[str, str, str]:
    """(suite, method, run id), by which records are sorted as the paths of open records are."""
    return _slug(spec.suite), _slug(spec.method), spec.run_id


_slug = lru_cache(maxsize=4096)(slug)  # a store has few names and many records


@contextlib.contextmanager
def pause_collector() -> Iterator[None]:
    """Switch Python's garbage collector off while records are read, and keep what was read out of its later rounds.

    Records have no cycles, and the collector would look at all of them again and again. They are frozen until the next
    time a store is read.
    """
    was = gc.isenabled()
    gc.unfreeze()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.freeze()
            gc.enable()
