"""The ledger of verification: how far each record has been checked, and by whom.

    reported       it says so itself
    valid          every score follows from its statistics, and everything else about the file is sound
    spot_checked   of a row: valid, and some of its cells were run again and came out the same
    rerun          run again, and it came out the same; of a row: every cell

The states lie beside the records in `_verified/TIME-DIGEST.jsonl`: one file per verification that found something new,
one line per record, found by its digest. A record that changed since is `reported` again, and what is found out about
another record of the same run takes nothing from it. No file is ever written again, so that branches on which somebody
verified something merge; later files, by their names, are believed over earlier ones, and all of them over the
`verified.jsonl` of older stores. Only another re-run takes back what a re-run found: that scores are `valid` does not.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from bench.records import ResultRecord
from leaderboard.store import StoreContents
from leaderboard.store.json_text import write_whole
from leaderboard.store.ledger_files import MAX_CHECKS, list_ledger_files, name_ledger_file
from leaderboard.store.limits import read_limited
from leaderboard.store.walk import CHECKED, OLD_LEDGER

VerificationState = Literal["reported", "valid", "spot_checked", "rerun"]
_TIME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class LedgerEntry:
    """What was found out about one record.

    `digest` names the record's bytes, `state` how far it was checked, `how` the sentence of the check, and `by` the
    version of the project that made it. An entry with the state `reported` says that a re-run contradicted the record.
    """

    run_id: str
    digest: str
    state: VerificationState
    how: str
    by: str


def read_checks(root: Path | None) -> dict[str, LedgerEntry]:
    """Read what was found out last about each record of a store.

    Args:
        root: the store; None has no checks.

    Returns:
        digest -> entry, the latest one; but what a re-run found, good or bad, is taken back by another re-run only.
        Lines that cannot be read or name no state are left out, as are files that are too large.
    """
    if root is None:
        return {}
    return _keep_latest(
        entry for path in [root / OLD_LEDGER, *list_ledger_files(root)] for entry in _read_entries(path)
    )


def collect_checks(contents: StoreContents) -> dict[str, LedgerEntry]:
    """What was found out about the records of `contents`: in their store, or, without one, in what came with them."""
    return _keep_latest(_parse_entries(contents.ledger)) if contents.root is None else read_checks(contents.root)


def read_dated_checks(root: Path | None) -> Iterator[tuple[str, LedgerEntry]]:
    """The day on which each entry was found out, as `2026-01-31` in UTC, and the entry, in the order of their times.

    Entries of the `verified.jsonl` of older stores have no time and are left out, as is everything of no store.
    """
    for path in list_ledger_files(root) if root else ():
        day = f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]}"
        yield from ((day, entry) for entry in _read_entries(path))


def _keep_latest(entries: Iterable[LedgerEntry]) -> dict[str, LedgerEntry]:
    """digest -> the last of `entries` in their order; but none that `_knows_less` takes the place of an earlier one."""
    checks: dict[str, LedgerEntry] = {}
    for check in entries:
        if not _knows_less(check, checks.get(check.digest)):
            checks[check.digest] = check
    return checks


def write_checks(root: Path, checks: Iterable[LedgerEntry]) -> Path | None:
    """Add `checks` to those of a store, and return the file with what is new; None where nothing is.

    What a re-run found is taken back by another one only, as in `read_checks`. Raises OSError where nothing can be
    written.
    """
    known = read_checks(root)
    fresh: dict[str, LedgerEntry] = {}
    for check in checks:
        before = fresh.get(check.digest) or known.get(check.digest)
        if _knows_less(check, before):
            continue
        if before is None or (before.state, before.how) != (check.state, check.how):
            fresh[check.digest] = check
    if not fresh:
        return None
    lines = sorted(fresh.values(), key=lambda check: (check.run_id, check.digest))
    content = "".join(json.dumps(asdict(check), sort_keys=True) + "\n" for check in lines)
    (root / CHECKED).mkdir(parents=True, exist_ok=True)
    path = root / CHECKED / name_ledger_file(_choose_time(root), content.encode())
    write_whole(path, content)
    return path


def _knows_less(check: LedgerEntry, before: LedgerEntry | None) -> bool:
    """Whether an entry leaves an earlier one of its record as it is: a re-run also recomputed the scores."""
    if before is None or before.run_id != check.run_id:  # an entry under a wrong run counts for nothing
        return False
    return before.state in ("rerun", "reported") and check.state == "valid"


def _choose_time(root: Path) -> str:
    """The time for the name of a new file: now, or just after the latest file.

    Whatever the clock of that file's writer said, what is new comes last and is believed.
    """
    now = datetime.now(UTC)
    for path in reversed(list_ledger_files(root)):
        with contextlib.suppress(ValueError, OverflowError):  # no such day, or none after it
            latest = datetime.strptime(path.name.partition("-")[0], _TIME).replace(tzinfo=UTC)
            return max(now, latest + timedelta(microseconds=1)).strftime(_TIME)
    return now.strftime(_TIME)


def _read_entries(path: Path) -> Iterator[LedgerEntry]:
    """The entries of one file; nothing where it cannot be read."""
    try:
        text = read_limited(path, MAX_CHECKS).decode("utf-8")
    except ValueError:
        return
    yield from _parse_text(text)


@lru_cache(maxsize=64)  # every board of a site asks for the same files
def _parse_text(text: str) -> tuple[LedgerEntry, ...]:
    """The entries of the text of a file."""
    return tuple(_parse_entries(text.splitlines()))


def _parse_entries(lines: Iterable[str]) -> Iterator[LedgerEntry]:
    """The entries among `lines`; those that cannot be read or name no state are left out."""
    states = get_args(VerificationState)
    for line in lines:
        try:
            check = LedgerEntry(**json.loads(line))
        except (TypeError, ValueError, RecursionError):
            continue
        if all(isinstance(text, str) for text in vars(check).values()) and check.state in states:
            yield check


def find_state(record: ResultRecord, checks: dict[str, LedgerEntry]) -> VerificationState:
    """The state of one record, by its digest: `reported` if nothing was found out about these very bytes."""
    check = checks.get(record.digest)
    return check.state if check and check.run_id == record.run_id else "reported"


def find_row_state(records: Sequence[ResultRecord], checks: dict[str, LedgerEntry]) -> VerificationState:
    """The state of a method's row, no better than its least checked cell; `reported` for a row without cells."""
    states = [find_state(record, checks) for record in records]
    if not states or "reported" in states:
        return "reported"
    if all(state == "rerun" for state in states):
        return "rerun"
    return "spot_checked" if "rerun" in states else "valid"


def find_row_states(
    records: Mapping[tuple[str, int], ResultRecord], checks: dict[str, LedgerEntry]
) -> dict[str, VerificationState]:
    """method -> state of its row; empty where a store was never verified, so that tables need no column for it.

    Args:
        records: (method, seed) -> the record in that cell.
        checks: of `read_checks`.
    """
    runs: dict[str, list[ResultRecord]] = {}
    for (method, _), record in records.items() if checks else ():
        runs.setdefault(method, []).append(record)
    return {method: find_row_state(own, checks) for method, own in runs.items()}
