"""Submissions: a method in one file with its runs, as a folder that anybody can check and nobody has to trust.

    NAME/method.py            the code, which reading a submission never runs
    NAME/submission.toml      what is submitted: methods, suite, board, seeds, who
    NAME/results/RUN_ID.json  one record per method and seed

A submission stands on its board while its folder lies in `submissions` beside the store.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.errors import UsageError
from bench.records import ResultRecord, parse_method, parse_seeds
from bench.records.record import MAX_BYTES
from leaderboard.board import Board
from leaderboard.cards import Card, cards_of
from leaderboard.comparable import comparable
from leaderboard.store import Problem
from leaderboard.untrusted import parse_json, read_limited
from leaderboard.verify import further_problems

METHOD, MANIFEST, RESULTS, FOLDER = "method.py", "submission.toml", "results", "submissions"
MAX_CODE, MAX_MANIFEST, MAX_RECORDS = 256 * 1024, 16 * 1024, 1000
_RECORD = re.compile(r"[0-9a-f]{16}\.json\Z")

Word = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Prose = Annotated[str, StringConstraints(max_length=2000)]


class Manifest(BaseModel):
    """`submission.toml`: what is submitted, to which board, by whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
    methods: Annotated[list[Word], Field(min_length=1, max_length=20)]
    suite: Word
    board: Word
    seeds: Word
    method_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    authors: Prose = ""
    paper: Prose = ""
    note: Prose = ""


@dataclass(frozen=True)
class Submission:
    """A folder that was read: its manifest, its records, the parts its code registers, and everything wrong with it.

    `manifest` is None where it cannot be read.
    """

    folder: Path
    manifest: Manifest | None
    records: list[ResultRecord] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.manifest is not None and not self.problems


def read_submission(folder: Path, boards: Mapping[str, Board], committed: Iterable[ResultRecord]) -> Submission:
    """Read and check a submission against the board it is for; every problem is named, none is raised.

    `committed` are the runs of the board's own methods: they say which protocol and data are meant. Nothing of the
    submission is run and nothing is written.
    """
    problems: list[Problem] = list(_strays(folder))
    manifest = _manifest(folder, problems)
    cards = _cards(folder, manifest, problems)
    records = _records(folder, problems)
    submission = Submission(folder, manifest, records, cards, problems)
    if manifest:
        problems += _mismatches(submission, manifest, boards, list(committed))
    return submission


def beside(root: Path | None, boards: Mapping[str, Board], committed: list[ResultRecord]) -> list[Submission]:
    """The submissions beside a store, by name."""
    folder = root.resolve().parent / FOLDER if root else None
    if folder is None or not folder.is_dir():
        return []
    found = [path for path in sorted(folder.iterdir()) if (path / MANIFEST).is_file() and not path.is_symlink()]
    return [read_submission(path, boards, committed) for path in found]


def submitted(
    board: Board, records: list[ResultRecord], submissions: Iterable[Submission]
) -> tuple[Board, list[ResultRecord], list[str]]:
    """`board` with the methods of sound submissions to it, its records with theirs, and a sentence about each."""
    notes, methods, added = [], list(board.methods), []
    for submission in submissions:
        manifest = submission.manifest
        if manifest is None or (manifest.board, manifest.suite) != (board.name, board.suite):
            continue
        if not submission.sound:
            reasons = "; ".join(f"{p.path}: {', '.join(p.reasons)}" for p in submission.problems[:2])
            notes.append(f"Submission `{manifest.name}` is left out: {reasons}.")
            continue
        new = [method for method in manifest.methods if method not in methods]
        if not new:
            continue  # given twice, or beside the store and by hand
        methods += new
        own = {record.run_id for record in records}
        added += [record for record in submission.records if record.run_id not in own]
        by = f" by {manifest.authors}" if manifest.authors else ""
        names = ", ".join(f"`{method}`" for method in new)
        notes.append(f"Submission{by}: {names}{f' ({manifest.paper})' if manifest.paper else ''}.")
    return board.model_copy(update={"methods": methods}), [*records, *added], notes


