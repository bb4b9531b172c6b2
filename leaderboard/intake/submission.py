"""Submissions: a method in one file with its runs, as a folder that anybody can check and nobody has to trust.

    NAME/method.py            the code, which reading a submission never runs
    NAME/submission.toml      what is submitted: methods, suite, board, seeds, who
    NAME/results/RUN_ID.json  one record per method and seed

A submission stands on its board while its folder lies in `submissions` beside the store.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from bench.catalogue.source_text import decode_source, find_suspicious_lines
from bench.errors import make_printable
from bench.records import ResultRecord, parse_seeds
from bench.records.record import MAX_BYTES
from leaderboard.boards.board import Board
from leaderboard.intake.eligibility import (
    board_of,
    find_ineligible_records,
    find_misregistered_parts,
    find_unannounced_parts,
)
from leaderboard.intake.manifest import (
    MANIFEST,
    MAX_CODE,
    MAX_RECORDS,
    MAX_RESULTS,
    METHOD,
    RESULTS,
    SUBMISSIONS_FOLDER,
    Manifest,
    checksum_bytes,
    read_manifest,
    reasons,
)
from leaderboard.intake.source_card import Card, cards_of
from leaderboard.store import Problem, StoreContents
from leaderboard.store.limits import parse_json, read_limited
from leaderboard.trust.consistency import find_inconsistencies
from leaderboard.trust.copies import count_same_models, find_repeated_seeds
from leaderboard.trust.gaps import find_too_good
from leaderboard.trust.ranges import find_out_of_range

MAX_NAMED = 50  # files that do not belong, and are named one by one
_RECORD = re.compile(r"[0-9a-f]{16}\.json\Z")


@dataclass(frozen=True)
class Submission:
    """A folder that was read: its manifest, its records, the parts its code registers, and everything wrong with it.

    `manifest` is None where it cannot be read. `notes` are for whoever reviews it: nothing that is wrong by itself.
    """

    folder: Path
    manifest: Manifest | None
    records: list[ResultRecord] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.manifest is not None and not self.problems


def read_submission(folder: Path, boards: Mapping[str, Board], committed: Iterable[ResultRecord]) -> Submission:
    """Read and check a submission against the board it is for; every problem is named, none is raised.

    `committed` are the runs of the board's own methods: they say which protocol and data are meant. Nothing of the
    submission is run and nothing is written.
    """
    problems, notes, known = list[Problem](), list[str](), list(committed)
    found = Submission(folder, None, problems=problems, notes=notes)
    try:
        problems += _strays(folder)
        manifest = _manifest(folder, problems)
        cards = _cards(folder, manifest, problems, notes)
        records = _records(folder, problems)
        found = Submission(folder, manifest, records, cards, problems, notes)
        if manifest:
            problems += _mismatches(folder, manifest, cards, records, boards, known)
            own = [record for record in known if record.suite == manifest.suite and not record.spec.overrides]
            notes += [*find_too_good(records, own), *find_resembling(records, own)]
    except Exception as error:  # a hostile folder may break any line of its own check; it is named, never raised
        problems.append(Problem(".", [f"cannot be checked ({type(error).__name__}: {str(error)[:200]})"]))
    return found


def find_resembling(records: Sequence[ResultRecord], others: Sequence[ResultRecord], whose: str = "") -> list[str]:
    """A sentence for each method that comes out as another one at half of its seeds or more."""
    seeds = Counter(record.method for record in records)
    return [
        f"`{method}` comes out as `{other}`{whose} at {count} of {seeds[method]} seeds: the same model, or a copy of it"
        for (method, other), count in count_same_models(records, others).items()
        if 2 * count >= seeds[method]
    ]


def compare_with_others(submission: Submission, boards: Mapping[str, Board], committed: Iterable[ResultRecord]) -> None:
    """Add to a submission's problems and notes what the other submissions in the same folder say about it."""
    manifest, known = submission.manifest, list(committed)
    place = submission.folder.resolve()
    for folder in sorted(place.parent.iterdir()) if manifest and place.parent.name == SUBMISSIONS_FOLDER else ():
        if folder == place or folder.is_symlink() or not (folder / MANIFEST).is_file():
            continue
        other = read_submission(folder, boards, known)
        if manifest is None or other.manifest is None or other.manifest.suite != manifest.suite:
            continue
        name = other.manifest.name
        names = {method.casefold(): method for method in other.manifest.methods}
        taken = [names[method.casefold()] for method in manifest.methods if method.casefold() in names]
        if taken and other.manifest.board == manifest.board:
            reason = f"methods: `{taken[0]}` is that of the submission `{name}`"
            submission.problems.append(Problem(MANIFEST, [reason]))
        for run, like in find_repeated_seeds(submission.records, other.records).items():
            reason = f"curves: are those of `{like.method}` seed {like.spec.seed} of the submission `{name}`"
            submission.problems.append(Problem(f"{RESULTS}/{run}.json", [reason]))
        submission.notes.extend(find_resembling(submission.records, other.records, f" of the submission `{name}`"))


