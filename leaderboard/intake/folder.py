"""The files of a submission's folder, read within limits; `submission` puts them together and judges them.

Each function here adds a problem for what it cannot use, and returns what it can. Nothing is run, and no link followed.
"""

import os
import re
from pathlib import Path

from pydantic import ValidationError

from bench.catalogue.source_text import decode_source, find_suspicious_lines
from bench.records import ResultRecord
from bench.records.record import MAX_BYTES
from leaderboard.intake.eligibility import find_misregistered_parts
from leaderboard.intake.manifest import (
    MANIFEST,
    MAX_CODE,
    MAX_RECORDS,
    MAX_RESULTS,
    METHOD,
    RESULTS,
    Manifest,
    checksum_bytes,
    explain_validation,
    read_manifest,
)
from leaderboard.intake.source_card import Card, parse_cards
from leaderboard.store import Problem
from leaderboard.store.limits import parse_json, read_limited
from leaderboard.trust.consistency import find_inconsistencies
from leaderboard.trust.ranges import find_out_of_range

MAX_NAMED = 50  # files that do not belong, and are named one by one
_RECORD = re.compile(r"[0-9a-f]{16}\.json\Z")


def find_strays(folder: Path) -> list[Problem]:
    """Problems with the files of a submission: those that do not belong, and too many or too large records.

    Links are never followed. Sizes are read from the folder, so that nothing large is opened.
    """
    if folder.is_symlink() or not folder.is_dir():
        return [Problem(".", ["should be a folder"])]
    strays, records, size = list[Problem](), 0, 0
    for entry in _list_entries(folder):
        if entry.name == RESULTS:
            if entry.is_symlink() or not entry.is_dir():
                strays.append(Problem(RESULTS, ["should be a folder"]))
        elif entry.name not in (METHOD, MANIFEST):
            strays.append(Problem(entry.name, [f"does not belong here: only {METHOD}, {MANIFEST} and {RESULTS}/ do"]))
    for entry in _list_results(folder):
        if _is_record(entry):
            records, size = records + 1, size + entry.stat(follow_symlinks=False).st_size
        else:
            strays.append(Problem(f"{RESULTS}/{entry.name}", ["should be a plain file named RUN_ID.json"]))
    if len(strays) > MAX_NAMED:
        strays[MAX_NAMED:] = [Problem(".", [f"has {len(strays) - MAX_NAMED:,} more files that do not belong here"])]
    if records > MAX_RECORDS:
        strays.append(Problem(RESULTS, [f"should hold at most {MAX_RECORDS:,} records, found {records:,}"]))
    if size > MAX_RESULTS:
        strays.append(Problem(RESULTS, [f"should hold at most {MAX_RESULTS:,} bytes, found {size:,}: none was read"]))
    return strays


def _list_entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder by name, so that problems come in one order on every file system."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _list_results(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of the results folder; none where it is missing, a link or a file."""
    results = folder / RESULTS
    return _list_entries(results) if results.is_dir() and not results.is_symlink() else []


def _is_record(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a plain file that is named as a record."""
    return entry.is_file(follow_symlinks=False) and bool(_RECORD.match(entry.name))


def load_manifest(folder: Path, problems: list[Problem]) -> Manifest | None:
    """The manifest, or None with a problem added; a name that is not the folder's is a problem as well."""
    try:
        manifest = read_manifest(folder / MANIFEST)
    except ValueError as error:
        problems.append(Problem(MANIFEST, str(error).split("\n")))
        return None
    if manifest.name != folder.resolve().name:
        problems.append(Problem(MANIFEST, [f"name: should be that of the folder, found {manifest.name}"]))
    return manifest


def load_cards(folder: Path, manifest: Manifest | None, problems: list[Problem], notes: list[str]) -> list[Card]:
    """The cards of the submitted code; adds problems for code that cannot be read, and notes on suspicious lines."""
    try:
        data = read_limited(folder / METHOD, MAX_CODE)
        if manifest and checksum_bytes(data) != manifest.method_sha256:
            problems.append(Problem(METHOD, [f"should have the checksum that {MANIFEST} names as method_sha256"]))
        source = decode_source(data)
    except ValueError as error:
        problems.append(Problem(METHOD, str(error).split("\n")))
        return []
    try:
        cards = list(parse_cards(source))
        notes += [f"{METHOD}, {line}" for line in find_suspicious_lines(source)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problems.append(Problem(METHOD, [f"should be Python ({' '.join(str(error).split())[:200]})"]))
        return []
    if wrong := list(find_misregistered_parts(cards)):
        problems.append(Problem(METHOD, wrong))
    return cards


def load_records(folder: Path, problems: list[Problem]) -> list[ResultRecord]:
    """The sound records of the results folder; adds a problem for each of the others."""
    if not os.path.lexists(folder / RESULTS):
        problems.append(Problem(RESULTS, ["should be there, with one record per method and seed"]))
    entries = [entry for entry in _list_results(folder) if _is_record(entry)][:MAX_RECORDS]
    if sum(entry.stat(follow_symlinks=False).st_size for entry in entries) > MAX_RESULTS:
        # Too many bytes are refused whole: which of the records would be read is not for the folder to choose.
        return []  # named already
    loaded = []
    for entry in entries:
        try:
            loaded.append(_load_record(Path(entry.path)))
        except ValueError as error:
            problems.append(Problem(f"{RESULTS}/{entry.name}", str(error).split("\n")))
    return loaded


def _load_record(path: Path) -> ResultRecord:
    """Read one record and check it by itself.

    Raises:
        ValueError: one reason per line: no JSON, a wrong field, scores that do not follow, values out of range, or
            contradictions.
    """
    data = read_limited(path, MAX_BYTES)
    # Refuses deep nesting, doubled keys and the like first, which pydantic's own parser does not.
    parse_json(data)
    wrong: list[str] = []
    try:
        record = ResultRecord.model_validate_json(data)
        wrong += record.find_problems()
        wrong += find_out_of_range(record)
        wrong += find_inconsistencies(record)
    except ValidationError as error:
        raise ValueError("\n".join(explain_validation(error))) from error
    except Exception as error:  # a hostile record may break any line of its own check; it is named, never raised
        if not wrong:
            raise ValueError(f"cannot be checked ({type(error).__name__}: {str(error)[:200]})") from error
    if path.stem != record.run_id:
        wrong.append(f"name: should be {record.run_id}.json")
    if wrong:
        raise ValueError("\n".join(wrong))
    return record
