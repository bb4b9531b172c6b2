"""What probes found in the networks of a suite, methods side by side, as text and JSON: means over stored runs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.errors import count_nouns
from bench.records import Packed, ProbeResults, ResultRecord
from leaderboard.report.terminal import draw_texts

MOMENTS = (0.1, 0.5, 1.0)  # of training, at which what changes over time is shown


class ProbedMethod(NamedTuple):
    """Runs of one method under one setting.

    Attributes:
        label: the method, with what its runs change in the protocol.
        tasks: in the order of matrices.
        found: of each run.
    """

    label: str
    tasks: list[str]
    found: list[ProbeResults]


class ProbeTable(NamedTuple):
    """One grid: a title, names of columns, lines of a label, a task and numbers (None where there is none)."""

    title: str
    head: list[str]
    lines: list[tuple[str, str, list[float | None]]]
    note: str


def group_probed(records: Iterable[ResultRecord]) -> list[ProbedMethod]:
    """The probed runs by method and changed settings, in the order of their first run.

    Where a board ran a method at the value that its curve chose, those runs stand for it.
    """
    groups: dict[str, list[ResultRecord]] = {}
    probed = [record for record in records if record.probes and record.status == "done"]
    best = {record.method for record in probed if record.spec.is_best_of_curve}
    for record in probed:
        if record.spec.is_best_of_curve or record.method not in best:
            changed = ", ".join(f"{key}={value}" for key, value in sorted(record.spec.overrides.items()))
            groups.setdefault(f"{record.method}, {changed}" if changed else record.method, []).append(record)
    return [ProbedMethod(label, own[0].tasks, [r.probes for r in own if r.probes]) for label, own in groups.items()]


def tabulate_probes(methods: Sequence[ProbedMethod]) -> list[ProbeTable]:
    """What was found, a table for each probe that found something."""
    found = [_tabulate_blocks(methods), _tabulate_decodable(methods), _tabulate_sharing(methods)]
    found += [_tabulate_pairs(methods, "likeness"), _tabulate_pairs(methods, "uses"), _tabulate_owners(methods)]
    return [table for table in found if table.lines]


def draw_probes(suite: str, methods: Sequence[ProbedMethod]) -> str:
    """For the terminal."""
    counts = ", ".join(f"{each.label} ({count_nouns(len(each.found), 'run')})" for each in methods)
    parts = [f"{suite}: {counts}.\n"]
    for table in tabulate_probes(methods):
        lines = [[label, task, *map(_write, numbers)] for label, task, numbers in table.lines]
        head = ["method", "task", *table.head]
        if not any(task for _, task, _ in table.lines):
            head, lines = [head[0], *head[2:]], [[line[0], *line[2:]] for line in lines]
        parts.append(draw_texts(table.title, head, lines, [table.note], ["method", "task"]))
    return "\n".join(parts)


def encode_probes(suite: str, methods: Sequence[ProbedMethod]) -> dict[str, Any]:
    """The same tables as JSON values."""
    return {
        "suite": suite,
        "runs": {each.label: len(each.found) for each in methods},
        "tables": [
            {
                "title": table.title,
                "lines": [
                    {"method": label, "task": task, **dict(zip(table.head, numbers, strict=True))}
                    for label, task, numbers in table.lines
                ],
            }
            for table in tabulate_probes(methods)
        ],
    }


def _tabulate_blocks(methods: Sequence[ProbedMethod]) -> ProbeTable:
    """By how much a task's loss rises where a block says nothing, and how often a block is the one that counts most."""
    blocks = list(dict.fromkeys(block for each in methods for one in each.found for block in one.blocks))
    lines = []
    for each in methods:
        for task in each.tasks:
            rises = np.array([[one.blocks[b][task] for b in blocks] for one in each.found if task in _read_tasks(one)])
            if len(rises):
                first = np.bincount(rises.argmax(axis=1), minlength=len(blocks)) / len(rises)
                lines.append((each.label, task, [*rises.mean(axis=0).tolist(), *(100 * first).tolist()]))
    head = [*(f"{block}" for block in blocks), *(f"{block} first %" for block in blocks)]
    note = (
        "By how much a task's validation loss rises where a block of inputs is dealt out anew, and how often that is "
        "the block whose loss costs the task most."
    )
    return ProbeTable("How much a task uses each block of inputs", head, lines, note)


