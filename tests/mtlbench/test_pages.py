"""docs/python.md, the section of docs/get_started.md and the notebook, run as a reader would."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib import pyplot

import mtlbench as mb
from leaderboard.analysis.run_rows import RunRow
from tests.pages import ROOT, list_programs, read_page

PAGE = "docs/python.md"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of somebody who reads a page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MTLBENCH_STORE", raising=False)
    yield tmp_path
    pyplot.close("all")


def test_every_block_of_the_page(reader: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    blocks = list_programs(read_page(PAGE))
    for block in blocks:
        exec(compile(block, PAGE, "exec"), names)
    said = capfd.readouterr().out
    assert "<9 runs of `synthetic:tasks=3` in `runs`: 9 done>" in said
    assert "On scenes_1, hard is better than single_task: Δ log +0.015 [+0.004, +0.026]" in said
    assert sorted(path.name for path in reader.glob("*.pdf")) == ["dial.pdf", "rates.pdf", "scenes.pdf"]
    listed = re.findall(r"^\| \[`mb\.(\w+)`\]", read_page(PAGE), re.MULTILINE)
    assert set(re.findall(r"mb\.(\w+)", "".join(blocks))) == set(listed) <= set(mb.__all__)


def test_the_line_on_scenes(reader: Path) -> None:
    """Its answer, and that of the board's own test."""
    [line] = [block for block in list_programs(read_page(PAGE)) if 'suite="scenes"' in block]
    better = eval(line, {"mb": mb})
    assert set(better.index) == {
        *("cross_stitch", "hard", "hard:split=1", "hard:split=2", "hard:split=3", "hard_wide", "soft+l2"),
    }
    [query] = [block for block in list_programs(read_page(PAGE)) if "verdict ==" in block]
    assert set(eval(query, {"board": mb.table("scenes_1")})) == set(better.index)


def test_the_page_describes_every_column() -> None:
    [columns] = re.findall(r"<!-- columns -->\n(.*?)<!-- end -->", read_page(PAGE), re.DOTALL)
    cells = [line.split("|")[1] for line in columns.splitlines()[2:]]
    assert [name for cell in cells for name in re.findall(r"`(\w+)`", cell)] == list(RunRow._fields)


def test_get_started(reader: Path, capfd: pytest.CaptureFixture[str]) -> None:
    section = read_page("docs/get_started.md").partition("\n## From Python\n")[2].partition("\n## ")[0]
    program = "\n".join(list_programs(section))
    (reader / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=reader,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "hard" in done.stdout
    assert "Δ log" in done.stdout
    assert "cross_stitch" in done.stdout


def test_the_notebook(reader: Path) -> None:
    """Every cell in order, without a kernel; what a cell ends with has a form that a notebook shows."""
    book = json.loads((ROOT / "examples" / "quick_start.ipynb").read_text(encoding="utf-8"))
    assert (book["nbformat"], book["metadata"]["kernelspec"]["name"]) == (4, "python3")
    names: dict[str, object] = {}
    shown = []
    for cell in book["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)  # results are made, not kept
            *lines, last = "".join(cell["source"]).splitlines()
            exec("\n".join(lines), names)
            if re.match(r"\w+( =|\s*import)", last) or last.startswith("import"):
                exec(last, names)
            else:
                shown.append(eval(last, names))
    assert sum(hasattr(each, "_repr_html_") for each in shown) >= 4
    assert all("<table" in each._repr_html_() for each in shown if hasattr(each, "_repr_html_"))
