"""The committed records in one small file, which a package carries in place of the store.

    line 1    {"protocols": {DIGEST: a protocol}}
    line 2    {"ledger": [a line of the ledger of verification, ...]}
    others    the packed lines of the store, in its order, without the arrays that only pages of one run show

It is compressed with xz. Records that come out of it have their run id, their statistics and their scores to the last
digit, so that every table and test comes out the same; their digest is that of the whole record, and cannot be held
against what is left. Nothing but the standard library is imported here: builds of the package call `write_compact`
where nothing else is installed.
"""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Four fifths of a store: curves, what a method learned to share, and which rows are right.
DROPPED = ("curves", "matrices", "cosines", "correct_rows", "effective_sharing", "probes")


@dataclass(frozen=True)
class CompactCopy:
    """The content of a file: protocols by digest, lines of the ledger, and the lines of records."""

    protocols: dict[str, Any]
    ledger: list[str]
    lines: list[bytes]


def write_compact(root: Path, target: Path) -> int:
    """Write the packed records of the store `root` to `target`; the same store gives the same bytes.

    Returns:
        The number of records.
    """
    files = sorted(path for path in root.glob("*/*.jsonl") if not path.parent.name.startswith("_"))
    protocols = {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted((root / "_protocols").glob("*.json"))
    }
    ledger = [
        line for path in sorted((root / "_verified").glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()
    ]
    count = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(target, "wt", encoding="utf-8", newline="\n", preset=6) as file:
        for head in ({"protocols": protocols}, {"ledger": ledger}):
            file.write(_format(head))
        for line in _read_lines(files):
            file.write(_format({key: value for key, value in json.loads(line).items() if key not in DROPPED}))
            count += 1
    return count


def read_compact_file(path: Path) -> CompactCopy:
    """Read the file that `write_compact` wrote. Raises OSError where there is none."""
    with lzma.open(path, "rb") as file:
        first, second, *lines = file.read().splitlines()
    return CompactCopy(json.loads(first)["protocols"], json.loads(second)["ledger"], lines)


def _read_lines(files: list[Path]) -> Iterator[str]:
    """The lines of files, one by one."""
    for path in files:
        with path.open(encoding="utf-8") as file:
            yield from file


def _format(content: dict[str, Any]) -> str:
    """One line of JSON, with its end."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n"
