"""Final evaluation: the test split is read once, after training.

Training, whatever its kind, ends in a `TrainedCell`; `examine` turns it into the fields of a record. A judge does the
same with a cell that was trained in another process.
"""

from collections.abc import Callable
from typing import Any

from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.records import Packed, RunSpec
from bench.scores import score_tasks
from bench.training.correctness import Correctness
from bench.training.evaluate import collect_statistics
from bench.training.gallery import Gallery
from bench.training.kept_model import ModelKeeper
from bench.training.recovered import describe_with_truth
from bench.training.rows import tally_labels
from bench.training.trained_cell import TrainedCell


def examine(
    cell: TrainedCell,
    suite: Suite,
    spec: RunSpec,
    read_test: Callable[[], Dataset],
    gallery: Gallery | None = None,
    keeper: ModelKeeper | None = None,
) -> dict[str, Any]:
    """The fields of `cell` with statistics, scores and correct rows on the test split, which is read only here.

    Args:
        cell: the trained cell.
        suite: brings tasks, panels and true weights.
        spec: the specification of the run.
        read_test: reads the test split; called once.
        gallery: is filled with panels of predictions, where there is one.
        keeper: takes the model that the test split was scored with, where there is one.

    Returns:
        Field -> value of a record, for `ResultRecord.model_copy(update=...)`.
    """
    test = read_test()
    # Panels and correct rows are of the epoch of the main rule, or of the only rule where there is no validation split.
    shown = cell.epochs.get("val", cell.epochs.get("last", {}))
    by_epochs, correct = {}, {}
    for each in cell.distinct_epochs:
        with cell.predictor(each) as predict:
            correctness = Correctness()
            by_epochs[each] = collect_statistics(predict, suite.tasks, test, correctness=correctness)
            correct[each] = correctness.pack(suite.tasks)
            if gallery:
                gallery.look(predict, test, [task for task, at in shown.items() if at == each])
    if gallery:
        gallery.draw(suite, test)
    if keeper:
        keeper.take(cell, suite, spec)
    states = {rule: {t: by_epochs[each][t] for t, each in of_task.items()} for rule, of_task in cell.epochs.items()}
    kinds = spec.protocol.metrics
    scores = {rule: score_tasks(kinds, of_task, "test") for rule, of_task in states.items()}
    right = {task: correct[at][task] for task, at in shown.items() if task in correct[at]}
    fields = cell.fields | {"statistics": states, "scores": scores, "correct_rows": right}
    fields["labels"] = cell.fields.get("labels", {}) | tally_labels("test", test, suite.tasks)
    if cell.weights is not None:
        recovered = describe_with_truth(cell.weights, suite.known_weights(spec.seed))
        packed = {name: Packed.pack(m.numpy()) for name, m in recovered.items()}
        # First in order, and last in force: training cannot claim a matrix of the truth.
        fields["matrices"] = packed | fields.get("matrices", {}) | packed
    return fields
