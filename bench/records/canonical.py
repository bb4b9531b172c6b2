"""One text for one value: canonical JSON, the digests over it, and the names made from it.

Run ids, the digests of records, checksums of data and every random stream rest on this text. A
change here renames all stored runs.
"""

import hashlib
import json
import re
from typing import Any


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, shortest floats, no NaN or infinity.

    Integers and floats differ (`1` and `1.0`), so a number has to keep its type to keep its digest.

    Raises:
        ValueError: `value` holds a number that JSON has no text for.
        TypeError: `value` holds an object that JSON has no form for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits. Raises as `canonical_json`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def derive_seed(*names: Any) -> int:
    """A 63-bit seed from any path of names, so that every use of randomness has its own stream.

    The same path gives the same seed on every machine and version: `derive_seed(0, "head", "left")`.
    Streams of different paths are independent, so adding a draw in one place moves no number elsewhere.
    """
    # 63 bits, not 64: seeds of torch and NumPy generators are signed in places.
    return int(digest(list(names))[:16], 16) >> 1


def slug(text: str, limit: int = 120) -> str:
    """A folder name for `text`: lower-case words joined by '-', with a hash at its end where it was cut.

    `slug("hard:split=2@uniform")` is `hard-split-2-uniform`. Only a cut name is sure to be unique, by
    its hash; shorter texts that differ in punctuation alone share a slug.

    text: of any length, in any script; other characters than a-z, 0-9, '.' and '_' become '-'.
    limit: characters of the result at most; the hash takes eight of them.
    """
    words = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-.")
    if len(words) <= limit:
        return words
    return f"{words[: limit - 9].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
