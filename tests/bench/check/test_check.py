"""The contract of plug-ins: built-ins keep it, and a plug-in that breaks one rule fails that rule alone."""

from pathlib import Path

import pytest
import torch

from bench.api import DataMissing, register
from bench.catalogue.registry import PACKAGES, Entry, list_entries
from bench.check import RuleOutcome, backbone, check, check_entry, constraint, find_subjects, sharing, suite, weighting
from bench.errors import UsageError
from tests.bench.check.broken import backbone as backbones
from tests.bench.check.broken import change
from tests.bench.check.broken import constraint as constraints
from tests.bench.check.broken import sharing as sharings
from tests.bench.check.broken import suite as suites
from tests.bench.check.broken import weighting as weightings

BROKEN = {
    "sharing": sharings.BROKEN,
    "constraint": constraints.BROKEN,
    "weighting": weightings.BROKEN,
    "suite": suites.BROKEN,
    "backbone": backbones.BROKEN,
}
RULES = {
    "sharing": sharing.RULES,
    "constraint": constraint.RULES,
    "weighting": weighting.RULES,
    "suite": suite.BEFORE_DATA + suite.WITH_DATA,
    "backbone": backbone.RULES,
}
FEW = ("synthetic:inputs=own,tasks=2,train=16", "synthetic:tasks=1,train=16", "multidigits")
ALWAYS = {"symmetry"}  # notes, and never fails
GOOD = {
    "sharing": [sharings.Limited, sharings.Mutable, sharings.Means, sharings.Pooled],
    "constraint": [constraints.Good, constraints.ORDERED],
    "weighting": [weightings.Good],
    "suite": [suites.Good, suites.PARTIAL, suites.MISSING],
    "backbone": [backbones.Good, backbones.Fixed],
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    # The same numbers on the CPU; torch.manual_seed seeds absent devices too, and formats the call stack for each.
    monkeypatch.setattr(torch, "manual_seed", torch.random.default_generator.manual_seed)


def verdict(kind: str, cls: type) -> list[RuleOutcome]:
    """The outcomes of a class that is not registered."""
    return list(check_entry(Entry(kind, "odd", cls, 1, "")))


def failures(outcomes: list[RuleOutcome]) -> dict[str, str]:
    """Rule -> advice of those that do not hold."""
    return {outcome.rule: outcome.advice for outcome in outcomes if not outcome.passed}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in PACKAGES for name in list_entries(kind)])
def test_built_ins_keep_the_contract(kind: str, name: str) -> None:
    outcomes = list(check(kind, name))
    assert failures(outcomes) == {}
    assert {outcome.subject for outcome in outcomes} == {f"{kind}/{name}"}
    names = [rule.__name__.replace("_", " ") for rule in RULES[kind]]
    assert [outcome.rule for outcome in outcomes] == names[: len(outcomes)]
    assert len(outcomes) == len(names) or outcomes[-1].advice.startswith("Skipped: ")


@pytest.mark.parametrize(("kind", "cls"), [(kind, cls) for kind, classes in GOOD.items() for cls in classes])
def test_the_plug_ins_that_are_then_broken_keep_it(kind: str, cls: type) -> None:
    assert failures(verdict(kind, cls)) == {}


@pytest.mark.parametrize(
    ("kind", "rule", "words", "cls"),
    [
        pytest.param(kind, rule, words, cls, id=f"{kind}-{rule}-{words}")
        for kind, cases in BROKEN.items()
        for rule, words, cls in cases
    ],
)
def test_breaking_a_rule_fails_it_alone(
    monkeypatch: pytest.MonkeyPatch, kind: str, rule: str, words: str, cls: type
) -> None:
    monkeypatch.setattr(sharing, "TRIAL_SUITES", FEW)
    monkeypatch.setattr(suite, "SECONDS", 0.25)
    found = failures(verdict(kind, cls))
    assert list(found) == [rule], found
    assert words in found[rule]
    assert found[rule][0].isupper() or found[rule].startswith("`")
    assert found[rule].endswith(".")


@pytest.mark.parametrize("kind", PACKAGES)
def test_every_rule_can_fail(kind: str) -> None:
    broken = {rule for rule, _, _ in BROKEN[kind]} | ALWAYS
    broken |= {"documented", "options"}  # one code for all kinds, broken above as sharings
    assert {rule.__name__.replace("_", " ") for rule in RULES[kind]} <= broken


def test_an_order_of_the_tasks_is_noted() -> None:
    [note] = [outcome for outcome in verdict("constraint", constraints.ORDERED) if outcome.rule == "symmetry"]
    assert note.passed
    assert "order of the tasks matters" in note.advice


