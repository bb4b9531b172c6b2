"""The store: one run, one file, written whole or not at all, by any number of writers."""

import contextlib
import errno
import gc
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from bench.records import ResultRecord, RunSpec, slug
from bench.records.record import MAX_BYTES
from bench.system.files import clear_abandoned, folder_lock, make_folder
from bench.system.regular import NotRegular, TooLarge, read_regular
from leaderboard.store.json_text import write_whole
from leaderboard.store.problem import Problem
from leaderboard.store.progress_notes import NOTES_FOLDER as LIVE
from leaderboard.store.progress_notes import clear_notes
from leaderboard.store.room import stored_text

DEEPEST = 8  # folders in folders; records lie in the second
_FILES = re.compile(r"([0-9a-f]{16}(\.\d{1,4}\.png|\.json)|verified\.jsonl)\Z")  # what no folder should be called
_NUMBER = re.compile(r"[0-9a-f]+\.\d{1,4}\.png\Z")
UNMIRRORED = ".unmirrored"
CHECKPOINTS = ".checkpoints"  # where runs that go on keep their state; no part of the results, and free to delete


@dataclass(frozen=True)
class StoreContents:
    """The sound records of a store in the order of their paths, and the files that were left out."""

    records: list[ResultRecord] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    root: Path | None = None
    paths: dict[str, str] = field(default_factory=dict)  # run id -> where its record lies, relative to the root


