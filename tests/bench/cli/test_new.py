"""`mtlbench new`: a file of each kind that keeps the contract as it is and trains; bad names are one sentence."""

import re
from pathlib import Path

import pytest
import torch

from bench.api import Blueprint, Coupled, StepState, TrainState
from bench.catalogue.plugin_files import load_plugin
from bench.catalogue.registry import find_entry
from bench.check import check
from bench.cli.main import main
from bench.cli.new import KINDS, TRIALS, write_part
from bench.planning.plan import parse_suite, plan
from bench.training.fit import fit

THREE_UPDATES = {"epochs": "1", "steps_per_epoch": "3"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_part_passes_the_check_and_trains(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "parts"  # which is made
    assert main(["new", kind, "bread_and_butter", "--out", str(folder)]) == 0
    path = folder / "bread_and_butter.py"
    assert [each.name for each in folder.iterdir()] == [path.name]
    told = capsys.readouterr().out.splitlines()
    assert told[1] == f"  mtlbench check {path}"
    registered = load_plugin(path)
    assert {name for _, name in registered} == {"bread_and_butter"}
    assert KINDS[kind] in {part for part, _ in registered}
    outcomes = [outcome for part in registered for outcome in check(*part)]
    assert {outcome.rule: outcome.advice for outcome in outcomes if not outcome.passed} == {}
    # The second command that it prints, for three updates of each method.
    match = re.fullmatch(r"  mtlbench run (\S+) (.+) --plugin (\S+)", told[2])
    assert match is not None
    assert match[3] == str(path)
    specs = plan(match[1], match[2].split(), [0], THREE_UPDATES, device="cpu")
    assert any("bread_and_butter" in f"{spec.suite} {spec.method}" for spec in specs)
    for record in map(fit, specs):
        assert record.status == "done", record.error
        assert record.find_problems() == []
        assert record.cost is not None


def test_what_the_templates_compute_is_what_they_say(tmp_path: Path) -> None:
    """The equations of their docstrings, on numbers."""
    for kind in ("method", "constraint", "weighting"):
        (tmp_path / f"t_{kind}.py").write_text(write_part(kind, f"t_{kind}"))
        load_plugin(tmp_path / f"t_{kind}.py")
    W = torch.tensor([[1.0, 3.0]], dtype=torch.float64)  # mean 2, deviations 1
    constraint = find_entry("constraint", "t_constraint").build(Coupled((1,), 2, 0.1), strength=0.5)
    assert float(constraint.value(W)) == 0.5 * 2
    assert constraint.prox(W, 1.0).tolist() == [[1.5, 2.5]]  # 1 + 2 s strength = 2: half of each deviation is left
    weighting = find_entry("weighting", "t_weighting").build(["a", "b"], power=1.0)
    weights = weighting(StepState(torch.tensor([1.0, 3.0]), TrainState()))
    assert torch.allclose(weights, torch.tensor([0.5, 1.5]))
    _, suite = parse_suite("synthetic:tasks=2")
    x = torch.randn(4, 20)
    mixed, hard = (
        find_entry("sharing", name).build(Blueprint(suite, 0), **options)
        for name, options in (("t_method", {"own": 0.25}), ("hard", {}))
    )
    with torch.no_grad():
        for parameter in mixed.towers[0].parameters():
            parameter.zero_()
        z = mixed({"task00": x}, TrainState())["task00"]
        assert torch.allclose(z, 0.75 * hard({"task00": x}, TrainState())["task00"])


BAD = [
    (["method", "2fast"], "NAME should be letters.*`my_method`.*`2fast`"),
    (["method", "my-method"], "NAME should be letters"),
    (["method", "../out"], "NAME should be letters"),
    (["method", "random"], "no module.*`my_random`"),
    (["suite", "class"], "no word of Python"),
    (["method", "hard"], "`hard` is taken, by a sharing"),
    (["weighting", "l2"], "`l2` is taken, by a constraint"),
    (["metric", "ranking"], "`ranking` is taken, by a kind of metric"),
    (["sharing", "mine"], "no KIND `sharing`|nothing called `sharing`"),
    (["method"], "NAME"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_names_are_one_sentence(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err), err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("work of weeks")
    assert main(["new", "method", "mine", "--out", str(tmp_path)]) == 2
    assert "should not be there yet" in capsys.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "work of weeks"
    assert main(["new", "method", "other", "--out", str(tmp_path / "mine.py")]) == 2
    wanted = "`--out` should be the folder of the file, which is called NAME.py. Found a file, `"
    assert wanted in capsys.readouterr().err
    assert main(["new", "method", "fresh", "--out", str(tmp_path / "fresh.py")]) == 2  # which is not there yet
    assert f"{wanted}{tmp_path / 'fresh.py'}`; take `--out {tmp_path}`." in capsys.readouterr().err
    assert not (tmp_path / "fresh.py").exists()


@pytest.mark.parametrize("name", ["tensor", "none", "task", "synthetic_like"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_name_does_not_cover_what_the_file_imports(kind: str, name: str) -> None:
    """`tensor` would make a class `Tensor` of a file that imports one."""
    text = write_part(kind, name)
    compile(text, f"{name}.py", "exec")
    assert f"my_{kind}" not in text
    assert f"My{kind.capitalize()}" not in text
    imported = set(re.findall(r"\w+", "".join(line for line in text.splitlines() if "import" in line)))
    assert not imported & set(re.findall(r"^class (\w+)", text, re.MULTILINE))


def test_templates_are_short_and_explained() -> None:
    for kind in TRIALS:
        lines = write_part(kind, "mine").splitlines()
        assert len(lines) <= 80
        assert sum("#" in line for line in lines) >= 4
        assert any("Change this first" in line for line in lines)