def test_missing_data_leaves_out_the_rules_on_rows() -> None:
    absent = change(suites.Good, checksums=lambda self: (_ for _ in ()).throw(DataMissing("Get the rows first.")))
    *_, last = verdict("suite", absent)
    assert (last.rule, last.passed) == ("data", True)
    assert last.advice == "Skipped: Get the rows first. The rules on rows were not run."


def test_a_refusal_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "TRIAL_SUITES", FEW)
    picky = change(sharings.Good, supports=lambda self, suite: "needs two tasks." if len(suite.tasks) < 2 else None)
    outcomes = verdict("sharing", picky)
    assert failures(outcomes) == {}
    [built] = [outcome for outcome in outcomes if outcome.rule == "builds"]
    assert built.advice == "Refused: `synthetic:tasks=1,train=16` needs two tasks."


def test_leaving_the_interpreter_is_a_failure_too() -> None:
    def leave(self, coupled):  # type: ignore[no-untyped-def]
        raise SystemExit(3)

    advice = failures(verdict("constraint", change(constraints.Good, __init__=leave)))["builds"]
    assert "SystemExit: 3 (test_check.py, line" in advice


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ("raise KeyError('own')", "Found KeyError: 'own' (odd.py, line 11); mend that line."),
        ("json.loads('')", "Found JSONDecodeError: Expecting value: line 1 column 1 (char 0) (odd.py, line 11); mend"),
        ("odd_helper.fall()", "Found ZeroDivisionError: division by zero (odd_helper.py, line 2); mend that line."),
        (
            "self.w = nn.LazyLinear(3)",
            "; the error came from code that your file calls or inherits.",
        ),
    ],
)
def test_advice_points_at_lines_of_the_subject_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, advice: str
) -> None:
    (tmp_path / "odd_helper.py").write_text("def fall():\n    return 1 / 0\n")
    file = tmp_path / "odd.py"
    lines = ["import json", "import odd_helper", "from torch import nn", "from bench.api import register"]
    lines += ["from tests.bench.check.broken.weighting import Good", "@register('odd_three')", "class Odd(Good):"]
    lines += ["    'A sum.'", "    def __init__(self, tasks):", "        super().__init__(tasks)", f"        {body}"]
    file.write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    [(kind, name)] = find_subjects(str(file))
    found = failures(list(check(kind, name)))
    assert any(advice in text for text in found.values()), found
    for text in found.values():
        assert "mend that line" not in text or "(odd.py, line" in text or "(odd_helper.py, line" in text


def test_advice_on_a_built_in_points_at_its_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.weightings.static.torch", None)
    found = failures(list(check("weighting", "static")))
    assert found
    assert all("has no attribute 'tensor' (static.py, line" in text for text in found.values())


def test_checks_leave_the_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    verdict("weighting", weightings.Good)
    verdict("suite", suites.Good)
    assert torch.equal(torch.rand(3), expected)


def test_a_name_stands_for_every_kind_that_has_it() -> None:
    register("odd_one")(change(weightings.Good))
    assert find_subjects("odd_one") == [("weighting", "odd_one")]
    register("odd_one")(change(sharings.Good))
    assert find_subjects("odd_one") == [("sharing", "odd_one"), ("weighting", "odd_one")]
    assert find_subjects("weighting/odd_one") == [("weighting", "odd_one")]
    assert failures(list(check("weighting", "odd_one"))) == {}


def test_a_file_stands_for_what_it_registers(tmp_path: Path) -> None:
    lines = "from bench.api import register\nfrom tests.bench.check.broken.weighting import Good\n"
    lines += 'register("odd_two")(Good)\n'
    file = tmp_path / "odd.py"
    file.write_text(lines)
    assert find_subjects(str(file)) == find_subjects(str(file)) == [("weighting", "odd_two")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crosstitch", "`cross_stitch`"),
        ("sharing/crosstitch", "There is no sharing `crosstitch`; the nearest: `cross_stitch`"),
        ("sharing/l2", "There is no sharing `l2`"),
        ("nowhere.py", "Found nothing at `nowhere.py`"),
        ("some/where", "Found nothing at `some/where`"),
        ("README.md", "A plug-in should be a Python file"),
        ("EMPTY", "should register a class"),
        (
            "BROKEN",
            "import without an error. Found ModuleNotFoundError: No module named 'absent' (odd.py, line 2)",
        ),
    ],
)
def test_what_stands_for_nothing_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").touch()
    file = tmp_path / "odd.py"
    file.write_text("x = 1\nimport absent\n" if text == "BROKEN" else "x = 1\n")
    with pytest.raises(UsageError) as error:
        find_subjects(str(file) if text.isupper() else text)
    assert words in str(error.value)
    assert str(error.value).endswith(".")