def written(manifest: Manifest) -> str:
    """The manifest as TOML."""
    import json  # a TOML basic string is a JSON string, but for two control characters that JSON escapes too

    lines = []
    for key, value in manifest.model_dump().items():
        if value != "":
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def sha256(data: bytes) -> str:
    """The checksum by which a manifest names its code."""
    return hashlib.sha256(data).hexdigest()


def _strays(folder: Path) -> Iterator[Problem]:
    """What does not belong into a submission; links are never followed."""
    if folder.is_symlink() or not folder.is_dir():
        yield Problem(".", ["should be a folder"])
        return
    for entry in _entries(folder):
        if entry.name == RESULTS:
            if entry.is_symlink() or not entry.is_dir():
                yield Problem(entry.name, ["should be a folder"])
                continue
            names = _entries(folder / RESULTS)
            if len(names) > MAX_RECORDS:
                yield Problem(RESULTS, [f"should hold at most {MAX_RECORDS:,} records, found {len(names):,}"])
            for inner in names[:MAX_RECORDS]:
                if inner.is_symlink() or not inner.is_file(follow_symlinks=False) or not _RECORD.match(inner.name):
                    yield Problem(f"{RESULTS}/{inner.name}", ["should be a plain file named RUN_ID.json"])
        elif entry.name not in (METHOD, MANIFEST):
            yield Problem(entry.name, [f"does not belong here: only {METHOD}, {MANIFEST} and {RESULTS}/ do"])


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)


def _manifest(folder: Path, problems: list[Problem]) -> Manifest | None:
    try:
        content: Any = tomllib.loads(read_limited(folder / MANIFEST, MAX_MANIFEST).decode("utf-8"))
        found = Manifest.model_validate(content)
        parse_seeds(found.seeds)
        return found
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, item['loc'])) or 'content'}: {item['msg']}" for item in error.errors()]
    except RecursionError:
        reasons = ["is nested too deep"]
    except ValueError as error:  # of reading, of TOML, of UTF-8, of the seeds
        reasons = [" ".join(str(error).split())[:300]]
    problems.append(Problem(MANIFEST, reasons))
    return None


def _cards(folder: Path, manifest: Manifest | None, problems: list[Problem]) -> list[Card]:
    try:
        data = read_limited(folder / METHOD, MAX_CODE)
        if manifest and sha256(data) != manifest.method_sha256:
            problems.append(Problem(METHOD, [f"should have the checksum that {MANIFEST} names as method_sha256"]))
        found = list(cards_of(data.decode("utf-8")))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problems.append(Problem(METHOD, [f"should be Python ({' '.join(str(error).split())[:200]})"]))
        return []
    if not found:
        problems.append(Problem(METHOD, ['should register a class, with @register("its_name") above it']))
    return found


def _records(folder: Path, problems: list[Problem]) -> list[ResultRecord]:
    results = folder / RESULTS
    if results.is_symlink() or not results.is_dir():
        if not os.path.lexists(results):
            problems.append(Problem(RESULTS, ["should be there, with one record per method and seed"]))
        return []
    found = []
    for entry in _entries(results)[:MAX_RECORDS]:
        if entry.is_symlink() or not entry.is_file(follow_symlinks=False) or not _RECORD.match(entry.name):
            continue  # named already
        try:
            record = _record(Path(entry.path))
        except ValueError as error:
            problems.append(Problem(f"{RESULTS}/{entry.name}", str(error).split("\n")))
        else:
            found.append(record)
    return found


def _record(path: Path) -> ResultRecord:
    """The sound record at `path`. Raises ValueError with one reason per line."""
    data = read_limited(path, MAX_BYTES)
    parse_json(data)
    try:
        record = ResultRecord.model_validate_json(data)
        reasons = record.problems() + further_problems(record)
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, item['loc'])) or 'content'}: {item['msg']}" for item in error.errors()[:20]]
        raise ValueError("\n".join(reasons)) from error
    except Exception as error:  # a hostile record may break any line of its own check; it is named, never raised
        raise ValueError(f"cannot be checked ({type(error).__name__}: {str(error)[:200]})") from error
    if path.stem != record.run_id:
        reasons.append(f"name: should be {record.run_id}.json")
    if reasons:
        raise ValueError("\n".join(reasons))
    return record