class Store:
    """A folder of records: `root/<suite>/<method>/<run_id>.json`, with slugs of the canonical names."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, spec: RunSpec) -> Path:
        """Where the record of `spec` lies."""
        return self.root / slug(spec.suite) / slug(spec.method) / f"{spec.run_id}.json"

    def checkpoint(self, spec: RunSpec) -> Path:
        """Where a run of `spec` keeps its state until its record is stored."""
        return self.root / CHECKPOINTS / f"{spec.run_id}.pt"

    def unmirrored(self, spec: RunSpec) -> Path:
        """A file that is there while the record of `spec` should be mirrored and is not."""
        return self.root / UNMIRRORED / spec.run_id

    def write(self, record: ResultRecord) -> Path:
        """Store `record` and return its path; readers see the old file or the new one, never a part.

        A finished record is never replaced by a failed one, and ends the checkpoint of its run. Raises ValueError where
        the record is unsound or above MAX_BYTES, OSError where the folder cannot be written.
        """
        if problems := record.find_problems():
            raise ValueError(f"A record should be sound and sealed before it is stored. Found: {'; '.join(problems)}.")
        text = stored_text(record)
        size = len(text.encode())
        if size > MAX_BYTES:
            raise ValueError(f"A record should be at most {MAX_BYTES} bytes. Found {size} in run {record.run_id}.")
        target = self.path(record.spec)
        self.check_place(record.spec)
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
        for spec in done if (self.root / CHECKPOINTS).is_dir() else ():
            self._drop_checkpoint(spec)
        for folder, folders, _ in os.walk(self.root):
            hidden = (CHECKPOINTS, LIVE) if Path(folder) == self.root else ()
            folders[:] = [name for name in folders if not name.startswith(".") or name in hidden]
            clear_abandoned(Path(folder))
        clear_notes(self.root)

    def _drop_checkpoint(self, spec: RunSpec) -> None:
        with contextlib.suppress(OSError):  # there is none; others are left
            self.checkpoint(spec).unlink(missing_ok=True)
            (self.root / CHECKPOINTS).rmdir()

    def write_panels(self, spec: RunSpec, panels: list[bytes]) -> None:
        """Put PNG files beside the record of `spec`: `<run_id>.0.png` and so on, those of an earlier time removed."""
        folder = self.path(spec).parent
        make_folder(folder)
        for old in self.panels(spec):
            old.unlink(missing_ok=True)
        for number, data in enumerate(panels):
            write_whole(folder / f"{spec.run_id}.{number}.png", data)

    def panels(self, spec: RunSpec) -> list[Path]:
        """The panels of a run, in order."""
        found = self.path(spec).parent.glob(f"{spec.run_id}.*.png")
        return sorted((p for p in found if _NUMBER.match(p.name)), key=lambda p: int(p.name.split(".")[1]))

    def get(self, spec: RunSpec) -> ResultRecord | None:
        """The sound record of `spec`, or None where there is none."""
        path = self.path(spec)
        if not path.resolve().is_relative_to(self.root.resolve()):
            return None
        found = self._load(path)
        return found if isinstance(found, ResultRecord) and found.run_id == spec.run_id else None

    def beside(self, spec: RunSpec) -> list[ResultRecord]:
        """The sound records of the suite and the method of `spec`, whatever their seed, settings and code."""
        loaded = [self._load(path) for path in sorted(self.path(spec).parent.glob("*.json"))]
        same = [record for record in loaded if isinstance(record, ResultRecord)]
        return [record for record in same if (record.spec.suite, record.spec.method) == (spec.suite, spec.method)]

    def has_done(self, spec: RunSpec) -> bool:
        """Whether a sound, finished record of `spec` is stored."""
        record = self.get(spec)
        return record is not None and record.status == "done"

    def read(self) -> StoreContents:
        """Every sound record; whatever is corrupt, tampered with, too large or double is named and left out."""
        contents = StoreContents(root=self.root)
        seen: dict[str, Path] = {}
        with _no_collector():
            for path in self._files(contents.problems):
                found = self._load(path)
                if isinstance(found, ResultRecord) and found.run_id in seen:
                    first = seen[found.run_id].relative_to(self.root).as_posix()
                    found = [f"run_id: already read from {first}"]
                if isinstance(found, list):
                    contents.problems.append(Problem(path.relative_to(self.root).as_posix(), found))
                else:
                    seen[found.run_id] = path
                    contents.paths[found.run_id] = path.relative_to(self.root).as_posix()
                    contents.records.append(found)
        return contents

    def check_writable(self) -> None:
        """Raise OSError with one sentence where no record could be written here; nothing is left behind."""
        nearest = self.root
        while not os.path.lexists(nearest) and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise NotADirectoryError(f"The store `{self.root}` should be a folder, but `{nearest}` is not one.")
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
        """Raise OSError with one sentence where something lies in the way of the record of `spec`."""
        path = self.path(spec)
        if not path.parent.resolve().is_relative_to(self.root.resolve()):
            raise OSError(f"A record should stay inside the store. `{path.parent}` is a link that leads outside it.")
        for folder in (path.parent.parent, path.parent):
            if os.path.lexists(folder) and not folder.is_dir():
                raise NotADirectoryError(f"`{folder}` should be a folder of records. Found something else; remove it.")
        if path.is_dir() and not path.is_symlink():
            raise IsADirectoryError(f"`{path}` should be a record or nothing. Found a folder; remove it.")

    def _files(self, problems: list[Problem]) -> Iterator[Path]:
        """Record files in a fixed order, inside the store: links are named and never followed."""
        if os.path.lexists(self.root) and not self.root.is_dir():
            problems.append(Problem(".", ["should be a folder"]))

        def unreadable(error: OSError) -> None:
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                return  # no store yet, named above, or gone since its parent was listed
            where = os.path.relpath(error.filename, self.root)
            problems.append(Problem(where, [f"cannot be read ({error.strerror})"]))

        for folder, folders, files in os.walk(self.root, onerror=unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if folders and len(Path(folder).relative_to(self.root).parts) >= DEEPEST:
                problems.append(
                    Problem(os.path.relpath(folder, self.root), ["is nested too deep; what is in it is not read"])
                )
                folders.clear()
            for name in [name for name in folders if _FILES.match(name)]:
                folders.remove(name)
                where = os.path.relpath(Path(folder, name), self.root)
                problems.append(Problem(where, ["should be a file, found a folder; it is not read"]))
            for name in sorted([*folders, *files]):
                path = Path(folder, name)
                if name.startswith("."):
                    continue
                if path.is_symlink():
                    where = path.relative_to(self.root).as_posix()
                    problems.append(Problem(where, ["is a link; links are not followed"]))
                elif name in files and path.suffix == ".json":
                    yield path

    def _load(self, path: Path) -> ResultRecord | list[str]:
        """The record at `path`, or the reasons why it cannot be used."""
        try:
            data = read_regular(path, MAX_BYTES, links=False)
        except NotRegular:
            return ["should be a plain file inside the store"]
        except TooLarge:
            return [f"should be at most {MAX_BYTES} bytes"]
        except OSError as error:
            return [f"cannot be read ({error.strerror})"]
        try:
            record = ResultRecord.model_validate_json(data)
            reasons = record.find_problems()
        except ValidationError as error:
            return [f"{'.'.join(map(str, item['loc'])) or 'content'}: {item['msg']}" for item in error.errors()]
        except Exception as error:  # a hostile record may break any line of its own check; it is named, never raised
            return [f"content: cannot be checked ({type(error).__name__}: {error})"]
        if path.stem != record.run_id:
            reasons.append(f"name: should be {record.run_id}.json")
        return reasons or record


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Records have no cycles, and the collector would look at all of them again and again: as they come, and later.

    What was read is left out of its rounds until the next time something is.
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
