"""The protocol of every committed board, written down: submissions are compared with it before any other run exists.

`protocols.json` names, for each suite of a board and each version of its protocol that a board asks for, the suite's
canonical name, its version, and every setting that is not at its default. It is made from the suites (`python -m
tests.leaderboard.boards.test_protocols --write`), and a test keeps the two the same.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.records import Protocol, ResultRecord
from leaderboard.boards.board import Board

FILE = Path(__file__).parent / "protocols.json"


@dataclass(frozen=True)
class WrittenProtocol:
    """What is written down of one suite: its canonical name, its version, and its protocol."""

    suite: str
    version: int
    protocol: Protocol

    def as_json(self) -> dict[str, Any]:
        """The entry of the file. Settings at their default are left out, so that new ones can be added later."""
        values = self.protocol.model_dump(mode="json", exclude_defaults=True)
        return {"suite": self.suite, "version": self.version, "protocol": values}


def name_protocol(board: Board) -> str:
    """The key of a board's protocol in the file: its suite, and the version where it is not the current one."""
    return f"{board.suite} under protocol {board.protocol}" if board.protocol else board.suite


@cache
def read_protocols() -> Mapping[str, WrittenProtocol]:
    """Key, as `name_protocol` has it -> its entry. Raises ValueError where the file is malformed."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        name: WrittenProtocol(entry["suite"], entry["version"], Protocol.model_validate(entry["protocol"]))
        for name, entry in content.items()
    }


def find_latest_version(suite: str) -> int:
    """The highest version of the protocol that is written down of a suite, under any options; 0 where none is."""
    name = suite.partition(":")[0]
    known = [each.protocol.version for each in read_protocols().values() if each.suite.partition(":")[0] == name]
    return max(known, default=0)


def find_departures(record: ResultRecord, written: WrittenProtocol) -> Iterator[str]:
    """Differences between a record's specification and the written protocol, each as `FIELD: what it should be`.

    The device is not compared: it may differ without changing what is measured.
    """
    mine, theirs = record.spec.protocol.model_dump(), written.protocol.model_dump()
    if different := [name for name in mine if mine[name] != theirs[name] and name != "device"]:
        yield f"protocol: should be that of the board; another is {', '.join(different)}"
    if record.spec.suite != written.suite:
        yield f"spec.suite: should be {written.suite}"
    part = f"suite/{written.suite.partition(':')[0]}"
    # Only a different version departs: a record that names none says nothing about it.
    version = record.spec.versions.get(part)
    if version is not None and version != written.version:
        yield f"versions.{part}: should be {written.version}, found {version}"
