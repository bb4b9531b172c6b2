"""What outputs are called: classes, levels, counts and numbers in their unit, on values computed by hand."""

import csv
import io
import math

import numpy as np
import pytest
import torch

from bench.core.new_rows import NewRows
from bench.errors import UsageError
from bench.prediction.answers import (
    describe_outputs,
    format_csv,
    pack_arrays,
    restore_unit,
    tabulate_predictions,
)


def test_numbers_are_in_the_unit_of_their_target() -> None:
    z = torch.tensor([[0.0], [1.0]])
    restored = restore_unit(z, {"shift": 10.0, "scale": 2.5})
    assert describe_outputs("explained", restored) == {"prediction": [10.0, 12.5]}
    rates = describe_outputs("counts", restore_unit(z, {"rate": 3.0}))["prediction"]
    assert rates == pytest.approx([3.0, 3.0 * math.e])
    assert restore_unit(z, {}) is z


def test_classes_by_name_with_their_share() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.8], [0.7, 0.3]]))
    said = describe_outputs("classification", logits, ("no", "yes"))
    assert said["prediction"] == ["yes", "no"]
    assert said["probability"] == pytest.approx([0.8, 0.7])
    assert describe_outputs("classification", logits)["prediction"] == [1, 0]


def test_binary_targets_and_scores() -> None:
    z = torch.tensor([[math.log(4)], [-math.log(4)]])
    said = describe_outputs("ranking", z, ("healthy", "ill"))
    assert said["prediction"] == ["ill", "healthy"]
    assert said["probability"] == pytest.approx([0.8, 0.8])
    assert describe_outputs("ranking", z) == {"prediction": z[:, 0].tolist()}  # a score: larger is likelier


def test_levels_count_what_is_passed() -> None:
    above = torch.logit(torch.tensor([[0.9, 0.6], [0.9, 0.3], [0.2, 0.1]], dtype=torch.float64))
    said = describe_outputs("ordinal", above, ("low", "mid", "high"))
    assert said["prediction"] == ["high", "mid", "low"]
    assert said["probability"] == pytest.approx([0.6, 0.6, 0.8])


def test_images_do_not_fit_a_row() -> None:
    with pytest.raises(UsageError, match=r"1 x 9 x 9 numbers should go to arrays; give `--out FILE\.npz`"):
        describe_outputs("depth", torch.zeros(2, 1, 9, 9))
    with pytest.raises(UsageError, match="13 x 2 x 2"):
        describe_outputs("classification", torch.zeros(2, 13, 2, 2))
    assert list(describe_outputs("regression", torch.zeros(2, 2))) == ["prediction 0", "prediction 1"]


def test_a_table_has_a_line_per_row_and_leaves_out_what_is_not_asked() -> None:
    rows = NewRows(["r0", "r1"], {}, {"b": [1]})
    table = tabulate_predictions(
        rows, {"a": {"prediction": [0.1, 2.0]}, "b": {"prediction": ["x"], "probability": [1.0]}}
    )
    assert table[0] == {"row": "r0", "a": {"prediction": 0.1}}
    lines = list(csv.reader(io.StringIO(format_csv(table, {"a": "A, really", "b": "b"}))))
    assert lines == [["row", "A, really", "b", "b probability"], ["r0", "0.1", "", ""], ["r1", "2.0", "x", "1.0"]]


def test_arrays_come_back_as_they_were() -> None:
    outputs = {"file": torch.rand(2, 3), "b": torch.rand(2, 1, 4, 4)}
    read = np.load(io.BytesIO(pack_arrays(outputs)))
    assert all((read[task] == outputs[task].numpy()).all() for task in outputs)
