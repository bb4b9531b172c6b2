"""Reading what somebody else wrote: sizes, depths, lengths and counts first, meaning later.

Used for manifests, submitted records, ledgers, protocols and progress notes. The limits are far above what the project
writes; what exceeds one is refused with a sentence before it can take memory or time.
"""

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

from bench.system.regular import NotRegular, TooLarge, read_regular

MAX_DEPTH = 16
MAX_STRING = 200_000  # a packed matrix
MAX_KEY = 300
MAX_ITEMS = 100_000  # numbers, texts and objects of one file
MAX_DIGITS = 40
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)  # one without an end goes to the end: each byte is read once
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_OTHER = bytes(byte for byte in range(256) if byte not in _STEP)


def read_limited(path: Path, most: int) -> bytes:
    """Read a plain file of at most `most` bytes; links are not followed.

    Raises:
        ValueError: one sentence: the file is none or no plain one, too large, or unreadable.
    """
    try:
        return read_regular(path, most, links=False)
    except TooLarge as error:
        raise ValueError(f"should be at most {most:,} bytes") from error
    except (NotRegular, FileNotFoundError) as error:
        raise ValueError("should be a plain file") from error
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error


def parse_json(data: bytes) -> Any:
    """Parse a JSON value within the limits.

    Stricter than JSON is read elsewhere: UTF-8 only, no key twice, no NaN or infinity, bounded in depth, in the length
    of texts and numbers, and in how many of them there are.

    Raises:
        ValueError: one sentence about the first thing that is wrong.
    """
    # Brackets are counted before parsing, since the parser recurses once for each level.
    brackets = _TEXT.sub(b"", data).translate(None, _OTHER)
    depth = max(itertools.accumulate(map(_STEP.__getitem__, brackets)), default=0)
    if depth > MAX_DEPTH:
        raise ValueError(f"should be nested at most {MAX_DEPTH} deep, found {depth}")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_build_object,
            parse_constant=_refuse_constant,
            parse_int=_parse_whole,
            parse_float=_parse_real,
        )
    except UnicodeDecodeError as error:
        raise ValueError("should be UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"should be JSON ({error.msg}, line {error.lineno})") from error
    except RecursionError as error:
        raise ValueError(f"should be nested at most {MAX_DEPTH} deep") from error
    _check_values(value)
    return value


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object from its pairs. Raises ValueError for a key that is too long, or there twice: readers would differ."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if len(key) > MAX_KEY:
            raise ValueError(f"keys should be at most {MAX_KEY} characters, found {len(key):,}")
        if key in content:
            raise ValueError(f"`{key[:60]}` should be there once")
        content[key] = value
    return content


def _refuse_constant(name: str) -> Any:
    """Refuse NaN and infinities, which Python reads and JSON does not have."""
    raise ValueError(f"numbers should be finite, found {name}")


def _parse_whole(text: str) -> int:
    """A whole number of bounded length: the time to read digits grows faster than their number."""
    if len(text) > MAX_DIGITS:
        raise ValueError(f"numbers should have at most {MAX_DIGITS} digits, found {len(text):,}")
    return int(text)


def _parse_real(text: str) -> float:
    """A finite float of bounded length."""
    if len(text) > MAX_DIGITS:
        raise ValueError(f"numbers should have at most {MAX_DIGITS} digits, found {len(text):,}")
    if not math.isfinite(value := float(text)):
        raise ValueError(f"numbers should be finite, found {text}")
    return value


def _check_values(value: Any) -> None:
    """Check the lengths of all texts and the number of all values, without recursion."""
    waiting, count = [value], 0
    while waiting:
        item = waiting.pop()
        count += 1
        if isinstance(item, str) and len(item) > MAX_STRING:
            raise ValueError(f"texts should be at most {MAX_STRING:,} characters, found {len(item):,}")
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    if count > MAX_ITEMS:
        raise ValueError(f"should hold at most {MAX_ITEMS:,} values, found {count:,}")
