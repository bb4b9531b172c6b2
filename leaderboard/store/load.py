"""Reading records, open and packed: for each a sound record, or the reasons why it cannot be used.

Nothing is raised for the content of a file: a store with a broken record is read like any other.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from bench.records import ResultRecord
from bench.records.record import MAX_BYTES
from bench.system.regular import NotRegular, TooLarge, open_regular, read_regular
from leaderboard.store.packed import ProtocolShelf, find_packed_path, unpack_line

MAX_BAD_LINES = 20  # of one file, before the rest of it is left alone
Loaded = ResultRecord | list[str]  # a record, or reasons


def load_record(path: Path, *, check: bool = True) -> Loaded:
    """Read one open record, a file that is named after its run.

    Args:
        path: the file.
        check: whether the digest and the scores are recomputed.

    Returns:
        The record, or the reasons why it cannot be used, as for a file that is too large or has another name.
    """
    try:
        data = read_regular(path, MAX_BYTES, links=False)
    except TooLarge:
        return [f"should be at most {MAX_BYTES} bytes"]
    except OSError as error:
        return [_explain_unreadable(error)]

    def find_misplaced(record: ResultRecord) -> list[str]:
        return [] if path.stem == record.run_id else [f"name: should be {record.run_id}.json"]

    return _load(partial(ResultRecord.model_validate_json, data), find_misplaced, check)


def load_lines(
    path: Path, shelf: ProtocolShelf, *, check: bool = True, holding: str = ""
) -> Iterator[tuple[int, Loaded]]:
    """Read the records of a packed file one by one; a line of at most MAX_BYTES is held at a time.

    Args:
        path: the file.
        shelf: the protocols that its lines name.
        check: whether digests and scores are recomputed.
        holding: skip lines without this text, as a run id, before they are parsed.

    Returns:
        (number, record or reasons) of each line, counted from 1; 0 stands for the file. Reading ends after a line that
        is too long, or MAX_BAD_LINES that are no records.
    """
    home = f"{path.parent.name}/{path.name}"

    def find_misplaced(record: ResultRecord) -> list[str]:
        right = find_packed_path(record)
        return [] if right == home else [f"path: should be in {right}, by its suite and method"]

    bad = 0
    try:
        with open_regular(path, links=False) as file:
            number = 0
            while line := file.readline(MAX_BYTES + 1):
                number += 1
                if len(line) > MAX_BYTES:  # its end may be a gigabyte away
                    yield number, [f"should be at most {MAX_BYTES} bytes; what follows it is not read"]
                    return
                if holding and holding.encode() not in line:
                    continue
                loaded = _load(partial(unpack_line, line, shelf), find_misplaced, check)
                yield number, loaded
                bad += isinstance(loaded, list)
                if bad >= MAX_BAD_LINES:
                    yield 0, [f"has {bad} lines that are no records up to line {number}; the rest is not read"]
                    return
    except OSError as error:
        yield 0, [_explain_unreadable(error)]


def _load(
    parse: Callable[[], ResultRecord], find_misplaced: Callable[[ResultRecord], list[str]], check: bool
) -> Loaded:
    """Parse a record and check it and its place; reasons in place of anything that is raised.

    Args:
        parse: gives the record or raises ValueError, of which pydantic's is one.
        find_misplaced: sentences about a record that lies where it should not.
        check: whether the digest and the scores are recomputed.
    """
    try:
        record = parse()
    except ValidationError as error:
        return [f"{'.'.join(map(str, item['loc'])) or 'content'}: {item['msg']}" for item in error.errors()]
    except ValueError as error:  # of a line: one sentence
        return [str(error)]
    try:
        return [*(record.find_problems() if check else ()), *find_misplaced(record)] or record
    except Exception as error:  # a hostile record may break any line of its own check; it is named, never raised
        return [f"content: cannot be checked ({type(error).__name__}: {error})"]


def _explain_unreadable(error: OSError) -> str:
    """A reason for a file that cannot be opened or read."""
    if isinstance(error, NotRegular):
        return "should be a plain file inside the store"
    return f"cannot be read ({error.strerror})"
