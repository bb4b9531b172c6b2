"""docs/missing_labels.md: its suite keeps the contract, its commands run, and what it says they print is printed."""

import re
import shlex
from pathlib import Path

import pytest

from bench.catalogue.plugin_files import load_plugin
from bench.check import check
from bench.cli.main import main
from leaderboard.store import Store
from tests.pages import list_programs, read_page

PAGE = read_page("docs/missing_labels.md")
[CODE] = list_programs(PAGE)
[COMMANDS] = re.findall(r"<!-- commands -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader saved the suite."""
    (tmp_path / "machine.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_run_and_tell_the_labels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for line in COMMANDS.strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "mtlbench"
        quick = ["--set", "epochs=1", "--device", "cpu", "--jobs", "1"] if words[0] in ("run", "curve") else []
        more = ["--where", "epochs=1"] if words[0] == "table" else []
        words = ["0" if word == "0-1" else word for word in words]  # one seed shows as much
        assert main([*words, *quick, *more]) == 0, line
        printed.append(capsys.readouterr().out)
    info, _, table, curve = printed
    [told] = re.findall(r"\(`labels train: (.*?)`", PAGE)
    assert f"labels train     {told}" in info
    assert re.search(r"train\s+240\s+81\s+124\b", table)
    assert "labels" in curve
    records = Store(folder / "lab").read().records
    assert {(r.method, r.spec.protocol.labels) for r in records} == {
        ("single_task", 1.0),
        *(("hard", share) for share in (0.1, 0.3, 1.0)),
    }
    counts = {r.spec.protocol.labels: r.labels["train"]["yield"] for r in records}
    assert counts == {1.0: 81, 0.3: 24, 0.1: 8}
    assert all(not r.find_problems() for r in records)


def test_the_suite_of_the_page_keeps_the_contract(folder: Path) -> None:
    load_plugin(folder / "machine.py")
    found = {outcome.rule: outcome.advice for outcome in check("suite", "machine") if not outcome.passed}
    assert found == {}
