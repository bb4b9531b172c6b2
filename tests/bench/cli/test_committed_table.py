"""Tables of the committed results, where nobody has run anything yet."""

import os
from pathlib import Path

import pytest

from bench.cli.main import main
from leaderboard.store.committed import COMMITTED


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with no store named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MTLBENCH_STORE", raising=False)
    return tmp_path


def test_without_runs_of_ones_own_the_committed_ones_are_shown(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", "progression"]) == 0
    shown = capsys.readouterr()
    assert f"there is no `runs` here; these are `{COMMITTED}`." in shown.err
    assert main(["table", "progression", "--store", str(COMMITTED)]) == 0
    assert capsys.readouterr().out == shown.out


def test_a_store_of_ones_own_is_all_that_is_shown(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkdir("runs")
    assert main(["table", "progression"]) == 0
    shown = capsys.readouterr()
    assert "committed" not in shown.err
    assert "`runs` holds no finished run of `progression`" in shown.err


def test_what_has_no_committed_runs_is_told_as_ever(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "nyuv2_paper"]) == 0
    assert "`runs` holds no finished run of `nyuv2_paper`" in capsys.readouterr().err
