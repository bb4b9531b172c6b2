"""The files of a store's ledger of verification: their names, their order, and copies of them for another store.

    _verified/TIME-DIGEST.jsonl     what one verification found out, one line per record
    verified.jsonl                  the same of stores from before

A file is never written again. So two stores are joined by having the files of both, and their times say which line is
the later one, wherever it was written. `leaderboard.trust.ledger` reads and writes what is in them.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from leaderboard.store.limits import read_limited
from leaderboard.store.walk import CHECKED, OLD_LEDGER

MAX_CHECKS = 64 << 20  # bytes of a file
# Of a copied `verified.jsonl`, which has no time: whatever was found out under a name with a time is later.
_EARLIEST = "19700101T000000.000000Z"
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}\.jsonl\Z")


def name_ledger_file(time: str, content: bytes) -> str:
    """The name of a file with this content: `TIME-DIGEST.jsonl`, where DIGEST is eight digits of its SHA-256.

    Args:
        time: when it was found out, as `20260131T235959.000000Z`.
        content: the lines.
    """
    return f"{time}-{hashlib.sha256(content).hexdigest()[:8]}.jsonl"


def list_ledger_files(root: Path) -> list[Path]:
    """The files in `_verified` in the order of their times; none behind a link, and none with another form of name."""
    folder = root / CHECKED
    return [] if folder.is_symlink() else sorted(path for path in folder.glob("*.jsonl") if _NAME.match(path.name))


def read_ledger_copies(source: Path) -> Iterator[tuple[str, bytes]]:
    """(path relative to the root, content) of each file that a store has to take to know what `source` knows.

    The path follows from the source alone, so that a file that was copied before is there under the same name.

    Args:
        source: root of a store. What cannot be read there is left out, as it is by every reader of the ledger.
    """
    for path in [source / OLD_LEDGER, *list_ledger_files(source)]:
        try:
            content = read_limited(path, MAX_CHECKS)
        except ValueError:
            continue
        yield f"{CHECKED}/{name_ledger_file(_EARLIEST, content) if path.name == OLD_LEDGER else path.name}", content
