"""`submission.toml`: what is submitted, to which board, by whom."""

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.records import parse_seeds
from leaderboard.store.limits import read_limited

METHOD, MANIFEST, RESULTS = "method.py", "submission.toml", "results"
SUBMISSIONS_FOLDER = "submissions"  # beside a store
MAX_CODE, MAX_MANIFEST, MAX_RECORDS = 128 * 1024, 16 * 1024, 1000
MAX_RESULTS = 8 << 20  # bytes of all records
NAME = r"^[a-z][a-z0-9_]{0,59}$"


def _check_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("should be one line without control characters")
    return text


def _lines(text: str) -> str:
    for line in text.split("\n"):
        _check_printable(line)
    return text


def _check_once(methods: list[str]) -> list[str]:
    if len(set(methods)) < len(methods):
        raise ValueError("should name each method once")
    return methods


Word = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_check_printable)]
TextLine = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_check_printable)]
Prose = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_lines)]


class Manifest(BaseModel):
    """What is submitted; written by `mtlbench submit`, read by everybody."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    name: Annotated[str, StringConstraints(pattern=NAME)]
    methods: Annotated[list[Word], Field(min_length=1, max_length=20), AfterValidator(_check_once)]
    suite: Word
    board: Word
    seeds: Word
    method_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    authors: TextLine = ""
    paper: TextLine = ""
    note: Prose = ""


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`. Raises ValueError with one reason per line."""
    try:
        content: Any = tomllib.loads(read_limited(path, MAX_MANIFEST).decode("utf-8"))
        found = Manifest.model_validate(content)
        runs = len(parse_seeds(found.seeds)) * len(found.methods)
    except ValidationError as error:
        raise ValueError("\n".join(reasons(error))) from error
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    except ValueError as error:  # of reading, of TOML, of UTF-8, of the seeds
        raise ValueError(" ".join(str(error).split())[:300]) from error
    if runs > MAX_RECORDS:
        raise ValueError(f"seeds: should be at most {MAX_RECORDS:,} runs with the methods, found {runs:,}")
    return found


def reasons(error: ValidationError) -> list[str]:
    """What a validation found, each with its place; of very many the first."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:20]
    return [f"{'.'.join(map(str, item['loc'])) or 'content'}: {_one_line(item['msg'])}" for item in found]


def manifest_as_toml(manifest: Manifest) -> str:
    """The manifest as TOML."""
    lines = []
    for key, value in manifest.model_dump().items():
        if value != "":
            # A TOML basic string is a JSON string, but for the one control character that JSON leaves as it is.
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def checksum_bytes(data: bytes) -> str:
    """The checksum by which a manifest names its code."""
    return hashlib.sha256(data).hexdigest()


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).removeprefix("Value error, ")[:300]
