"""The contract of a Suite: rules that hold before any data is read. Rules on the data are in `rows` and `splits`.

Also the list of all rules of a suite, in the order in which they are run.
"""

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
from bench.check.options import documented, is_sentence, list_forms, options
from bench.check.outcome import RuleOutcome, Skipped, attempt, expect, run_rules
from bench.check.rows import SuiteCase, data, losses, metrics, stages
from bench.check.splits import disjoint, labels, repeats, resident, shared_inputs, splits
from bench.core.fresh import prepare_stages
from bench.core.suite import explain_unlike_metrics, read_kinds
from bench.errors import DataMissing
from bench.scores import explain_unknown_kinds

SECONDS = 1.0  # that a constructor may take: every plan builds the suite, and every worker again


def count_parameters(stages: nn.ModuleList) -> int:
    """Numbers in all parameters of a backbone."""
    return sum(p.numel() for p in stages.parameters())


def constructor(case: SuiteCase) -> None:
    """Reads no data: it is quick, and works where there is none.

    The better of two times counts, since the first may include imports. The folder for data is an empty one.
    """
    best = float("inf")
    with tempfile.TemporaryDirectory() as empty:
        for _ in range(2):  # the first time may import a library
            start = time.perf_counter()
            with attempt("Constructing the suite without any data"):
                case.build(Path(empty))
            best = min(best, time.perf_counter() - start)
    expect(
        best < SECONDS,
        f"Constructing a suite should take less than {SECONDS:g} s. Found {best:.1f} s; read data in `dataset`.",
    )


def choices(case: SuiteCase) -> None:
    """Every choice of an option that names its choices constructs, with a backbone.

    A choice may be refused with a sentence. Its data is not read: variants may need other files.
    """
    for text, values in list_forms(case.entry):
        with attempt(f"Constructing `{text}`"):
            try:
                case.build(case.data_dir, values).backbone()
            except ValueError as error:
                if not is_sentence(str(error)):
                    raise


def tasks(case: SuiteCase) -> None:
    """Tasks with names of their own, each with a kind of metric that the scores know.

    Names are keys of records and of a module's state, where a dot would be a level.
    """
    suite = case.suite
    names = [task.name for task in suite.tasks]
    expect(
        names and len(set(names)) == len(names) and all(name and "." not in name for name in names),
        f"Tasks should have names of their own, without dots. Found {names}; rename them.",
    )
    wrong = explain_unknown_kinds(read_kinds(suite)) or explain_unlike_metrics(suite)
    expect(not wrong, wrong)


def protocol(case: SuiteCase) -> None:
    """Its splits are train and test, and val where a validation split selects.

    A batch is at most the training split, since partial batches are dropped. With one too large, an
    epoch would have no batch at all.
    """
    own = case.suite.protocol
    wanted = {"train", "test"} | ({"val"} if own.selection == "val" else set())
    expect(
        set(own.splits) == wanted,
        f"`protocol.splits` should hold {sorted(wanted)} where selection is `{own.selection}`. Found "
        f"{sorted(own.splits)}; change the splits or the selection.",
    )
    expect(
        own.batch_size <= own.splits["train"],
        f"A batch should fit in the training split. Found {own.batch_size} of {own.splits['train']} rows; make "
        "`batch_size` smaller.",
    )


def width(case: SuiteCase) -> None:
    """A wider backbone has more parameters, in as many stages; a linear model has no width.

    Sharings ask for wider or narrower stages to be compared at an equal number of parameters.
    """
    if case.suite.protocol.fit == "solver":
        raise Skipped("a linear model has no width.")
    plain, wide = (prepare_stages(case.suite.backbone(width), case.suite.input_shape) for width in (1.0, 1.5))
    expect(
        all(isinstance(getattr(stage, "output_shape", None), tuple) for stage in (*plain, *wide)),
        "Every stage of the backbone should have an `output_shape`. Found one without; make it a Stage.",
    )
    fewer, more = count_parameters(plain), count_parameters(wide)
    expect(
        len(plain) == len(wide) > 0 and more > fewer,
        f"`backbone(1.5)` should have more parameters than `backbone()` in as many stages. Found {more} and "
        f"{fewer}; multiply the channels by `width`, as `scale_channels` does.",
    )


def missing_data(case: SuiteCase) -> None:
    """Where there is no data, DataMissing says so in one sentence; nothing else is raised.

    A suite without data files of its own, which makes its rows, has checksums everywhere.
    """
    with tempfile.TemporaryDirectory() as empty, attempt("Asking for checksums where there is no data"):
        try:
            case.build(Path(empty)).checksums()
        except DataMissing as error:
            expect(
                is_sentence(str(error)),
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
    """Every rule on one suite; rules on its rows run only where its data can be found.

    data_dir: where it is looked for.
    """
    return run_rules(f"suite/{entry.name}", SuiteCase(entry, data_dir), BEFORE_DATA + WITH_DATA, GATES)
