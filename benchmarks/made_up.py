"""Records that nobody ran, as sound as those of runs: six suites, forty methods, any number of seeds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.records import Packed, Protocol, ResultRecord, RunSpec, derive_seed, digest
from bench.records.record import Cost, Curves
from bench.scores import ANGLE_BIN, ANGLE_BINS, KINDS, pack_histogram, score
from leaderboard.store import Store
from leaderboard.store.json_text import format_json

ROWS = 2000  # of the test split
EPOCHS = 20  # of every run: the length of its curves
CLASSES = 10  # of classification and segmentation
VERSIONS = {"python": "3.11.7", "torch": "2.11.0", "numpy": "2.4.6"}


@dataclass(frozen=True)
class SuiteShape:
    """A suite of which runs are made up.

    `tasks` maps a task to its kind of metric and the typical size of its error, in the metric's own unit.
    """

    name: str
    tasks: dict[str, tuple[str, float]]


SUITES = (
    SuiteShape("digits", {"left": ("classification", 0.09), "right": ("classification", 0.10)}),
    SuiteShape("garments", {"left": ("classification", 0.12), "right": ("classification", 0.15)}),
    SuiteShape("attributes", {f"trait{k}": ("classification", 0.05 + 0.02 * k) for k in range(6)}),
    SuiteShape(
        "rooms", {"segmentation": ("segmentation", 0.65), "depth": ("depth", 0.5), "normals": ("normals", 29.0)}
    ),
    SuiteShape("schools", {f"school{k:02}": ("regression", 9.0 + k / 4) for k in range(12)}),
    SuiteShape("arms", {f"joint{k}": ("regression", 0.3 + 0.05 * k) for k in range(7)}),
)
METHODS = (
    *("single_task", "hard", "hard:split=1", "hard:split=2", "hard_wide", "lora", "mtan", "adashare", "mmoe", "cgc"),
    *("ple", "adatt", "dselect_k", "cross_stitch", "cross_stitch:rows=normalised", "sluice", "nddr", "dmtrl"),
    *(f"hard@{name}" for name in ("uncertainty", "dwa", "rlw", "gls", "gradnorm", "famo", "stch", "pcgrad", "mgda")),
    *("hard@cagrad", "hard@nash_mtl", "hard@imtl_g"),
    *(f"soft+l2:halflife={value}" for value in ("inf", "1000.0", "100.0", "10.0", "0.0")),
    *(f"soft+{name}" for name in ("trace_norm", "mtrl", "cluster", "graph", "l21")),
)


def make_records(
    count: int, suites: tuple[SuiteShape, ...] = SUITES, methods: tuple[str, ...] = METHODS
) -> Iterator[ResultRecord]:
    """Yields sound, sealed records: every method on every suite, seed by seed.

    Seeds are whole, so that there are `count` records or a few more.
    """
    for seed in range(-(-count // (len(suites) * len(methods)))):
        for suite in suites:
            for method in methods:
                yield make_record(suite, method, seed)


def make_board(methods: int, seeds: int) -> Iterator[ResultRecord]:
    """Yields sound, sealed records of `methods` methods on the first suite, seed by seed.

    Beyond METHODS, methods are `soft+l2` with different half-lives.
    """
    options = (f"soft+l2:halflife={value / 8}" for value in range(1, methods + 1))
    names = list(dict.fromkeys((*METHODS, *options)))[:methods]
    for seed in range(seeds):
        for method in names:
            yield make_record(SUITES[0], method, seed)


def make_record(suite: SuiteShape, method: str, seed: int) -> ResultRecord:
    """One sealed record that passes all checks. Equal arguments give equal records.

    log error = luck of the seed - gain of the method + noise, so that methods differ by about 15 % on a suite, and all
    methods have the luck of a seed (5 %) in common, as runs that share data and initialisation do.
    """
    gain = 0.15 * _seed_generator(suite.name, method).standard_normal() * (method != "single_task")
    luck = 0.05 * _seed_generator(suite.name, seed).standard_normal()
    generator = _seed_generator(suite.name, method, seed)
    errors = {
        task: size * float(np.exp(luck - gain + 0.03 * generator.standard_normal()))
        for task, (_, size) in suite.tasks.items()
    }
    kinds = {task: kind for task, (kind, _) in suite.tasks.items()}
    states = {task: _state(kinds[task], error, generator) for task, error in errors.items()}
    scores = {task: score(kinds[task], state) for task, state in states.items()}
    data = {split: f"{derive_seed(suite.name, split):064x}" for split in ("train", "val", "test")}
    spec = _spec(suite.name, method, seed, kinds, digest(data))
    # Methods whose records have matrices between tasks and effective sharing.
    towers = method.startswith(("cross", "soft", "sluice", "nddr"))
    many, layers = len(kinds), [f"{stage}.0.weight" for stage in range(4)]
    return ResultRecord(
        run_id=spec.run_id,
        suite=suite.name,
        method=method,
        spec=spec,
        status="done",
        tasks=list(kinds),
        statistics=dict.fromkeys(("val", "per_task", "last"), states),
        scores=dict.fromkeys(("val", "per_task", "last"), scores),
        selection={rule: dict.fromkeys(kinds, EPOCHS) for rule in ("val", "per_task", "last")},
        cost=_cost(method),
        data=data,
        environment=VERSIONS,
        curves=_curves(scores, errors, kinds),
        matrices={f"stitch.{k}": Packed.pack(np.eye(many) + 0.1 * k) for k in range(4)} if towers else {},
        effective_sharing={layer: 1 - 0.1 * at for at, layer in enumerate(layers)} if towers else {},
        cosines=Packed.pack(np.eye(many)),
        created="2026-01-01T00:00:00+00:00",
    ).seal()


def write_unsynced(store: Store, records: Iterator[ResultRecord]) -> int:
    """Put records where the store has them; returns how many. They are not synced, which would take minutes."""
    count = 0
    for record in records:
        path = store.path(record.spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(format_json(record.model_dump(mode="json")), encoding="utf-8")
        count += 1
    return count


def _seed_generator(*names: Any) -> np.random.Generator:
    """A generator whose seed is derived from the names."""
    return np.random.default_rng(derive_seed(*names))


def _spec(suite: str, method: str, seed: int, kinds: dict[str, str], data: str) -> RunSpec:
    """The specification of a made-up run.

    The default weighting is spelt out, since specifications name all three parts of a method.
    """
    protocol = Protocol(
        name=suite,
        version=1,
        splits={"train": 4000, "val": 1000, "test": ROWS},
        split_rule="made up",
        epochs=EPOCHS,
        steps_per_epoch=60,
        batch_size=64,
        optimiser="adam",
        lr=0.001,
        schedule="cosine",
        metrics=kinds,
    )
    whole = method if "@" in method else f"{method}@uniform"
    return RunSpec(suite=suite, method=whole, seed=seed, protocol=protocol, versions={f"suite/{suite}": 1}, data=data)


def _state(kind: str, error: float, generator: np.random.Generator) -> dict[str, Any]:
    """Statistics of a test split with about this error, in the form that a metric of this kind stores.

    Args:
        kind: A kind of metric of `bench.scores.KINDS`.
        error: Its primary error, in the metric's own unit.
        generator: Draws how errors are spread.
    """
    if kind == "regression":
        return {"count": ROWS, "squared_error": error**2 * ROWS}
    if kind == "depth":
        return {"count": 100 * ROWS, "absolute_error": 100 * ROWS * error, "relative_error": 45 * ROWS * error}
    if kind == "normals":
        angles = np.clip(generator.exponential(error, 5000), 0, 179)
        counts = np.bincount((angles / ANGLE_BIN).astype(int), minlength=ANGLE_BINS)
        return {"count": len(angles), "angle_sum": float(angles.sum()), "histogram": pack_histogram(counts)}
    # Right answers are spread evenly over the classes; a wrong one is taken for the next class.
    wrong = round(ROWS * min(error, 0.9))
    confusion = np.diag(np.full(CLASSES, (ROWS - wrong) // CLASSES))
    off = generator.multinomial(ROWS - int(confusion.sum()), np.full(CLASSES, 1 / CLASSES))
    confusion[np.arange(CLASSES), (np.arange(CLASSES) + 1) % CLASSES] += off
    return {"confusion": confusion.tolist()}


def _cost(method: str) -> Cost:
    """A cost that depends on the method only."""
    size = 1 + derive_seed(method) % 40
    return Cost(
        parameters=10_000 * size,
        forward_flops=200_000 * size,
        step_ms=1.0 + size / 10,
        train_seconds=60.0 + size,
        peak_memory_mb=800.0,
        hardware="cpu: made up, 1 thread",
    )


def _curves(scores: dict[str, dict[str, float]], errors: dict[str, float], kinds: dict[str, str]) -> Curves:
    """Curves over epochs that settle at the scores; none above ten tasks, as in records of real runs.

    Args:
        scores: task -> metric -> value at the end.
        errors: task -> primary error, which the training loss settles at.
        kinds: task -> kind of metric, which says in which direction a metric improves.
    """
    if len(scores) > 10:
        return Curves()
    settle = [1 - 0.6 * 0.7**epoch for epoch in range(1, EPOCHS + 1)]
    rises = {metric.name: metric.higher_is_better for kind in kinds.values() for metric in KINDS[kind].metrics}
    return Curves(
        train_loss={task: [error / part for part in settle] for task, error in errors.items()},
        val={
            task: {
                name: [value * part if rises[name] else value / part for part in settle] for name, value in own.items()
            }
            for task, own in scores.items()
        },
    )
