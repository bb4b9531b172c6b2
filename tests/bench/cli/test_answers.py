"""Standard output is a command's answer: nothing that a plug-in prints is in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import registry
from bench.cli.main import main
from bench.execution.cell import StoredCell
from tests.leaderboard.conftest import build_record

NOISY = '''
from bench.api import register
from bench.sharing.hard import Hard

print("importing")


@register("noisy")
class Noisy(Hard):
    """x = y."""
'''


def test_a_plug_in_that_prints_at_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    try:
        assert main(["list", "sharing", "--plugin", str(tmp_path / "noisy.py"), "--json"]) == 0
    finally:
        registry._ENTRIES["sharing"].pop("noisy", None)
    captured = capsys.readouterr()
    assert "noisy" in [entry["name"] for entry in json.loads(captured.out)]
    assert captured.err == "importing\n"


def test_a_method_that_prints_while_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = build_record()

    def fit(*others: Any) -> Any:
        print("training")
        return record

    monkeypatch.setattr("bench.training.fit.fit", fit)
    assert StoredCell(tmp_path, tmp_path)(record.spec, lambda done, epochs: None) == "done"
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "training\n")
