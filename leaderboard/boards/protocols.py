"""The protocol of every committed board, written down: a submission is held against it before there is any other run.

`protocols.json` names, for each suite of a board, its canonical name, its version, and every setting that is not at its
default. It is made from the suites (`python -m tests.leaderboard.boards.test_protocols --write`), and a test keeps the
two the same.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.records import Protocol, ResultRecord

FILE = Path(__file__).parent / "protocols.json"


@dataclass(frozen=True)
class Written:
    """What is written down of one suite: its canonical name, its version, and its protocol on whatever device."""

    suite: str
    version: int
    protocol: Protocol

    def as_json(self) -> dict[str, Any]:
        """The entry of the file; settings that equal their default are left out, so that new ones can be added."""
        values = self.protocol.model_dump(mode="json", exclude_defaults=True)
        return {"suite": self.suite, "version": self.version, "protocol": values}


@cache
def written_protocols() -> Mapping[str, Written]:
    """Suite, as boards name it -> what is written down. Raises ValueError where the file is malformed."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        name: Written(entry["suite"], entry["version"], Protocol.model_validate(entry["protocol"]))
        for name, entry in content.items()
    }


def departures(record: ResultRecord, written: Written) -> Iterator[str]:
    """Where a record's specification is another than what is written down, the device aside."""
    mine, theirs = record.spec.protocol.model_dump(), written.protocol.model_dump()
    if different := [name for name in mine if mine[name] != theirs[name] and name != "device"]:
        yield f"protocol: should be that of the board; another is {', '.join(different)}"
    if record.spec.suite != written.suite:
        yield f"spec.suite: should be {written.suite}"
    part = f"suite/{written.suite.partition(':')[0]}"
    found = record.spec.versions.get(part)
    if found is not None and found != written.version:
        yield f"versions.{part}: should be {written.version}, found {found}"