def find_submissions(contents: StoreContents, boards: Mapping[str, Board]) -> list[Submission]:
    """The submissions that lie beside a store, by name, sound or not."""
    folder = contents.root.resolve().parent / SUBMISSIONS_FOLDER if contents.root else None
    if folder is None or not folder.is_dir():
        return []
    found = [path for path in sorted(folder.iterdir()) if (path / MANIFEST).is_file() and not path.is_symlink()]
    return [read_submission(path, boards, contents.records) for path in found]


def add_submissions(
    board: Board, records: list[ResultRecord], submissions: Iterable[Submission]
) -> tuple[Board, list[ResultRecord], list[str]]:
    """`board` with the methods of sound submissions to it, its records with theirs, and a sentence about each."""
    notes, methods, added = list[str](), list(board.methods), list[ResultRecord]()
    own = {record.run_id for record in records}
    standing: list[set[str]] = []  # digests of the runs of each
    others = [record for record in records if record.suite == board.suite]
    for submission in submissions:
        manifest, runs = submission.manifest, {record.digest for record in submission.records}
        name = manifest.name if manifest else make_printable(submission.folder.name, 60)
        if manifest and (manifest.board, manifest.suite) != (board.name, board.suite):
            continue
        if manifest is None or not submission.sound:
            reasons = "; ".join(f"{p.path}: {', '.join(p.reasons)}" for p in submission.problems[:2])
            notes.append(f"Submission `{name}` is left out: {reasons}.")
            continue
        standing_names = {method.casefold() for method in methods}  # addresses do not tell `Mine` from `mine`
        if there := [method for method in manifest.methods if method.casefold() in standing_names]:
            if runs not in standing:  # else it is given twice, as beside the store and by hand
                notes.append(f"Submission `{name}` is left out: `{there[0]}` stands here already.")
            continue
        methods += manifest.methods
        standing.append(runs)
        notes += [f"Submission `{name}`: {each}." for each in find_resembling(submission.records, others + added)]
        added += [record for record in submission.records if record.run_id not in own]
        by = f" by {manifest.authors}" if manifest.authors else ""
        names = ", ".join(f"`{method}`" for method in manifest.methods)
        notes.append(f"Submission{by}: {names}{f' ({manifest.paper})' if manifest.paper else ''}.")
    return board.model_copy(update={"methods": methods}), [*records, *added], notes


def _strays(folder: Path) -> list[Problem]:
    """What does not belong into a submission; links are never followed."""
    if folder.is_symlink() or not folder.is_dir():
        return [Problem(".", ["should be a folder"])]
    found, records, size = list[Problem](), 0, 0
    for entry in _entries(folder):
        if entry.name == RESULTS:
            if entry.is_symlink() or not entry.is_dir():
                found.append(Problem(RESULTS, ["should be a folder"]))
        elif entry.name not in (METHOD, MANIFEST):
            found.append(Problem(entry.name, [f"does not belong here: only {METHOD}, {MANIFEST} and {RESULTS}/ do"]))
    for entry in _list_results(folder):
        if _is_record(entry):
            records, size = records + 1, size + entry.stat(follow_symlinks=False).st_size
        else:
            found.append(Problem(f"{RESULTS}/{entry.name}", ["should be a plain file named RUN_ID.json"]))
    if len(found) > MAX_NAMED:
        found[MAX_NAMED:] = [Problem(".", [f"has {len(found) - MAX_NAMED:,} more files that do not belong here"])]
    if records > MAX_RECORDS:
        found.append(Problem(RESULTS, [f"should hold at most {MAX_RECORDS:,} records, found {records:,}"]))
    if size > MAX_RESULTS:
        found.append(Problem(RESULTS, [f"should hold at most {MAX_RESULTS:,} bytes, found {size:,}: none was read"]))
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)


