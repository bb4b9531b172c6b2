"""The examples, run as a reader runs them; what they print is what their first lines promise."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.cli.main import main
from tests.pages import list_programs, read_page

FOLDER = Path(__file__).parents[1] / "examples"
PLUGINS = {"own_metric", "scale_and_bias"}  # register a part, under one name for the whole process


def run(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a file prints."""
    state = torch.get_rng_state()
    capsys.readouterr()
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    torch.set_rng_state(state)
    return capsys.readouterr().out


def numbers(line: str) -> list[float]:
    return [float(each) for each in re.findall(r"\d+\.\d+", line)]


def test_own_loop(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("own_loop", capsys).splitlines()
    assert [line.split()[0] for line in lines] == [
        *("single_task", "hard", "hard@pcgrad", "cross_stitch", "soft+l2:halflife=50"),
    ]
    for line in lines:
        right, off = numbers(line)
        assert 0.85 < right <= 1
        assert 0 < off < 0.2


def test_timm_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    *stages, first, last = run("timm_backbone", capsys).splitlines()
    assert [line.rpartition("features ")[2] for line in stages] == [
        *("(64, 32, 32)", "(64, 16, 16)", "(128, 8, 8)", "(256, 4, 4)", "(512, 2, 2)"),
    ]
    assert numbers(last)[0] < 0.5 * numbers(first)[0]


def test_transformer_two_heads(capsys: pytest.CaptureFixture[str]) -> None:
    often, count, apart = run("transformer_two_heads", capsys).splitlines()
    assert numbers(often)[0] > 0.7
    assert numbers(count)[0] < 0.5
    assert apart == "{'often': (5, 2), 'count': (3, 1)}"


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # PEFT's
def test_adapters(capsys: pytest.CaptureFixture[str]) -> None:
    lora, before, after = run("adapters", capsys).splitlines()
    learning, total = map(int, re.findall(r"(\d+) of (\d+)", lora)[0])
    assert learning < 0.2 * total
    assert numbers(lora)[0] < 0.02
    assert "8 pairs" in before
    assert numbers(after)[0] < 0.2 * numbers(before)[0]


def test_constrain_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    """The truth has rank 2: free regressions of few rows have all 8 directions, held ones the right two."""
    free, held = run("constrain_parameters", capsys).splitlines()
    assert "rank 8" in free
    assert "rank 2" in held
    assert numbers(held)[1] < 0.6 * numbers(free)[1]


def test_own_metric(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its scores follow from its statistics, in a loop and in a table of the benchmark."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MTLBENCH_STORE", raising=False)
    file = str(FOLDER / "own_metric.py")
    assert main(["check", file]) == 0
    assert main(["run", "near", "single_task", "hard", "--plugin", file]) == 0
    capsys.readouterr()
    assert main(["table", "near", "--plugin", file]) == 0
    table = capsys.readouterr().out
    assert "near" in table
    assert {"single_task", "hard"} <= set(re.findall(r"\w+", table))


def test_the_page_cuts_an_encoder() -> None:
    block, *_ = list_programs(read_page("docs/your_network.md"))
    names: dict[str, Any] = {}
    exec(block, names)
    assert len(names["stages"]) == 4
    assert {task: tuple(y.shape) for task, y in names["predictions"].items()} == {"topic": (4, 3), "mood": (4, 1)}


def test_every_example_is_run_and_shown_on_a_page() -> None:
    names = {file.stem for file in FOLDER.glob("*.py")}
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert names - PLUGINS <= tests
    pages = "".join(
        page.read_text() for page in [*FOLDER.parent.joinpath("docs").glob("*.md"), FOLDER.parent / "README.md"]
    )
    assert [name for name in sorted(names) if f"examples/{name}.py" not in pages] == []
