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
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from bench.records import Protocol, ResultRecord, RunSpec, digest, slug
from bench.records.record import SCHEMA_VERSION
from leaderboard.store.json_text import format_json
from leaderboard.store.limits import parse_json, read_limited

PACKED_VERSION: Final = 2  # of the schema; an open record has 1
# Folders that no suite can have: the slug of a suite never begins with `_`.
PROTOCOLS = "_protocols"
PANELS = "_panels"
# Characters of names: a path from the root of the repository stays below 120, as clones on Windows need.
MAX_SUITE = 36
MAX_METHOD = 44
MAX_PROTOCOL = 64 * 1024  # bytes
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}  # by Windows
_DIGEST = re.compile(r"[0-9a-f]{16}\Z")


@lru_cache(maxsize=4096)
def make_method_key(suite: str, method: str) -> str:
    """Eight hexadecimal digits that tell methods on suites apart, from their canonical names.

    File names have the short name, which may be cut and may be the same for two methods.
    """
    return digest([suite, method])[:8]


def name_suite_folder(suite: str) -> str:
    """The folder of a suite from its short name, at most MAX_SUITE characters.

    Names that Windows reserves for devices, as `aux`, get an underscore, so that every file system takes them.
    """
    name = slug(suite, MAX_SUITE)
    return f"{name}_" if name in _RESERVED else name


def find_packed_path(record: ResultRecord) -> str:
    """Where the line of a record lies, SUITE/METHOD-KEY.jsonl, relative to the root of its store."""
    key = make_method_key(record.spec.suite, record.spec.method)
    return f"{name_suite_folder(record.suite)}/{slug(record.method, MAX_METHOD)}-{key}.jsonl"


def find_packed_files(root: Path, spec: RunSpec) -> list[Path]:
    """The packed files that may hold a run, sorted; several only where its method goes by several short names.

    Args:
        root: the store.
        spec: the run; its seed does not matter, as all seeds of a method share a file.
    """
    folders = f"{slug(spec.suite.partition(':')[0])}*"
    return sorted(root.glob(f"{folders}/*-{make_method_key(spec.suite, spec.method)}.jsonl"))


def digest_protocol(protocol: Protocol) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a protocol without the values that equal their default.

    Leaving defaults out keeps digests where a setting is added to the protocol.
    """
    return digest(protocol.model_dump(mode="json", exclude_defaults=True))[:16]


def format_protocol(protocol: Protocol) -> str:
    """The content of a protocol's file: JSON of the values that are not at their default, as in the digest."""
    return format_json(protocol.model_dump(mode="json", exclude_defaults=True)) + "\n"


def pack_line(record: ResultRecord) -> str:
    """The line of a record, with its end.

    Raises:
        ValueError: a number is not finite.
    """
    content = record.model_dump(mode="json", exclude_defaults=True)
    content["spec"]["protocol"] = digest_protocol(record.spec.protocol)
    return json.dumps({"schema_version": PACKED_VERSION, **content}, separators=(",", ":"), allow_nan=False) + "\n"


def make_line_key(record: ResultRecord) -> tuple[str, int, str]:
    """Sort key of the lines of a file: protocol, seed, run id, so that a new seed is a new line among its own."""
    return digest_protocol(record.spec.protocol), record.spec.seed, record.run_id


class ProtocolShelf:
    """The protocols of a store, each read and checked once, when a line first names it."""

    def __init__(self, root: Path, known: Mapping[str, Protocol] | None = None) -> None:
        """Of the store `root`; protocols that are `known` by their digest already are not read."""
        self._folder = root / PROTOCOLS
        self._known = dict(known or {})

    def get(self, name: Any) -> Protocol:
        """The protocol with the digest `name`, which comes from a line and may be anything.

        Raises:
            ValueError: one sentence: it is no digest, or its file is missing, unsound or named after another content.
        """
        if not isinstance(name, str) or not _DIGEST.match(name):
            raise ValueError(f"spec.protocol: should be the digest of a file in {PROTOCOLS}, 16 hexadecimal digits")
        if name not in self._known:
            try:
                self._known[name] = self._read(name)
            except ValueError as error:
                raise ValueError(f"spec.protocol: {PROTOCOLS}/{name}.json {error}") from error
        return self._known[name]

    def _read(self, name: str) -> Protocol:
        """Read a protocol and compare it with its name."""
        if self._folder.is_symlink():
            raise ValueError("should not lie behind a link")
        content = parse_json(read_limited(self._folder / f"{name}.json", MAX_PROTOCOL))
        try:
            protocol = Protocol.model_validate(content)
        except ValidationError as error:
            [first, *_] = error.errors()
            raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}") from error
        if (right := digest_protocol(protocol)) != name:
            raise ValueError(f"should have the name {right}.json, by its content")
        return protocol


def unpack_line(line: bytes, shelf: ProtocolShelf) -> ResultRecord:
    """The record of a line, as it was packed; its content is validated and its scores are not.

    Args:
        line: the bytes of one line.
        shelf: the protocols of the store.

    Raises:
        ValueError: one sentence about what is wrong, or the errors of pydantic (ValidationError is a ValueError).
    """
    if not line.strip():
        raise ValueError("content: should be a record, found an empty line; remove it")
    try:
        content = from_json(line)
    except ValueError as error:
        raise ValueError(
            f"content: should be JSON ({error}); remove the line, and the run can be made again"
        ) from error
    if not isinstance(content, dict) or not isinstance(spec := content.get("spec"), dict):
        raise ValueError("content: should be a record, an object with a `spec`")
    if content.get("schema_version") != PACKED_VERSION:
        raise ValueError(f"schema_version: should be {PACKED_VERSION} in a line")
    # Not parsed anew for every line: protocols are a third of a record, and a store has few.
    protocol = shelf.get(spec.get("protocol"))
    return ResultRecord.model_validate(
        {**content, "schema_version": SCHEMA_VERSION, "spec": {**spec, "protocol": protocol}}
    )