def _list_results(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in the results of a submission, if they are a folder."""
    results = folder / RESULTS
    return _entries(results) if results.is_dir() and not results.is_symlink() else []


def _is_record(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) and bool(_RECORD.match(entry.name))


def _manifest(folder: Path, problems: list[Problem]) -> Manifest | None:
    try:
        found = read_manifest(folder / MANIFEST)
    except ValueError as error:
        problems.append(Problem(MANIFEST, str(error).split("\n")))
        return None
    if found.name != folder.resolve().name:
        problems.append(Problem(MANIFEST, [f"name: should be that of the folder, found {found.name}"]))
    return found


def _cards(folder: Path, manifest: Manifest | None, problems: list[Problem], notes: list[str]) -> list[Card]:
    try:
        data = read_limited(folder / METHOD, MAX_CODE)
        if manifest and checksum_bytes(data) != manifest.method_sha256:
            problems.append(Problem(METHOD, [f"should have the checksum that {MANIFEST} names as method_sha256"]))
        source = decode_source(data)
    except ValueError as error:
        problems.append(Problem(METHOD, str(error).split("\n")))
        return []
    try:
        found = list(cards_of(source))
        notes += [f"{METHOD}, {line}" for line in find_suspicious_lines(source)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problems.append(Problem(METHOD, [f"should be Python ({' '.join(str(error).split())[:200]})"]))
        return []
    if wrong := list(find_misregistered_parts(found)):
        problems.append(Problem(METHOD, wrong))
    return found


def _records(folder: Path, problems: list[Problem]) -> list[ResultRecord]:
    if not os.path.lexists(folder / RESULTS):
        problems.append(Problem(RESULTS, ["should be there, with one record per method and seed"]))
    entries = [entry for entry in _list_results(folder) if _is_record(entry)][:MAX_RECORDS]
    if sum(entry.stat(follow_symlinks=False).st_size for entry in entries) > MAX_RESULTS:
        return []  # named already
    found = []
    for entry in entries:
        try:
            found.append(_record(Path(entry.path)))
        except ValueError as error:
            problems.append(Problem(f"{RESULTS}/{entry.name}", str(error).split("\n")))
    return found


def _record(path: Path) -> ResultRecord:
    """The sound record at `path`. Raises ValueError with one reason per line."""
    data = read_limited(path, MAX_BYTES)
    parse_json(data)
    wrong: list[str] = []
    try:
        record = ResultRecord.model_validate_json(data)
        wrong += record.find_problems()
        wrong += find_out_of_range(record)
        wrong += find_inconsistencies(record)
    except ValidationError as error:
        raise ValueError("\n".join(reasons(error))) from error
    except Exception as error:  # a hostile record may break any line of its own check; it is named, never raised
        if not wrong:
            raise ValueError(f"cannot be checked ({type(error).__name__}: {str(error)[:200]})") from error
    if path.stem != record.run_id:
        wrong.append(f"name: should be {record.run_id}.json")
    if wrong:
        raise ValueError("\n".join(wrong))
    return record


def _mismatches(
    folder: Path,
    manifest: Manifest,
    cards: list[Card],
    records: list[ResultRecord],
    boards: Mapping[str, Board],
    committed: Iterable[ResultRecord],
) -> Iterator[Problem]:
    """Where manifest, code, records and board disagree."""
    try:
        board = board_of(manifest, boards)
    except ValueError as error:
        yield Problem(MANIFEST, [str(error)])
        return
    wrong = []
    if missing := sorted(set(board.seed_list) - set(parse_seeds(manifest.seeds))):
        wrong.append(f"seeds: should cover those of the board, {board.seeds}; {missing[0]} is missing")
    wrong += find_unannounced_parts(manifest.methods, cards, board)
    if wrong:
        yield Problem(MANIFEST, wrong)
    yield from find_ineligible_records(records, manifest, board, cards, committed)
