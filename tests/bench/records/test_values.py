"""Values of `--over`, and the grid of a curve: what is read, and which value comes next beyond an end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.records.values import SettingGrid, list_numeric_settings, parse_values, write_setting


def test_a_grid_is_ascending_and_has_each_value_once() -> None:
    assert SettingGrid.parse("lr=0.1/0.001..0.1:3/1e-1").values == (0.001, 0.01, 0.1)
    assert SettingGrid.parse("epochs=40/10..20:2") == SettingGrid("epochs", (10.0, 20.0, 40.0))
    assert SettingGrid.parse("epochs=40/10..20:2").texts == ["10", "20", "40"]
    assert SettingGrid.parse("weight_decay=0/1e-4").texts == ["0.0", "0.0001"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lr", "setting=values, as in `lr=0.0005..0.02:6`"),
        ("lrr=1", "no setting `lrr` that is a number.*`lr`"),
        ("optimiser=adam", "no setting `optimiser` that is a number"),
        ("ranked=1", "no setting `ranked` that is a number"),
        ("lr=fast", "Values of `lr` should be finite numbers. Found `fast`"),
        ("lr=inf", "Values of `lr` should be finite numbers. Found `inf`"),
        ("epochs=2.5", "Values of `epochs` should be whole numbers. Found `2.5`"),
        ("lr=0..1:3", "LOW..HIGH:COUNT.*`0..1:3`"),
    ],
)
def test_what_is_no_grid_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        SettingGrid.parse(text)


def test_numeric_settings_are_those_that_a_user_may_set_to_a_number() -> None:
    numeric = set(list_numeric_settings())
    assert {"lr", "epochs", "trunk_lr", "batch_size", "weight_decay"} <= numeric
    assert not {"optimiser", "betas", "version", "ranked", "clip_norm", "shuffled"} & numeric


def test_the_next_value_continues_the_ratio() -> None:
    grid = SettingGrid.parse("lr=0.001/0.002/0.008")
    assert (grid.next_value("low"), grid.next_value("high")) == (0.0005, 0.032)
    assert grid.extend(0.032, 0.001).values == (0.001, 0.002, 0.008, 0.032)


def test_there_is_no_value_below_zero_nor_between_neighbours() -> None:
    assert SettingGrid.parse("weight_decay=0/1e-4").next_value("low") is None
    assert SettingGrid.parse("weight_decay=0/1e-4").next_value("high") == 0.0002  # zero has no ratio
    assert SettingGrid.parse("epochs=1/2").next_value("low") is None
    assert SettingGrid.parse("epochs=2/3").next_value("low") == 1.0
    assert SettingGrid("lr", (0.01,)).next_value("high") == 0.02
    assert SettingGrid.parse("labels=0.2/0.4/0.8").next_value("high") is None  # a share is at most 1
    assert SettingGrid.parse("labels=0.2/0.4/0.8").next_value("low") == 0.1


@given(
    st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=6, unique=True),
    st.sampled_from(["lr", "epochs"]),
    st.sampled_from(["low", "high"]),
)
def test_the_next_value_lies_beyond(values: list[float], setting: str, end: str) -> None:
    whole = sorted({float(max(1, round(value))) for value in values}) if setting == "epochs" else sorted(values)
    grid = SettingGrid(setting, tuple(whole))
    step = grid.next_value(end)  # type: ignore[arg-type]
    if step is None:  # rounding ate the step
        assert setting == "epochs" or len(whole) > 1
    else:
        assert 0 < step < grid.values[0] if end == "low" else step > grid.values[-1]
        assert float(write_setting(setting, step)) == step


def test_values_of_a_range_have_equal_ratios() -> None:
    values = list(map(float, parse_values("1..1e4:9")))
    ratios = [b / a for a, b in itertools.pairwise(values)]
    assert max(ratios) / min(ratios) < 1.001
