"""A suite that is another one but for a method or two; and what the builder of a model is given of a suite."""

import pytest
from torch import nn

from bench.core.data import Dataset
from bench.core.replicas import Replicas
from bench.core.suite import Split, Suite, derive_suite, withhold_data
from bench.errors import UsageError
from bench.planning.plan import parse_suite
from suites.synthetic import Synthetic


class FirstRow(Suite):
    """One row, whatever the split."""

    def dataset(self, split: Split, seed: int) -> Dataset:
        rows = Synthetic.dataset(self, split, seed)  # type: ignore[arg-type]
        return Dataset({t: x[:1] for t, x in rows.inputs.items()}, {t: y[:1] for t, y in rows.targets.items()})


def test_the_change_is_seen_and_all_else_is_the_suites_own() -> None:
    suite = Synthetic(tasks=2, train=16)
    derived = derive_suite(suite, FirstRow)
    assert isinstance(derived, Synthetic)
    assert [len(each.dataset("train", 0).targets["task00"]) for each in (derived, suite)] == [1, 16]
    assert derived.protocol is suite.protocol
    assert [stage.output_shape for stage in derived.backbone()] == [stage.output_shape for stage in suite.backbone()]


def test_methods_of_the_suite_see_the_change() -> None:
    class Asking(Synthetic):
        def labels(self) -> int:
            return len(self.dataset("train", 0).targets["task00"])

    asking = Asking(tasks=2, train=16)
    derived = derive_suite(asking, FirstRow)
    assert isinstance(derived, Asking)
    assert (asking.labels(), derived.labels()) == (16, 1)


def test_attributes_that_are_given_take_the_place_of_the_suites() -> None:
    suite = Synthetic(tasks=2, train=16)
    derived = derive_suite(suite, FirstRow, input_shape=(7,))
    assert derived.input_shape == (7,)
    assert suite.input_shape != (7,)


@pytest.mark.parametrize("behind", [False, True])
def test_who_builds_a_model_has_neither_rows_nor_the_truth(behind: bool) -> None:
    """Nor those of a suite on which another stands."""
    _, suite = parse_suite("linear_synthetic")
    assert suite.known_weights(0) is not None
    closed = withhold_data(Outer(suite)).suite if behind else withhold_data(suite)  # type: ignore[attr-defined]
    assert closed.known_weights(0) is None
    for read in (lambda: closed.dataset("train", 0), lambda: closed.sealed(0, 1)):
        with pytest.raises(UsageError, match=r"^A method should not read the suite's data"):
            read()
    assert [task.name for task in closed.tasks] == [task.name for task in suite.tasks]


class Outer(Replicas):
    """Stands on any suite."""

    def __init__(self, suite: Suite) -> None:
        Suite.__init__(self, suite.data_dir)
        self.suite = suite

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return self.suite.backbone(width)
