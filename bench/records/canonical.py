"""One text for one value: canonical JSON, the digests over it, and the names made from it."""

import hashlib
import json
import re
from typing import Any


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, shortest floats, no NaN or infinity.

    Raises ValueError where `value` holds a number that JSON has no text for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def derive_seed(*names: Any) -> int:
    """A 63-bit seed from any path of names, so that every use of randomness has its own stream.

    The same path gives the same seed on every machine and version: `derive_seed(0, "head", "left")`.
    """
    return int(digest(list(names))[:16], 16) >> 1


def slug(text: str, limit: int = 120) -> str:
    """A folder name for `text`: lower-case words joined by '-', told apart by a hash where cut.

    `slug("hard:split=2@uniform")` is `hard-split-2-uniform`.
    """
    words = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-.")
    if len(words) <= limit:
        return words
    return f"{words[: limit - 9].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
