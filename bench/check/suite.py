"""The contract of a Suite: what holds before any data is read. What is true of the data is in `rows` and `splits`."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from torch import nn

from bench.catalogue.registry import Entry
from bench.check.learning import (
    all_parameters_learn,
    inputs_stay,
    one_row,
    rows_of_a_batch,
    target_shapes,
    trains,
)
from bench.check.options import documented, forms, options, sentence
from bench.check.outcome import RuleOutcome, Skipped, expect, outcomes, trying
from bench.check.rows import SuiteCase, data, losses, metrics, stages
from bench.check.splits import disjoint, labels, repeats, resident, shared_inputs, splits
from bench.core.fresh import prepare_stages
from bench.errors import DataMissing
from bench.scores import unknown_kinds

SECONDS = 1.0  # that a constructor may take


def size(stages: nn.ModuleList) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in stages.parameters())


def constructor(case: SuiteCase) -> None:
    """Reads no data: it is quick, and works where there is none."""
    best = float("inf")
    with tempfile.TemporaryDirectory() as empty:
        for _ in range(2):
            start = time.perf_counter()
            with trying("Constructing the suite without any data"):
                case.build(Path(empty))
            best = min(best, time.perf_counter() - start)
    expect(
        best < SECONDS,
        f"Constructing a suite should take less than {SECONDS:g} s. Found {best:.1f} s; read data in `dataset`.",
    )


def choices(case: SuiteCase) -> None:
    """Every choice of an option that names its choices constructs, with a backbone."""
    for text, values in forms(case.entry):
        with trying(f"Constructing `{text}`"):
            try:
                case.build(case.data_dir, values).backbone()
            except ValueError as error:
                if not sentence(str(error)):
                    raise


def tasks(case: SuiteCase) -> None:
    """Tasks with names of their own, each with a kind of metric that the scores know."""
    suite = case.suite
    names = [task.name for task in suite.tasks]
    expect(
        names and len(set(names)) == len(names) and all(name and "." not in name for name in names),
        f"Tasks should have names of their own, without dots. Found {names}; rename them.",
    )
    kinds = {task.reported: task.metric().kind for task in suite.tasks}
    unknown = unknown_kinds(kinds)
    expect(not unknown, unknown)
    expect(
        dict(suite.protocol.metrics) == kinds,
        f"`protocol.metrics` should give the kind of each task's metric, {kinds}. Found {suite.protocol.metrics}; "
        "make them agree.",
    )


def protocol(case: SuiteCase) -> None:
    """Its splits are train and test, and val where a validation split selects."""
    found = case.suite.protocol
    wanted = {"train", "test"} | ({"val"} if found.selection == "val" else set())
    expect(
        set(found.splits) == wanted,
        f"`protocol.splits` should hold {sorted(wanted)} where selection is `{found.selection}`. Found "
        f"{sorted(found.splits)}; change the splits or the selection.",
    )
    expect(
        found.batch_size <= found.splits["train"],
        f"A batch should fit in the training split. Found {found.batch_size} of {found.splits['train']} rows; make "
        "`batch_size` smaller.",
    )


def width(case: SuiteCase) -> None:
    """A wider backbone has more parameters, in as many stages; a linear model has no width."""
    if case.suite.protocol.fit == "solver":
        raise Skipped("a linear model has no width.")
    plain, wide = (prepare_stages(case.suite.backbone(width), case.suite.input_shape) for width in (1.0, 1.5))
    expect(
        all(isinstance(getattr(stage, "output_shape", None), tuple) for stage in (*plain, *wide)),
        "Every stage of the backbone should have an `output_shape`. Found one without; make it a Stage.",
    )
    expect(
        len(plain) == len(wide) > 0 and size(wide) > size(plain),
        f"`backbone(1.5)` should have more parameters than `backbone()` in as many stages. Found {size(wide)} and "
        f"{size(plain)}; multiply the channels by `width`, as `scaled` does.",
    )


def missing_data(case: SuiteCase) -> None:
    """Where there is no data, DataMissing says so in one sentence; nothing else is raised."""
    with tempfile.TemporaryDirectory() as empty, trying("Asking for checksums where there is no data"):
        try:
            case.build(Path(empty)).checksums()
        except DataMissing as error:
            expect(
                sentence(str(error)),
                f"DataMissing should be one sentence that says how to get the data. Found {str(error)!r}; end it with "
                "a full stop.",
            )


BEFORE_DATA = (documented, options, constructor, choices, tasks, protocol, width, missing_data)
OF_ROWS = (data, shared_inputs, splits, labels, repeats, resident, disjoint)
OF_MODELS = (stages, target_shapes, losses, metrics, inputs_stay, one_row, all_parameters_learn, rows_of_a_batch)
WITH_DATA = (*OF_ROWS, *OF_MODELS, trains)
GATES = {constructor, tasks, protocol, data, shared_inputs, splits, labels}
GATES |= {stages, target_shapes, losses, inputs_stay, rows_of_a_batch}  # each is why others behind it would not hold


def check(entry: Entry, data_dir: Path | None = None) -> Iterator[RuleOutcome]:
    """Every rule on one suite; those on its rows only where its data is there."""
    return outcomes(f"suite/{entry.name}", SuiteCase(entry, data_dir), BEFORE_DATA + WITH_DATA, GATES)
