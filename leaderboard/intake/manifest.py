"""`submission.toml`, the manifest of a submission: what is submitted, to which board, and by whom.

This module holds its fields, reads and writes it, and names the files of a submission's folder. Whether the manifest
agrees with the board, the code and the records is checked in `eligibility`.
"""

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
# Limits, since a submission is read whole before anybody has looked at it.
MAX_CODE = 128 * 1024  # bytes
MAX_MANIFEST = 16 * 1024  # bytes
MAX_RECORDS = 1000  # methods times seeds
MAX_RESULTS = 8 << 20  # bytes of all records
# Lower case only: folders that differ in case would be one folder on some file systems.
SUBMISSION_NAME = r"^[a-z][a-z0-9_]{0,59}$"


def _check_printable(text: str) -> str:
    """A validator that accepts one line of printable text: it is shown on a terminal and on the site."""
    if not text.isprintable():
        raise ValueError("should be one line without control characters")
    return text


def _check_lines(text: str) -> str:
    """As `_check_printable`, for a text of several lines."""
    for line in text.split("\n"):
        _check_printable(line)
    return text


def _check_once(methods: list[str]) -> list[str]:
    """A validator that refuses a list with one method twice."""
    if len(set(methods)) < len(methods):
        raise ValueError("should name each method once")
    return methods


Word = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_check_printable)]
TextLine = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_check_printable)]
Prose = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_check_lines)]


class Manifest(BaseModel):
    """The fields of `submission.toml`, written by `mtlbench submit` and read by every command that shows a board.

    `name` is that of the folder; `methods` are the rows to add, as texts of methods; `suite`, `board` and `seeds` (as
    `0-4,7`) name the cells; `method_sha256` is the checksum of `method.py`. `authors`, `paper` and `note` are for
    people.
    Unknown keys and values of another type are errors: a manifest is never guessed at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Annotated[int, Field(ge=1, le=1)] = 1
    name: Annotated[str, StringConstraints(pattern=SUBMISSION_NAME)]
    methods: Annotated[list[Word], Field(min_length=1, max_length=20), AfterValidator(_check_once)]
    suite: Word
    board: Word
    seeds: Word
    method_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    authors: TextLine = ""
    paper: TextLine = ""
    note: Prose = ""


def read_manifest(path: Path) -> Manifest:
    """Read and validate the manifest at `path`.

    Raises:
        ValueError: one reason per line: no plain file, too large, no TOML, a wrong field, seeds that cannot be read, or
            more than MAX_RECORDS cells.
    """
    try:
        content: Any = tomllib.loads(read_limited(path, MAX_MANIFEST).decode("utf-8"))
        manifest = Manifest.model_validate(content)
        runs = len(parse_seeds(manifest.seeds)) * len(manifest.methods)
    except ValidationError as error:
        raise ValueError("\n".join(explain_validation(error))) from error
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    except ValueError as error:  # of reading, of TOML, of UTF-8, of the seeds
        raise ValueError(" ".join(str(error).split())[:300]) from error
    if runs > MAX_RECORDS:
        raise ValueError(f"seeds: should be at most {MAX_RECORDS:,} runs with the methods, found {runs:,}")
    return manifest


def explain_validation(error: ValidationError) -> list[str]:
    """Turn an error of pydantic into sentences `field: reason`, the first 20 of them.

    Inputs are left out of the sentences: they may be long, and are somebody else's text.
    """
    mistakes = error.errors(include_url=False, include_context=False, include_input=False)[:20]
    return [f"{'.'.join(map(str, item['loc'])) or 'content'}: {_join_lines(item['msg'])}" for item in mistakes]


def format_manifest(manifest: Manifest) -> str:
    """Write a manifest as TOML, one key per line; empty texts are left out."""
    lines = []
    for key, value in manifest.model_dump().items():
        if value != "":
            # A TOML basic string is a JSON string, but for the one control character that JSON leaves as it is.
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def checksum_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal, by which a manifest names its code."""
    return hashlib.sha256(data).hexdigest()


def _join_lines(text: str) -> str:
    """One line of at most 300 characters, without the prefix that pydantic puts before a validator's own sentence."""
    return re.sub(r"\s+", " ", text).removeprefix("Value error, ")[:300]
