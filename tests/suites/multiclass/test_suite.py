"""`multiclass`: two forms of one problem on the same rows, and what its scores count."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from bench.cli.main import main
from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit
from suites.multiclass import DigitClasses

SHORT = {"epochs": "2", "steps_per_epoch": "3"}


def test_both_forms_have_the_same_scans_and_digits() -> None:
    rest, one = DigitClasses(train=80), DigitClasses(form="one", train=80)
    for split in ("train", "val", "test"):
        ten, whole = rest.dataset(split, 1), one.dataset(split, 1)  # type: ignore[arg-type]
        assert torch.equal(ten.inputs["digit3"], whole.inputs["digit"])
        y = torch.cat([ten.targets[f"digit{k}"] for k in range(10)], dim=1)
        assert torch.equal(y.argmax(dim=1), whole.targets["digit"])
        assert torch.equal(y.sum(dim=1), torch.ones(len(y)))
        assert len(ten.groups) == 1


def test_scans_are_dealt_anew_and_are_those_of_scikit_learn() -> None:
    images, digits = load_digits(return_X_y=True)
    known = {row.tobytes(): digit for row, digit in zip((images / 16).astype(np.float32), digits, strict=True)}
    suite = DigitClasses(form="one")
    parts = {split: suite.dataset(split, 0) for split in ("train", "val", "test")}  # type: ignore[arg-type]
    assert {split: rows.rows for split, rows in parts.items()} == {"train": 1000, "val": 398, "test": 399}
    seen = [row.tobytes() for rows in parts.values() for row in rows.inputs["digit"].numpy()]
    assert sorted(seen) == sorted(row.tobytes() for row in (images / 16).astype(np.float32))
    assert all(
        known[x.tobytes()] == int(y)
        for x, y in zip(parts["val"].inputs["digit"].numpy(), parts["val"].targets["digit"], strict=True)
    )
    few = DigitClasses(form="one", train=100)
    assert torch.equal(few.dataset("train", 0).inputs["digit"], parts["train"].inputs["digit"][:100])
    assert torch.equal(few.dataset("test", 0).inputs["digit"], parts["test"].inputs["digit"])
    assert not torch.equal(suite.dataset("test", 1).inputs["digit"], parts["test"].inputs["digit"])


def test_the_score_is_that_of_the_digit_in_either_form() -> None:
    for suite, methods in (("multiclass:train=60", ("single_task", "hard")), ("multiclass:form=one", ("single_task",))):
        for method in methods:
            [spec] = plan(suite, [method], [0], SHORT)
            record = fit(spec)
            assert record.status == "done", record.error
            assert record.find_problems() == []
            assert record.tasks == ["digit"]
            assert list(record.scores["val"]["digit"]) == ["accuracy"]
            assert np.sum(record.statistics["val"]["digit"]["confusion"]) == 399
            truth = np.sum(record.statistics["val"]["digit"]["confusion"], axis=1)
            y = DigitClasses(form="one").dataset("test", 0).targets["digit"]
            assert truth.tolist() == torch.bincount(y).tolist()


def test_the_suite_keeps_its_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "multiclass"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(("text", "named"), [("multiclass:form=two", "form"), ("multiclass:train=1001", "train")])
def test_bad_options_are_one_sentence(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        parse_suite(text)