def _mismatches(
    submission: Submission, manifest: Manifest, boards: Mapping[str, Board], committed: list[ResultRecord]
) -> Iterator[Problem]:
    """Where manifest, code, records and board disagree."""
    parts = [part for board in boards.values() for part in board.parts]
    board = next((part for part in parts if (part.name, part.suite) == (manifest.board, manifest.suite)), None)
    if board is None:
        known = ", ".join(sorted({f"{part.name} ({part.suite})" for part in parts}))
        yield Problem(MANIFEST, [f"board: should be a committed one with its suite, of {known}"])
        return
    reasons = []
    if missing := sorted(set(board.seed_list) - set(parse_seeds(manifest.seeds))):
        reasons.append(f"seeds: should cover those of the board, {board.seeds}; {missing[0]} is missing")
    taken = sorted(set(manifest.methods) & set(board.methods))
    reasons += [f"methods: `{method}` stands on the board already" for method in taken]
    own = {card.name for card in submission.cards}
    for method in manifest.methods:
        if own and not own & _names(method):
            reasons.append(f"methods: `{method}` should use a part that {METHOD} registers ({', '.join(sorted(own))})")
    if reasons:
        yield Problem(MANIFEST, reasons)
    like = next(iter(comparable(board, committed).records.values()), None)
    versions = {card.name: card.version for card in submission.cards}
    seen: set[tuple[str, int]] = set()
    for record in submission.records:
        where = f"{RESULTS}/{record.run_id}.json"
        if unlike := list(_unlike(record, manifest, like, versions)):
            yield Problem(where, unlike)
        elif (key := (record.method, record.spec.seed)) in seen:
            yield Problem(where, [f"seed: `{record.method}` seed {record.spec.seed} should be there once"])
        else:
            seen.add(key)
    wanted = {(method, seed) for method in manifest.methods for seed in parse_seeds(manifest.seeds)}
    if absent := sorted(wanted - seen):
        method, seed = absent[0]
        count = f", and {len(absent) - 1} more" if len(absent) > 1 else ""
        yield Problem(RESULTS, [f"no sound record of `{method}` seed {seed}{count}"])


def _unlike(
    record: ResultRecord, manifest: Manifest, like: ResultRecord | None, versions: Mapping[str, int]
) -> Iterator[str]:
    """Why a record is not one of those that the manifest announces, under the board's own protocol."""
    spec = record.spec
    if record.status != "done":
        yield "status: should be done"
    if record.suite != manifest.suite:
        yield f"suite: should be {manifest.suite}, found {record.suite[:100]}"
    if record.method not in manifest.methods:
        yield f"method: should be one of {MANIFEST}, found {record.method[:100]}"
    if spec.seed not in parse_seeds(manifest.seeds):
        yield f"seed: should be one of {manifest.seeds}, found {spec.seed}"
    if spec.overrides or spec.tuning:
        yield "spec: should be the board's protocol as it is, without settings or a search"
    if like and spec.protocol.model_dump(exclude={"device"}) != like.spec.protocol.model_dump(exclude={"device"}):
        yield "protocol: should be that of the board's other runs"
    if like and spec.data != like.spec.data:
        yield "data: should have the checksum of the board's other runs"
    for name, version in spec.versions.items():
        wanted = versions.get(name.partition("/")[2]) or (like.spec.versions.get(name) if like else None)
        if wanted and wanted != version:
            yield f"versions.{name}: should be {wanted}, found {version}"


def _names(method: str) -> set[str]:
    """The names of a method's parts; none where it cannot be read."""
    try:
        parsed = parse_method(method)
    except UsageError:
        return set()
    return {call.name for call in (parsed.sharing, parsed.constraint, parsed.weighting) if call}
