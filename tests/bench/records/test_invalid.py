"""What is wrong with a protocol is said by field, with its choices, wherever it is made."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bench.api import register
from bench.catalogue.plugin_files import load_plugin
from bench.catalogue.registry import Entry
from bench.check import check_entry
from bench.errors import UsageError
from bench.planning.plan import override, parse_suite
from bench.records import Protocol, explain_invalid
from tests.bench.check.broken import change
from tests.bench.check.broken import suite as suites

SOUND: dict[str, Any] = {
    "name": "toy",
    "version": 1,
    "splits": {"train": 8, "test": 4},
    "split_rule": "in order",
    "epochs": 2,
    "steps_per_epoch": 5,
    "batch_size": 4,
    "optimiser": "adam",
    "lr": 1e-3,
    "schedule": "cosine",
    "metrics": {"a": "regression"},
}
CASES = [
    ({"schedule": None}, "`schedule` of the protocol should be `constant`, `cosine` or `step`. Found `None`."),
    ({"optimiser": "rms"}, "`optimiser` of the protocol should be `adam` or `sgd`. Found `rms`."),
    ({"lr": -1}, "`lr` of the protocol should be greater than 0. Found `-1`."),
    ({"splits": {"train": 0}}, "`splits.train` of the protocol should be greater than or equal to 1. Found `0`."),
    ({"metrics": ["a"]}, "`metrics` of the protocol should be a valid dictionary. Found `['a']`."),
    ({"learning_rat": 1}, "The protocol has no field `learning_rat`; the nearest: "),
    ({"batch_sise": 1}, "The protocol has no field `batch_sise`; the nearest: `batch_size`, `batches`."),
    ({"replica": "q"}, "`replica` should name a task (a). Found q."),
]
MISSING = [
    ("schedule", "`schedule` of the protocol should be `constant`, `cosine` or `step`. Found none."),
    ("optimiser", "`optimiser` of the protocol should be `adam` or `sgd`. Found none."),
    ("lr", "`lr` of the protocol should be given: learning rate of towers and heads. Found none."),
    ("name", "`name` of the protocol should be given. Found none."),
]


def refused(**values: Any) -> str:
    with pytest.raises(ValidationError) as error:
        Protocol(**values)
    return explain_invalid(error.value)


@pytest.mark.parametrize(("changed", "sentence"), CASES)
def test_a_wrong_field_is_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    assert refused(**(SOUND | changed)).startswith(sentence)


@pytest.mark.parametrize(("field", "sentence"), MISSING)
def test_a_missing_field_is_one_sentence_with_its_choices(field: str, sentence: str) -> None:
    assert refused(**{name: value for name, value in SOUND.items() if name != field}) == sentence


def test_every_choice_of_the_protocol_is_said() -> None:
    for name, field in Protocol.model_fields.items():
        if "Literal" in str(field.annotation):
            sentence = refused(**(SOUND | {name: "nothing"}))
            choices = re.findall(r"'(\w+)'", str(field.annotation))
            assert choices
            assert all(f"`{choice}`" in sentence for choice in choices)


def test_what_is_no_protocol_is_named_by_its_class() -> None:
    class Other(BaseModel, extra="forbid"):
        rows: int

    with pytest.raises(ValidationError) as error:
        Other(columns=3)  # type: ignore[call-arg]
    assert explain_invalid(error.value) == (
        "`rows` of `Other` should be given. Found none. `Other` has no field `columns`; leave it out."
    )


WRONG = change(suites.Good, protocol_changes={"schedule": "sometimes"})
SENTENCE = "`schedule` of the protocol should be `constant`, `cosine` or `step`. Found `sometimes`"


def test_a_suite_with_a_wrong_protocol_is_refused_in_a_sentence() -> None:
    register("wrong")(WRONG)
    with pytest.raises(UsageError) as error:
        parse_suite("wrong")
    assert str(error.value) == f"{SENTENCE}."
    [outcome] = [outcome for outcome in check_entry(Entry("suite", "wrong", WRONG, 1, "")) if not outcome.passed]
    assert outcome.rule == "constructor"
    assert f"Found ValidationError: {SENTENCE} (suite.py, line " in outcome.advice


def test_a_file_that_makes_a_wrong_protocol_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "odd.py"
    file.write_text("from tests.bench.records.test_invalid import WRONG\nWRONG()\n")
    with pytest.raises(UsageError) as error:
        load_plugin(file)
    assert str(error.value) == (
        f"`odd.py` should import without an error. Found ValidationError: {SENTENCE} (odd.py, line 2)."
    )


def test_a_setting_that_is_refused_is_the_same_sentence() -> None:
    _, suite = parse_suite("multidigits")
    with pytest.raises(UsageError, match=r"^`optimiser` of the protocol should be `adam` or `sgd`\. Found `rms`\.$"):
        override(suite.protocol, {"optimiser": "rms"})