def _read_tasks(found: ProbeResults) -> set[str]:
    """The tasks whose use of blocks is known."""
    return {task for of_task in found.blocks.values() for task in of_task}


def _tabulate_decodable(methods: Sequence[ProbedMethod]) -> ProbeTable:
    """R^2 of true features over time."""
    features = list(dict.fromkeys(name for each in methods for one in each.found for name in one.decodable))
    lines = []
    for each in methods:
        for task in each.tasks:
            numbers: list[float | None] = []
            for name in features:
                paths = [one.decodable[name][task] for one in each.found if task in one.decodable.get(name, {})]
                numbers += _read_moments(paths, each.found[0].epochs)
            if any(number is not None for number in numbers):
                lines.append((each.label, task, numbers))
    head = [f"{name} at {moment:.0%}" for name in features for moment in MOMENTS]
    note = "R² of a linear fit of the true feature from what the task's head sees, after these shares of training."
    return ProbeTable("When a hidden feature can be read from the network", head, lines, note)


def _tabulate_sharing(methods: Sequence[ProbedMethod]) -> ProbeTable:
    """Effective sharing over time, the mean over parameters."""
    lines: list[tuple[str, str, list[float | None]]] = []
    for each in methods:
        paths = [list(np.mean(list(one.sharing.values()), axis=0)) for one in each.found if one.sharing]
        if paths:
            lines.append((each.label, "", _read_moments(paths, each.found[0].epochs)))
    head = [f"at {moment:.0%}" for moment in MOMENTS]
    note = (
        "1 - |U - mean U|² / |U|² of the updates U of the tasks' copies so far, the mean over parameters: 1 where all "
        "moved alike, 1/T where they have nothing in common."
    )
    return ProbeTable("Effective sharing over time", head, lines, note)


def _tabulate_pairs(methods: Sequence[ProbedMethod], field: str) -> ProbeTable:
    """The mean over pairs of tasks of a matrix of every depth."""

    def read(one: ProbeResults) -> Mapping[str, Packed]:
        return one.likeness if field == "likeness" else one.uses

    depths = list(dict.fromkeys(depth for each in methods for one in each.found for depth in read(one)))
    lines: list[tuple[str, str, list[float | None]]] = []
    for each in methods:
        numbers: list[float | None] = []
        for depth in depths:
            matrices = [read(one)[depth].unpack() for one in each.found if depth in read(one)]
            numbers.append(_average_pairs(matrices))
        if len(each.tasks) > 1 and any(number is not None for number in numbers):
            lines.append((each.label, "", numbers))
    title, note = {
        "likeness": ("Likeness of features", "Linear CKA, the mean over pairs of tasks: 1 for the same features."),
        "uses": (
            "Use of the same features",
            "Rank correlation of how much predictions change with each feature, the mean over pairs of tasks.",
        ),
    }[field]
    return ProbeTable(title, depths, lines, note)


def _average_pairs(matrices: Sequence[np.ndarray]) -> float | None:
    """The mean over runs and over pairs of tasks; None where there is no pair."""
    pairs = [matrix[np.triu_indices(len(matrix), 1)] for matrix in matrices]
    return float(np.mean(np.concatenate(pairs))) if any(len(each) for each in pairs) else None


def _tabulate_owners(methods: Sequence[ProbedMethod]) -> ProbeTable:
    """How many owners parameters have."""
    lines: list[tuple[str, str, list[float | None]]] = []
    for each in methods:
        owners = [list(one.owners.values()) for one in each.found if one.owners]
        if owners:
            ends = (np.min, np.median, np.max)
            lines.append((each.label, "", [float(np.mean([end(own) for own in owners])) for end in ends]))
    note = "(Σ F)² / Σ F² of the tasks' shares of information in a parameter: 1 for one task's own, T where all count."
    return ProbeTable("Owners of a parameter", ["fewest", "median", "most"], lines, note)


def _read_moments(paths: Sequence[Sequence[float]], epochs: Sequence[int]) -> list[float | None]:
    """The mean over runs at the last look up to each of MOMENTS; None where there was none before.

    epochs: of the looks, the same for all paths.
    """
    looks = [sum(epoch <= moment * epochs[-1] for epoch in epochs) for moment in MOMENTS]
    return [float(np.mean([path[look - 1] for path in paths])) if paths and look else None for look in looks]


def _write(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}"
