"""The packed form of records: one line per run, the lines of a method in one file, protocols by digest beside them.

    SUITE/METHOD-KEY.jsonl      lines, by protocol and seed; SUITE and METHOD are the short names, as tables list them
    _protocols/DIGEST.json      a protocol, with the values that are not its defaults
    _panels/RUN_ID.0.png        pictures

A line is the JSON of a record without what equals its default, with a digest in the place of the protocol and the
schema version 2. What comes out of it is the record that went in: it has the same run id and digest. A line is about
a quarter smaller than an open file, and two files of different methods never have a line in common, so that branches
that add them merge (docs/decisions/7-packed-results.md).
"""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from bench.records import Protocol, ResultRecord, RunSpec, digest, slug
from bench.records.record import SCHEMA_VERSION
from leaderboard.store.json_text import compact_json
from leaderboard.store.limits import parse_json, read_limited

PACKED_VERSION: Final = 2  # of the schema; an open record has 1
PROTOCOLS, PANELS = "_protocols", "_panels"  # the slug of a suite never begins with `_`, so that they are none
MAX_SUITE, MAX_METHOD = 36, 44  # characters of names: a path from the root of the repository stays below 120
MAX_PROTOCOL = 64 * 1024  # bytes
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}  # by Windows
_DIGEST = re.compile(r"[0-9a-f]{16}\Z")


@lru_cache(maxsize=4096)
def method_key(suite: str, method: str) -> str:
    """Eight digits that tell methods on suites apart, from their canonical names."""
    return digest([suite, method])[:8]


def suite_folder(suite: str) -> str:
    """The folder of a suite by its short name, at most MAX_SUITE characters, which every file system takes."""
    name = slug(suite, MAX_SUITE)
    return f"{name}_" if name in _RESERVED else name


def packed_path(record: ResultRecord) -> str:
    """Where the line of a record lies, relative to the root of its store."""
    key = method_key(record.spec.suite, record.spec.method)
    return f"{suite_folder(record.suite)}/{slug(record.method, MAX_METHOD)}-{key}.jsonl"


def packed_files(root: Path, spec: RunSpec) -> list[Path]:
    """The packed files that may hold a run; several only where its method goes by several short names."""
    folders = f"{slug(spec.suite.partition(':')[0])}*"
    return sorted(root.glob(f"{folders}/*-{method_key(spec.suite, spec.method)}.jsonl"))


def protocol_digest(protocol: Protocol) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a protocol, values that equal their default left out."""
    return digest(protocol.model_dump(mode="json", exclude_defaults=True))[:16]


def protocol_file_text(protocol: Protocol) -> str:
    """The content of a protocol's file: the same from every version of the code, as the digest is."""
    return compact_json(protocol.model_dump(mode="json", exclude_defaults=True)) + "\n"


def pack_line(record: ResultRecord) -> str:
    """The line of a record, with its end. Raises ValueError where a number is not finite."""
    content = record.model_dump(mode="json", exclude_defaults=True)
    content["spec"]["protocol"] = protocol_digest(record.spec.protocol)
    return json.dumps({"schema_version": PACKED_VERSION, **content}, separators=(",", ":"), allow_nan=False) + "\n"


def line_order(record: ResultRecord) -> tuple[str, int, str]:
    """Lines of a file are sorted by this: protocol, seed, run id."""
    return protocol_digest(record.spec.protocol), record.spec.seed, record.run_id


class ProtocolShelf:
    """The protocols of a store, each read and checked once."""

    def __init__(self, root: Path) -> None:
        self._folder = root / PROTOCOLS
        self._known: dict[str, Protocol] = {}

    def get(self, name: Any) -> Protocol:
        """The protocol with the digest `name`. Raises ValueError with one sentence where no sound one is there."""
        if not isinstance(name, str) or not _DIGEST.match(name):
            raise ValueError(f"spec.protocol: should be the digest of a file in {PROTOCOLS}, 16 hexadecimal digits")
        if name not in self._known:
            try:
                self._known[name] = self._read(name)
            except ValueError as error:
                raise ValueError(f"spec.protocol: {PROTOCOLS}/{name}.json {error}") from error
        return self._known[name]

    def _read(self, name: str) -> Protocol:
        if self._folder.is_symlink():
            raise ValueError("should not lie behind a link")
        content = parse_json(read_limited(self._folder / f"{name}.json", MAX_PROTOCOL))
        try:
            protocol = Protocol.model_validate(content)
        except ValidationError as error:
            [first, *_] = error.errors()
            raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}") from error
        if (right := protocol_digest(protocol)) != name:
            raise ValueError(f"should have the name {right}.json, by its content")
        return protocol


def unpack_line(line: bytes, shelf: ProtocolShelf) -> ResultRecord:
    """The record of a line, as it was packed; its content is validated and its scores are not.

    Raises ValueError with one sentence about what is wrong, or ValidationError of pydantic.
    """
    try:
        content = from_json(line)
    except ValueError as error:
        raise ValueError(f"content: should be JSON ({error})") from error
    if not isinstance(content, dict) or not isinstance(spec := content.get("spec"), dict):
        raise ValueError("content: should be a record, an object with a `spec`")
    if content.get("schema_version") != PACKED_VERSION:
        raise ValueError(f"schema_version: should be {PACKED_VERSION} in a line")
    # Not parsed anew for every line: protocols are a third of a record, and a store has few.
    protocol = shelf.get(spec.get("protocol"))
    return ResultRecord.model_validate(
        {**content, "schema_version": SCHEMA_VERSION, "spec": {**spec, "protocol": protocol}}
    )
