"""Labels that are missing: a loss and a metric that leave them out can be trained; all else is refused before."""

import pytest
import torch

from bench.api import register
from bench.check.splits import are_same_rows
from bench.core.data import Dataset
from bench.core.missing import find_labelled_rows
from bench.errors import UsageError
from bench.planning.plan import plan
from bench.training.fit import fit
from tests.bench.check.broken import change
from tests.bench.check.broken import suite as suites

NAN = float("nan")


def test_which_rows_have_no_label() -> None:
    assert find_labelled_rows(torch.tensor([[1.0, NAN], [NAN, NAN], [0.0, -1.0]])).tolist() == [True, False, True]
    assert find_labelled_rows(torch.tensor([2, -1, 0])).tolist() == [True, False, True]
    assert find_labelled_rows(torch.tensor([[[-1, 3]], [[-1, -1]]])).tolist() == [True, False]


def test_a_missing_label_equals_a_missing_one() -> None:
    x, y = torch.randn(3, 2), torch.tensor([1.0, NAN, 2.0])
    assert are_same_rows(Dataset({"a": x}, {"a": y}), Dataset({"a": x.clone()}, {"a": y.clone()}))
    for other in (torch.tensor([1.0, 2.0, NAN]), torch.tensor([1.0, NAN, NAN]), y.double(), y[:2], y[None]):
        assert not are_same_rows(Dataset({"a": x}, {"a": y}), Dataset({"a": x}, {"a": other}))
    assert not are_same_rows(Dataset({"a": x}, {"a": y}), Dataset({"a": x + 1}, {"a": y}))


REFUSED = {rule_words[1]: cls for *rule_words, cls in suites.BROKEN if rule_words[0] == "labels"}


@pytest.mark.parametrize(("words", "cls"), REFUSED.items())
def test_what_cannot_be_trained_is_refused_before(words: str, cls: type) -> None:
    register("partial")(cls)
    with pytest.raises(UsageError) as error:
        plan("partial", ["hard"], [0], device="cpu")
    assert words in str(error.value)
    assert "`sum`" not in str(error.value)  # whose labels are all there
    assert str(error.value).endswith(".")


def test_a_suite_that_knows_nothing_of_missing_labels_is_trained_on_what_is_there() -> None:
    register("partial")(change(suites.Good, dataset=suites.without_labels("test", slice(3))))
    [spec] = plan("partial", ["hard"], [0], device="cpu")
    record = fit(spec)
    assert record.find_problems() == []
    assert {task: state["count"] for task, state in record.statistics["val"].items()} == {"sum": 10, "first": 7}
