"""Mutated lines of packed stores: what is read is a sound record, and no line spoils another one."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.records import ResultRecord
from leaderboard.report.table import tabulate
from leaderboard.store import Store
from leaderboard.store.merge import merge_stores
from leaderboard.store.packed import PROTOCOLS
from tests.fuzz.budget import LONGEST, seeds, tree
from tests.fuzz.mutations import mutated
from tests.fuzz.stores import base, damaged
from tests.fuzz.test_stores import named, rendered
from tests.fuzz.trees import draw, mutated_text

KINDS = ("explained", "classification", "dense")


def packed(kind: str, root: Path) -> list[ResultRecord]:
    """A packed store with records of a kind, and these."""
    base(kind).write(root)
    merge_stores([], root)
    return Store(root).read().records


def sound(records: list[ResultRecord]) -> bool:
    """Whether each is what its digest says, with scores that follow from its statistics."""
    return all(record.digest == record.content_digest() and record.find_problems() == [] for record in records)


def mutated_line(value: Any, line: bytes, seed: int, generator: np.random.Generator) -> bytes:
    """As bytes, as text of JSON, or as a tree of values; one line again."""
    how = generator.random()
    if how < 0.3:
        return mutated(line, seed).replace(b"\n", b" ")
    try:
        text = mutated_text(value, seed) if how < 0.5 else json.dumps(damaged(value, seed, generator)).encode()
    except ValueError:  # a number too long to print
        return b"9" * 5000
    return text.replace(b"\n", b" ")


def test_mutated_lines(tmp_path: Path) -> None:
    known = {kind: packed(kind, tmp_path / kind) for kind in KINDS}
    for seed in seeds(90, "packed lines"):
        generator = np.random.default_rng(seed)
        kind = draw(KINDS, generator)
        root = tmp_path / kind
        path = draw(sorted(root.glob("*/*.jsonl")), generator)
        whole = path.read_bytes()
        lines = whole.splitlines()
        at = int(generator.integers(len(lines)))
        value = json.loads(lines[at])
        line = mutated_line(value, lines[at], seed, generator)
        path.write_bytes(b"\n".join([*lines[:at], line, *lines[at + 1 :]]))
        before, start = tree(tmp_path), time.monotonic()
        contents = Store(root).read()
        rendered(tabulate(base(kind).board, contents))
        assert time.monotonic() - start < LONGEST, seed
        assert tree(tmp_path) == before, seed
        named(contents.problems)
        assert sound(contents.records), seed
        others = [record for record in known[kind] if record.run_id != value["run_id"]]
        assert [record for record in contents.records if record.run_id != value["run_id"]] == others, seed
        assert len(contents.records) + len(contents.problems) == len(known[kind]), seed
        path.write_bytes(whole)


def test_mutated_files(tmp_path: Path) -> None:
    """Also those of protocols: nothing but records that were there comes out, each of them as it was."""
    known = {kind: packed(kind, tmp_path / kind) for kind in KINDS}
    for seed in seeds(60, "packed files"):
        generator = np.random.default_rng(seed)
        kind = draw(KINDS, generator)
        root = tmp_path / kind
        files = sorted([*root.glob("*/*.jsonl"), *(root / PROTOCOLS).iterdir()])
        path = draw(files, generator)
        whole = path.read_bytes()
        path.write_bytes(mutated(whole, seed))
        start = time.monotonic()
        contents = Store(root).read()
        assert time.monotonic() - start < LONGEST, seed
        named(contents.problems)
        assert sound(contents.records), seed
        assert all(record in known[kind] for record in contents.records), seed
        lost = len(known[kind]) - len(contents.records)
        assert not lost or contents.problems or not path.read_bytes().strip(), seed
        path.write_bytes(whole)
