"""Files that a person can read and a crash cannot halve."""

import json
import os
import secrets
from pathlib import Path
from typing import Any


def compact_json(value: Any, indent: str = "") -> str:
    """Indented JSON of `value` in which a list without objects, however nested, stays on one line.

    Raises ValueError where `value` holds a NaN or an infinity.
    """
    inner = indent + " "
    if isinstance(value, dict) and value:
        items = [f"{inner}{json.dumps(key)}: {compact_json(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and _holds_object(value):
        items = [inner + compact_json(item, inner) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def _holds_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_holds_object, value)))


def write_whole(target: Path, content: str | bytes) -> None:
    """Put `content` (text as UTF-8) at `target` in one step: temporary file, flush, sync, rename, sync the folder."""
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
