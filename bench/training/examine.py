"""Final evaluation: the test split is read once, after training."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.records import Packed, RunSpec
from bench.scores import score_tasks
from bench.training.evaluate import Predict, collect_statistics
from bench.training.gallery import Gallery
from bench.training.recovered import describe_beside_truth

Epochs = tuple[int, ...]  # of one prediction: the epoch whose weights each member of an ensemble takes


@dataclass(frozen=True)
class TrainedCell:
    """A cell that is trained, before anybody looked at the test split.

    `fields` are those of its record that training decides. `epochs` maps rule -> task -> the epoch of each member that
    stands for the task under the rule. `predictor` opens what predicts with the weights of such epochs. `weights` are
    described beside the truth by whoever knows it.
    """

    fields: dict[str, Any]
    epochs: Mapping[str, Mapping[str, Epochs]]
    predictor: Callable[[Epochs], AbstractContextManager[Predict]]
    weights: Tensor | None = None  # (d, T), where models are linear

    @property
    def distinct_epochs(self) -> list[Epochs]:
        """The epochs whose weights have to predict, each once."""
        return sorted({each for of_task in self.epochs.values() for each in of_task.values()})


def examine(
    cell: TrainedCell,
    suite: Suite,
    spec: RunSpec,
    read_test: Callable[[], Dataset],
    gallery: Gallery | None = None,
) -> dict[str, Any]:
    """The statistics and scores on the test split, which is read here and nowhere else, beside the other fields."""
    test = read_test()
    shown = cell.epochs.get("val", cell.epochs.get("last", {}))
    by_epochs = {}
    for each in cell.distinct_epochs:
        with cell.predictor(each) as predict:
            by_epochs[each] = collect_statistics(predict, suite.tasks, test)
            if gallery:
                gallery.look(predict, test, [task for task, at in shown.items() if at == each])
    if gallery:
        gallery.draw(suite, test)
    states = {rule: {t: by_epochs[each][t] for t, each in of_task.items()} for rule, of_task in cell.epochs.items()}
    kinds = spec.protocol.metrics
    scores = {rule: score_tasks(kinds, of_task, "test") for rule, of_task in states.items()}
    fields = cell.fields | {"statistics": states, "scores": scores}
    if cell.weights is not None:
        recovered = describe_beside_truth(cell.weights, suite.known_weights(spec.seed))
        beside = {name: Packed.pack(m.numpy()) for name, m in recovered.items()}
        fields["matrices"] = beside | fields.get("matrices", {}) | beside  # whoever trained does not know the truth
    return fields
