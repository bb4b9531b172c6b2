"""The ledger of verification: how far each record has been checked, and by whom.

    reported       it says so itself
    valid          every score follows from its statistics, and everything else about the file is sound
    spot_checked   of a row: valid, and some of its cells were run again and came out the same
    rerun          run again, and it came out the same; of a row: every cell

The states lie beside the records in `verified.jsonl`, one line per record, found by its digest: a record that changed
since is `reported` again, and what is found out about another record of the same run takes nothing from it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Literal, get_args

from bench.records import ResultRecord
from leaderboard.store.json_text import write_whole
from leaderboard.store.limits import read_limited

VerificationState = Literal["reported", "valid", "spot_checked", "rerun"]
FILE = "verified.jsonl"
MAX_CHECKS = 64 << 20  # bytes of it


@dataclass(frozen=True)
class LedgerEntry:
    """What was found out about one record: its state, how, and by which version."""

    run_id: str
    digest: str
    state: VerificationState
    how: str
    by: str


def read_checks(root: Path | None) -> dict[str, LedgerEntry]:
    """digest -> what `verified.jsonl` of a store says; lines that cannot be read are left out."""
    if root is None:
        return {}
    try:
        lines = read_limited(root / FILE, MAX_CHECKS).decode("utf-8").splitlines()
    except ValueError:
        return {}
    found = {}
    for line in lines:
        try:
            check = LedgerEntry(**json.loads(line))
        except (TypeError, ValueError, RecursionError):
            continue
        if check.state in get_args(VerificationState) and all(isinstance(text, str) for text in astuple(check)):
            found[check.digest] = check
    return found


def write_checks(root: Path, checks: Iterable[LedgerEntry]) -> None:
    """Add `checks` to those of a store; what a re-run found, good or bad, is taken back by another one only."""
    known = read_checks(root)
    for check in checks:
        before = known.get(check.digest)
        if before and before.state in ("rerun", "reported") and check.state == "valid":
            continue
        known[check.digest] = check
    lines = sorted(known.values(), key=lambda check: (check.run_id, check.digest))
    write_whole(root / FILE, "".join(json.dumps(asdict(check), sort_keys=True) + "\n" for check in lines))


def find_state(record: ResultRecord, checks: dict[str, LedgerEntry]) -> VerificationState:
    """The state of one record: what was found out about these very bytes."""
    check = checks.get(record.digest)
    return check.state if check and check.run_id == record.run_id else "reported"


def state_of_row(records: Sequence[ResultRecord], checks: dict[str, LedgerEntry]) -> VerificationState:
    """The state of a method's row: no better than its least checked cell."""
    states = [find_state(record, checks) for record in records]
    if not states or "reported" in states:
        return "reported"
    if all(state == "rerun" for state in states):
        return "rerun"
    return "spot_checked" if "rerun" in states else "valid"


def states_of_rows(
    records: Mapping[tuple[str, int], ResultRecord], checks: dict[str, LedgerEntry]
) -> dict[str, VerificationState]:
    """method -> the state of its row, of runs by method and seed; nothing where a store was never verified."""
    runs: dict[str, list[ResultRecord]] = {}
    for (method, _), record in records.items() if checks else ():
        runs.setdefault(method, []).append(record)
    return {method: state_of_row(own, checks) for method, own in runs.items()}
