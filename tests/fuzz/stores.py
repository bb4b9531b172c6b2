"""Sound stores of every kind of metric, and one file in them replaced by a mutated one, sealed again or not."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from bench.records import ResultRecord, slug
from bench.scores import score
from leaderboard.boards.board import Board
from leaderboard.store.committed import read_committed_suite
from leaderboard.store.json_text import format_json
from tests.fuzz.mutations import mutated
from tests.fuzz.trees import TEXTS, mutated_text, mutated_tree
from tests.leaderboard.conftest import build_record

SUITES = {  # kind of metric -> a suite with committed records of it
    "explained": "school",
    "regression": "synthetic-inputs-own-noise-0.2-relatedness-0.8-tasks-10-train-400",
    "classification": "multidigits",
    "dense": "nyuv2-augment-consistent-backbone-encoder-normals-pseudo-size-72x96-training-lite-weights-none",
}
METHODS = ("single_task-init-tied-warm-0.0-uniform-reduction-sum", "hard-split-none-uniform-reduction-sum")
SEEDS = 3  # the fewest of an interval


@dataclass(frozen=True)
class Base:
    """A board and its sound records, by the paths of their files."""

    board: Board
    files: Mapping[str, bytes]

    def write(self, root: Path) -> None:
        for name, content in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _file(record: ResultRecord) -> tuple[str, bytes]:
    spec = record.spec
    name = f"{slug(spec.suite)}/{slug(spec.method)}/{spec.run_id}.json"
    return name, format_json(record.model_dump(mode="json", exclude_defaults=True)).encode()


def _base(records: list[ResultRecord], **more: Any) -> Base:
    methods = sorted({record.method for record in records}, key=lambda name: (name != "single_task", name))
    suite = records[0].suite
    board = Board(name=suite, title="T", version=1, suite=suite, methods=methods, seeds=f"0-{SEEDS - 1}", **more)
    return Base(board, dict(map(_file, records)))


def _ranked(method: str, seed: int) -> ResultRecord:
    """Areas under a curve, which no committed board has."""
    kinds = dict.fromkeys(("mines", "hills"), "classification")
    record = build_record(method, seed, {"mines": 90.0, "hills": 80.0}, kinds)
    spec = record.spec.vary(
        protocol=record.spec.protocol.model_copy(update={"metrics": dict.fromkeys(kinds, "ranking")})
    )
    gain = {"single_task": 0, "hard": 40_000}[method] + 10_000 * seed
    states = {
        task: {"positives": 4_000, "negatives": 6_000, "wins": wins + gain + 0.5}
        for task, wins in {"mines": 20_000_000, "hills": 16_000_000}.items()
    }
    scores = {task: score("ranking", state) for task, state in states.items()}
    update: dict[str, Any] = {"spec": spec, "run_id": spec.run_id}
    update |= {
        name: dict.fromkeys(record.statistics, value) for name, value in (("statistics", states), ("scores", scores))
    }
    return record.model_copy(update=update).seal()


@cache
def base(kind: str) -> Base:
    """A small store with metrics of this kind: two methods at SEEDS seeds, and what a table knows of besides."""
    if kind == "ranking":
        return _base([_ranked(method, seed) for method in ("single_task", "hard") for seed in range(SEEDS)])
    known = [
        record
        for record in read_committed_suite(SUITES[kind].partition("-")[0])
        if slug(record.spec.suite) == SUITES[kind]
    ]
    few = [record for record in known if record.spec.seed < SEEDS and not record.spec.overrides]
    return _base([record for method in METHODS for record in few if slug(record.spec.method) == method])


@dataclass(frozen=True)
class Case:
    """One mutated file of a store: its path, its content, and whether its digest was made again."""

    path: str
    content: bytes
    source: str  # the file that it was made from
    sealed: bool = False
    beside: bool = False  # its source is there too


def case(base: Base, seed: int) -> Case:
    """The file of one record, mutated as text, as bytes or as a tree of values, and then sealed again or not."""
    generator = np.random.default_rng(seed)
    path = list(base.files)[int(generator.integers(len(base.files)))]
    original = base.files[path]
    how = generator.random()
    if how < 0.15:
        return Case(path, mutated(original, seed), path)
    value = json.loads(original)
    if how < 0.3:
        return Case(path, mutated_text(value, seed), path)
    if how < 0.4:  # of another file, key by key
        value |= {key: item for key, item in _other(base, path, generator).items() if generator.random() < 0.2}
    tree = damaged(value, seed, generator) if how >= 0.35 else value
    if how < 0.55:
        return Case(path, _text(tree), path)
    tree, run_id = resealed(tree, generator)
    beside = bool(generator.random() < 0.2)
    folder = Path(path).parent if not beside else Path("another")
    name = run_id if run_id and generator.random() < 0.9 else Path(path).stem
    return Case(f"{folder}/{name}.json", _text(tree), path, True, beside)


def damaged(value: dict[str, Any], seed: int, generator: np.random.Generator) -> Any:
    """A record with mutations anywhere, or in the part by which numbers come to a table, or that failed."""
    how = generator.random()
    if how < 0.5:
        return mutated_tree(value, seed)
    if how < 0.55:
        texts = {name: TEXTS[int(generator.integers(len(TEXTS)))] for name in ("type", "message", "where")}
        return value | {"status": "failed", "error": texts, "statistics": {}, "scores": {}, "selection": {}}
    part = ("statistics", "statistics", "spec", "selection")[int(generator.integers(4))]
    return value | {part: mutated_tree(value[part], seed)}


def _other(base: Base, path: str, generator: np.random.Generator) -> dict[str, Any]:
    names = [name for name in base.files if name != path]
    found: dict[str, Any] = json.loads(base.files[names[int(generator.integers(len(names)))]])
    return found


def _text(tree: Any) -> bytes:
    try:
        return json.dumps(tree).encode()
    except ValueError:  # a number too long to print
        return repr(type(tree)).encode()


def resealed(tree: Any, generator: np.random.Generator) -> tuple[Any, str]:
    """The tree with a digest, a run id and scores that fit it, where it has the form of a record, and its run id."""
    tree = copy.deepcopy(tree)
    depth = min(int(generator.integers(5)), 2)  # how much is made to fit
    try:
        if depth == 2:
            _rescore(tree)
        record = ResultRecord.model_validate_json(json.dumps(tree))
        if depth >= 1:
            tree["run_id"] = record.spec.run_id
            record = record.model_copy(update={"run_id": record.spec.run_id})
        tree["digest"] = record.content_digest()
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return tree, ""
    return tree, record.run_id


def _rescore(tree: Any) -> None:
    kinds = tree["spec"]["protocol"]["metrics"]
    for rule, states in tree["statistics"].items():
        for task, state in states.items():
            try:
                tree["scores"].setdefault(rule, {})[task] = score(kinds[task], state)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
                continue
