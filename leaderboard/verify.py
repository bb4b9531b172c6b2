"""Verification: how far each record has been checked, and by whom.

    reported       it says so itself
    valid          every score follows from its statistics, and everything else about the file is sound
    spot_checked   of a row: valid, and some of its cells were run again and came out the same
    rerun          run again, and it came out the same; of a row: every cell

The states lie beside the records in `verified.jsonl`, one line per record, found by its digest: a record that changed
since is `reported` again, and what is found out about another record of the same run takes nothing from it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from bench.errors import shown
from bench.records import Packed, ResultRecord
from bench.scores import MOST
from leaderboard.coherence import incoherent
from leaderboard.files import write_whole
from leaderboard.names import misnamed
from leaderboard.untrusted import read_limited

State = Literal["reported", "valid", "spot_checked", "rerun"]
FILE = "verified.jsonl"
MAX_CHECKS = 64 << 20  # bytes of it
LEVEL = 0.05  # of family-wise error
MAX_TEXT = 1000  # characters of a name, a version, a message
MAX_PARTS = 1000  # tasks, matrices, layers, curves of one run
_LEAKS = re.compile(r"(?:^|\s)(?:/[\w.-]+){2,}|[a-zA-Z]:\\\\")  # what looks like an absolute path


@dataclass(frozen=True)
class Check:
    """What was found out about one record: its state, how, and by which version."""

    run_id: str
    digest: str
    state: State
    how: str
    by: str


def further_problems(record: ResultRecord) -> list[str]:
    """What is unsound beyond what reading a store refuses already: ranges, texts, arrays, contradictions."""
    return out_of_range(record) + list(incoherent(record)) + misnamed(record)


def out_of_range(record: ResultRecord) -> list[str]:
    """Numbers and texts that no run has; they need not fit each other."""
    found = _texts(record)
    packed: dict[str, Packed] = dict(record.matrices) | ({"cosines": record.cosines} if record.cosines else {})
    for name, matrix in packed.items():
        try:
            values = matrix.unpack()
        except (ValueError, OverflowError) as error:
            found.append(f"{name}: {error}")
            continue
        if not np.isfinite(values).all():
            found.append(f"{name}: should hold finite values only")
        elif name == "cosines" and np.abs(values).max(initial=0) > 1 + 1e-3:
            found.append("cosines: should lie in [-1, 1]")
    for name, value in record.effective_sharing.items():
        if not -1e-4 <= value <= 1 + 1e-4:
            found.append(f"effective_sharing.{name}: should lie in [0, 1], found {value}")
    for name, value in record.cost or ():
        if isinstance(value, (int, float)) and not 0 <= value <= MOST:
            found.append(f"cost.{name}: should not be negative or above 2^53, found {value:g}")
    for name, text in [*record.environment.items(), *([("hardware", record.cost.hardware)] if record.cost else [])]:
        if _LEAKS.search(text):
            found.append(f"environment.{name}: should be a version, found what looks like a path")
    return found


def _texts(record: ResultRecord) -> list[str]:
    """Texts and counts beyond what any run has: a record is shown to people, line by line."""
    texts = {
        "suite": record.suite,
        "method": record.method,
        "spec.suite": record.spec.suite,
        "spec.method": record.spec.method,
        "created": record.created,
        "cost.hardware": record.cost.hardware if record.cost else "",
    }
    keys = {"tasks": record.tasks, "data": record.data, "matrices": record.matrices}
    keys |= {"effective_sharing": record.effective_sharing, "environment": record.environment}
    texts |= {f"{field}.{number}": name for field, names in keys.items() for number, name in enumerate(names)}
    texts |= {f"environment.{shown(name, 40)}": text for name, text in record.environment.items()}
    lines = texts | {"error.message": record.error.message} if record.error else texts  # which may have several
    counts = {field: len(names) for field, names in keys.items()}
    counts["curves"] = len(record.curves.val) + len(record.curves.train_loss)
    return [
        *(f"{name}: should be at most {MAX_TEXT} characters" for name, text in lines.items() if len(text) > MAX_TEXT),
        *(f"{name}: should be printable, found {shown(t, 60)}" for name, t in texts.items() if not t.isprintable()),
        *(f"{name}: should be at most {MAX_PARTS}, found {n:,}" for name, n in counts.items() if n > MAX_PARTS),
    ]


def same_kind(stored: ResultRecord, fresh: ResultRecord) -> bool:
    """Whether two runs were made on one kind of processor with one set of versions, so that digits should agree."""
    hardware = [record.cost.hardware if record.cost else "" for record in (stored, fresh)]
    return hardware[0] == hardware[1] and stored.environment == fresh.environment


def read_checks(root: Path | None) -> dict[str, Check]:
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
            check = Check(**json.loads(line))
        except (TypeError, ValueError, RecursionError):
            continue
        if check.state in get_args(State) and all(isinstance(text, str) for text in astuple(check)):
            found[check.digest] = check
    return found


def write_checks(root: Path, checks: Iterable[Check]) -> None:
    """Add `checks` to those of a store; what a re-run found, good or bad, is taken back by another one only."""
    known = read_checks(root)
    for check in checks:
        before = known.get(check.digest)
        if before and before.state in ("rerun", "reported") and check.state == "valid":
            continue
        known[check.digest] = check
    lines = sorted(known.values(), key=lambda check: (check.run_id, check.digest))
    write_whole(root / FILE, "".join(json.dumps(asdict(check), sort_keys=True) + "\n" for check in lines))


def state_of(record: ResultRecord, checks: dict[str, Check]) -> State:
    """The state of one record: what was found out about these very bytes."""
    check = checks.get(record.digest)
    return check.state if check and check.run_id == record.run_id else "reported"


def state_of_row(records: Sequence[ResultRecord], checks: dict[str, Check]) -> State:
    """The state of a method's row: no better than its least checked cell."""
    states = [state_of(record, checks) for record in records]
    if not states or "reported" in states:
        return "reported"
    if all(state == "rerun" for state in states):
        return "rerun"
    return "spot_checked" if "rerun" in states else "valid"
